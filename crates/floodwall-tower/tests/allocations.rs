//! Requests through the layer do not use Rust's global allocator, except to pass a permit to the handler.
//!
//! The requests, the handlers, and the responses of these tests do not allocate, so all allocations are the layer's. As
//! in the tests of the wall, allocations inside the C library are not counted.

#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use floodwall::{Floodwall, Permit, Rejection, Share};
use floodwall_tower::{FloodwallLayer, HandlerPermit};
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service, service_fn};

use self::common::{Kind, WallPermit, context, in_use, numbers, poll_once, wall};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u32> = const { Cell::new(0) };
}

fn count_one() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: forwards each call to `System`. Counting does not touch the memory of the callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller upholds the contract of this function, which is that of the call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count_one();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the number of allocations in `f`.
fn allocations(f: impl FnOnce()) -> u32 {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

#[test]
fn allocator_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(7)))), 1);
}

type Outcome = Result<Response<Full<Bytes>>, Rejection>;

fn handler(_: Request<()>) -> Ready<Outcome> {
    ready(Ok(Response::new(Full::new(Bytes::from_static(b"done")))))
}

fn reject(_: Rejection) -> Outcome {
    let mut response = Response::new(Full::new(Bytes::from_static(b"rejected")));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    Ok(response)
}

/// Calls the service twice: creates, polls and drops one future, and drops another before its first poll. Reads the
/// body of the response, if any. Returns the status.
fn call_twice<B: Body + Unpin, S>(service: &mut S) -> StatusCode
where
    S: Service<Request<()>, Response = Response<B>, Error = Rejection>,
{
    assert!(service.poll_ready(&mut context()).is_ready());
    drop(service.call(Request::new(())));
    assert!(service.poll_ready(&mut context()).is_ready());
    let Poll::Ready(Ok(response)) = poll_once(pin!(service.call(Request::new(())))) else {
        panic!("no response at the first poll")
    };
    let status = response.status();
    let mut body = response.into_body();
    let mut frames = 0;
    while !body.is_end_stream() {
        assert!(Pin::new(&mut body).poll_frame(&mut context()).is_ready());
        frames += 1;
    }
    assert_eq!(frames, 1);
    status
}

static WALL: Floodwall<Kind> = Floodwall::new(
    8,
    &[
        Kind::Message.rule(Share::at_least(4)),
        Kind::Login.rule(Share::at_most(0)),
    ],
);

fn message(_: &Request<()>) -> Kind {
    Kind::Message
}

fn login(_: &Request<()>) -> Kind {
    Kind::Login
}

#[test]
fn admitted_request_does_not_allocate() {
    let wall = wall();
    let mut owned =
        FloodwallLayer::new(Arc::clone(&wall), message, reject).layer(service_fn(handler));
    let mut of_static = FloodwallLayer::new(&WALL, message, reject).layer(service_fn(handler));
    let count = allocations(|| {
        for _ in 0..3 {
            assert_eq!(call_twice(&mut owned), 200);
            assert_eq!(call_twice(&mut of_static), 200);
        }
    });
    assert_eq!(count, 0);
    assert_eq!((numbers(&wall).admitted, in_use(&wall)), (6, 0));
}

#[test]
fn rejected_request_does_not_allocate() {
    let wall = wall();
    wall.close();
    let mut owned =
        FloodwallLayer::new(Arc::clone(&wall), message, reject).layer(service_fn(handler));
    let mut of_static = FloodwallLayer::new(&WALL, login, reject)
        .hold_until_body_sent()
        .pass_permit_to_handler()
        .layer(service_fn(handler));
    let count = allocations(|| {
        for _ in 0..3 {
            assert_eq!(call_twice(&mut owned), 503);
            assert_eq!(call_twice(&mut of_static), 503);
        }
    });
    assert_eq!(count, 0);
    assert_eq!(numbers(&wall).rejected, 6);
}

#[test]
fn exempt_request_does_not_allocate() {
    let mut service = FloodwallLayer::new(&WALL, |_: &Request<()>| None::<Kind>, reject)
        .hold_until_body_sent()
        .pass_permit_to_handler()
        .layer(service_fn(handler));
    assert_eq!(allocations(|| assert_eq!(call_twice(&mut service), 200)), 0);
}

#[test]
fn permit_in_body_does_not_allocate() {
    let wall = wall();
    let mut owned = FloodwallLayer::new(Arc::clone(&wall), message, reject)
        .hold_until_body_sent()
        .layer(service_fn(handler));
    let mut of_static = FloodwallLayer::new(&WALL, message, reject)
        .hold_until_body_sent()
        .layer(service_fn(handler));
    let count = allocations(|| {
        for _ in 0..3 {
            assert_eq!(call_twice(&mut owned), 200);
            assert_eq!(call_twice(&mut of_static), 200);
        }
    });
    assert_eq!(count, 0);
    assert_eq!((numbers(&wall).admitted, in_use(&wall)), (6, 0));
}

/// The allocations of the first extension of a request, as `http::Extensions` makes them, apart from the value's.
fn of_first_extension() -> u32 {
    let mut request = Request::new(());
    // A value without a size needs no allocation of its own.
    allocations(|| assert!(request.extensions_mut().insert(()).is_none()))
}

/// Two allocations: the shared place of the permit, and the box in which the extensions keep the handle.
#[test]
fn passing_a_permit_to_the_handler_allocates_twice_and_what_the_first_extension_needs() {
    let mut service = FloodwallLayer::new(&WALL, message, reject)
        .pass_permit_to_handler()
        .layer(service_fn(handler));
    let first = of_first_extension();
    for _ in 0..3 {
        let count = allocations(|| drop(service.call(Request::new(()))));
        assert_eq!(count, 2 + first);
    }
    // A request that a router or another layer has extended.
    let mut request = Request::new(());
    request.extensions_mut().insert(7);
    assert_eq!(allocations(|| drop(service.call(request))), 2);
    assert_eq!(first, 2);
}

#[test]
fn taking_a_permit_does_not_allocate() {
    let wall = wall();
    let mut count = None;
    let mut service = FloodwallLayer::new(Arc::clone(&wall), message, reject)
        .pass_permit_to_handler()
        .layer(service_fn(|request: Request<()>| {
            let permit = request.extensions().get::<HandlerPermit<WallPermit>>();
            let permit = permit.unwrap();
            count = Some(allocations(|| drop(permit.clone().take().unwrap())));
            handler(request)
        }));
    drop(service.call(Request::new(())));
    drop(service);
    assert_eq!(count, Some(0));
    assert_eq!(in_use(&wall), 0);
}

/// Each layer moves the future.
#[test]
fn future_is_larger_than_the_inner_future_by_the_permit_alone() {
    async fn large(_: Request<()>) -> Outcome {
        let large = black_box([1_u8; 4096]);
        std::future::pending::<()>().await;
        black_box(&large);
        unreachable!("the future is not polled")
    }

    let mut service = FloodwallLayer::new(&WALL, message, reject).layer(service_fn(large));
    let inner = size_of_val(&large(Request::new(())));
    let whole = size_of_val(&service.call(Request::new(())));
    let limit = inner + size_of::<Option<Permit<'static>>>() + size_of::<usize>();
    assert!((4096..=limit).contains(&whole), "{whole}, with {inner}");
}
