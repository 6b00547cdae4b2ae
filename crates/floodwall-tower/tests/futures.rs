//! Tests of the future of a response, and of readiness, over services that know nothing of HTTP: each way in which a
//! future ends, and what the wall counts.

mod common;

use std::convert::Infallible;
use std::future::{Future, Ready, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use floodwall::{AdmitOptions, Class, Curve, Draw, Floodwall, Rejection, Share};
use floodwall_tower::FloodwallLayer;
use tower::{Layer, Service, ServiceBuilder, service_fn};

use self::common::{Kind, LIMIT, Numbers, Wall, context, in_use, numbers, poll_once, wall};

/// What a service responds: "done", or the rejection.
type Response = Result<&'static str, Rejection>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Failure;

const DONE: Poll<Result<Response, Failure>> = Poll::Ready(Ok(Ok("done")));

type Plain<E> = FloodwallLayer<Wall, fn(&Kind) -> Kind, fn(Rejection) -> Result<Response, E>>;

fn reject<E>(rejection: Rejection) -> Result<Response, E> {
    Ok(Err(rejection))
}

/// A layer whose requests are classes.
fn layer<E>(wall: &Wall) -> Plain<E> {
    FloodwallLayer::new(Arc::clone(wall), |kind: &Kind| *kind, reject)
}

/// Returns the future of a message, with this future of the inner service.
fn message<F>(wall: &Wall, work: F) -> impl Future<Output = Result<Response, Failure>> + use<F>
where
    F: Future<Output = Result<Response, Failure>>,
{
    let mut work = Some(work);
    let mut service = layer(wall).layer(service_fn(|_: Kind| work.take().unwrap()));
    service.call(Kind::Message)
}

/// Is pending the first time, then ready with the result.
fn pending_once<T: Copy>(result: T) -> impl Future<Output = T> {
    let mut is_first = true;
    poll_fn(move |_| {
        if std::mem::take(&mut is_first) {
            Poll::Pending
        } else {
            Poll::Ready(result)
        }
    })
}

/// Panics with this text, without calling the panic hook, which would write a backtrace.
fn panicking<T>(text: &'static str) -> T {
    resume_unwind(Box::new(text))
}

/// A service that must not be called.
fn uncalled(_: Kind) -> Ready<Result<Response, Failure>> {
    panic!("the inner service was called")
}

fn done(_: Kind) -> Ready<Result<Response, Failure>> {
    ready(Ok(Ok("done")))
}

/// Work that notes on drop how many permits are in use, and is pending forever.
struct Work {
    wall: Wall,
    in_use_at_drop: Arc<AtomicU32>,
}

const NOT_DROPPED: u32 = u32::MAX;

impl Work {
    fn new(wall: &Wall) -> (Work, Arc<AtomicU32>) {
        let in_use_at_drop = Arc::new(AtomicU32::new(NOT_DROPPED));
        let work = Work {
            wall: Arc::clone(wall),
            in_use_at_drop: Arc::clone(&in_use_at_drop),
        };
        (work, in_use_at_drop)
    }
}

impl Future for Work {
    type Output = Result<Response, Failure>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.in_use_at_drop
            .store(in_use(&self.wall), Ordering::Relaxed);
    }
}

mod admitted {
    use super::*;

    #[test]
    fn permit_is_held_from_call_until_response_is_ready() {
        let wall = wall();
        let mut future = pin!(message(&wall, pending_once(Ok(Ok("done")))));
        assert_eq!(in_use(&wall), 1, "before the first poll");
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
        assert_eq!(in_use(&wall), 1, "while pending");
        assert_eq!(poll_once(future.as_mut()), DONE);
        // The future still exists.
        let released = Numbers {
            in_use: 0,
            admitted: 1,
            rejected: 0,
        };
        assert_eq!(numbers(&wall), released);
    }

    #[test]
    fn error_releases_permit() {
        let wall = wall();
        let mut future = pin!(message(&wall, pending_once(Err(Failure))));
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
        assert_eq!(in_use(&wall), 1);
        assert_eq!(poll_once(future.as_mut()), Poll::Ready(Err(Failure)));
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn future_dropped_before_its_first_poll_releases_permit() {
        let wall = wall();
        let future = message(&wall, pending());
        assert_eq!(in_use(&wall), 1);
        drop(future);
        assert_eq!(in_use(&wall), 0);
        assert_eq!(numbers(&wall).admitted, 1);
    }

    #[test]
    fn future_dropped_while_pending_releases_permit() {
        let wall = wall();
        let mut future = Box::pin(message(&wall, pending()));
        for _ in 0..3 {
            assert_eq!(poll_once(future.as_mut()), Poll::Pending);
            assert_eq!(in_use(&wall), 1);
        }
        drop(future);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn work_is_dropped_before_permit() {
        let wall = wall();
        for polls in 0..2 {
            let (work, in_use_at_drop) = Work::new(&wall);
            let mut future = Box::pin(message(&wall, work));
            for _ in 0..polls {
                assert_eq!(poll_once(future.as_mut()), Poll::Pending);
            }
            assert_eq!(in_use_at_drop.load(Ordering::Relaxed), NOT_DROPPED);
            drop(future);
            assert_eq!(in_use_at_drop.load(Ordering::Relaxed), 1);
            assert_eq!(in_use(&wall), 0);
        }
    }

    /// The futures of two requests hold one permit each.
    #[test]
    fn each_future_holds_a_permit_of_its_own() {
        let wall = wall();
        let first = message(&wall, pending());
        let second = message(&wall, pending());
        assert_eq!(in_use(&wall), 2);
        drop(first);
        assert_eq!(in_use(&wall), 1);
        drop(second);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn future_moves_to_another_thread() {
        let wall = wall();
        let future = message(&wall, ready(Ok(Ok("done"))));
        let poll = move || poll_once(pin!(future));
        assert_eq!(std::thread::spawn(poll).join().unwrap(), DONE);
        assert_eq!(in_use(&wall), 0);
    }
}

mod panics {
    use super::*;

    /// Returns the text of the panic of `f`.
    fn panic_text<T>(f: impl FnOnce() -> T) -> &'static str {
        let Err(payload) = catch_unwind(AssertUnwindSafe(f)) else {
            panic!("there was no panic")
        };
        *payload.downcast::<&str>().unwrap()
    }

    #[test]
    fn future_whose_poll_panicked_releases_permit_when_dropped() {
        let wall = wall();
        let work = poll_fn(|_| panicking("in poll"));
        let mut future = Box::pin(message(&wall, work));
        assert_eq!(panic_text(|| poll_once(future.as_mut())), "in poll");
        assert_eq!(in_use(&wall), 1);
        drop(future);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn task_whose_poll_panicked_releases_permit() {
        let wall = wall();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let future = message(&wall, poll_fn(|_| panicking("in poll")));
        let task = runtime.spawn(future);
        assert!(runtime.block_on(task).unwrap_err().is_panic());
        assert_eq!(in_use(&wall), 0);
        assert_eq!(numbers(&wall).admitted, 1);
    }

    #[test]
    fn panic_in_call_of_inner_service_releases_permit() {
        let wall = wall();
        let inner = |_| panicking::<Ready<Result<Response, Failure>>>("in call");
        let mut service = layer(&wall).layer(service_fn(inner));
        assert_eq!(panic_text(|| service.call(Kind::Message)), "in call");
        let released = Numbers {
            in_use: 0,
            admitted: 1,
            rejected: 0,
        };
        assert_eq!(numbers(&wall), released);
    }

    #[test]
    fn panic_in_drop_of_work_releases_permit() {
        /// Work that panics when it is dropped.
        struct Fragile;

        impl Future for Fragile {
            type Output = Result<Response, Failure>;

            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
                Poll::Pending
            }
        }

        impl Drop for Fragile {
            fn drop(&mut self) {
                panicking("in drop")
            }
        }

        let wall = wall();
        let future = message(&wall, Fragile);
        assert_eq!(in_use(&wall), 1);
        assert_eq!(panic_text(|| drop(future)), "in drop");
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn panic_in_classify_counts_nothing() {
        let wall = wall();
        let classify = |_: &Kind| panicking::<Kind>("in classify");
        let layer = FloodwallLayer::new(Arc::clone(&wall), classify, reject);
        let mut service = layer.layer(service_fn(uncalled));
        assert_eq!(panic_text(|| service.call(Kind::Message)), "in classify");
        let untouched = Numbers {
            in_use: 0,
            admitted: 0,
            rejected: 0,
        };
        assert_eq!(numbers(&wall), untouched);
    }

    #[test]
    fn panic_in_reject_leaves_the_rejection_counted() {
        let wall = wall();
        wall.close();
        let reject = |_| panicking::<Result<Response, Failure>>("in reject");
        let layer = FloodwallLayer::new(Arc::clone(&wall), |kind: &Kind| *kind, reject);
        let mut service = layer.layer(service_fn(uncalled));
        assert_eq!(panic_text(|| service.call(Kind::Message)), "in reject");
        let counted = Numbers {
            in_use: 0,
            admitted: 0,
            rejected: 1,
        };
        assert_eq!(numbers(&wall), counted);
        // The service still works.
        wall.open();
        let mut service = super::layer(&wall).layer(service_fn(done));
        assert_eq!(poll_once(pin!(service.call(Kind::Message))), DONE);
    }
}

mod rejected {
    use super::*;

    #[test]
    fn rejected_request_does_not_reach_inner_service() {
        let wall = wall();
        wall.close();
        let mut service = layer(&wall).layer(service_fn(uncalled));
        let mut future = pin!(service.call(Kind::Login));
        let Poll::Ready(Ok(Err(rejection))) = poll_once(future.as_mut()) else {
            panic!("not a rejection at the first poll")
        };
        assert_eq!(rejection.to_string(), "Login: closed");
        let snapshot = wall.snapshot();
        assert_eq!(snapshot.classes()[Kind::Login.index()].closed, 1);
        let counted = Numbers {
            in_use: 0,
            admitted: 0,
            rejected: 1,
        };
        assert_eq!(numbers(&wall), counted);
    }

    #[test]
    fn rejection_can_be_an_error() {
        let wall = wall();
        wall.close();
        let mut service = FloodwallLayer::new(wall, |kind: &Kind| *kind, |_| Err(Failure))
            .layer(service_fn(uncalled));
        let result = poll_once(pin!(service.call(Kind::Login)));
        assert_eq!(result, Poll::Ready(Err(Failure)));
    }

    #[test]
    fn rejected_future_holds_no_permit_and_counts_once_if_dropped() {
        let wall = wall();
        let _logins = wall
            .admit_owned_with(Kind::Login, AdmitOptions::new().permits(3))
            .unwrap();
        let mut service = layer(&wall).layer(service_fn(uncalled));
        let future = service.call(Kind::Login);
        let counted = Numbers {
            in_use: 3,
            admitted: 1,
            rejected: 1,
        };
        assert_eq!(numbers(&wall), counted);
        drop(future);
        assert_eq!(numbers(&wall), counted);
    }

    #[test]
    #[should_panic(expected = "polled after it was ready")]
    fn rejected_future_panics_if_polled_after_it_was_ready() {
        let wall = wall();
        wall.close();
        let mut service = layer(&wall).layer(service_fn(uncalled));
        let mut future = pin!(service.call(Kind::Login));
        assert!(poll_once(future.as_mut()).is_ready());
        let _ = poll_once(future);
    }
}

mod classified {
    use super::*;

    /// Returns the future of one request that `classify` makes a `K` of.
    fn call<K>(
        wall: &Wall,
        classified: K,
        work: impl Future<Output = Result<Response, Failure>>,
    ) -> impl Future<Output = Result<Response, Failure>>
    where
        K: floodwall_tower::Classified<Kind> + Copy,
    {
        let mut work = Some(work);
        FloodwallLayer::new(Arc::clone(wall), move |_: &()| classified, reject)
            .layer(service_fn(|()| work.take().unwrap()))
            .call(())
    }

    fn pending_call<K>(
        wall: &Wall,
        classified: K,
    ) -> impl Future<Output = Result<Response, Failure>>
    where
        K: floodwall_tower::Classified<Kind> + Copy,
    {
        call(wall, classified, pending())
    }

    const EXEMPT: Option<Kind> = None;
    const EXEMPT_WITH_OPTIONS: Option<(Kind, AdmitOptions)> = None;

    #[test]
    fn exempt_request_reaches_inner_service_and_counts_nothing() {
        let wall = wall();
        let before = numbers(&wall);
        let mut future = pin!(call(&wall, EXEMPT, pending_once(Ok(Ok("done")))));
        assert_eq!(numbers(&wall), before);
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
        assert_eq!(numbers(&wall), before);
        assert_eq!(poll_once(future.as_mut()), DONE);
        assert_eq!(numbers(&wall), before);

        let future = pending_call(&wall, EXEMPT_WITH_OPTIONS);
        assert_eq!(numbers(&wall), before);
        drop(future);
        assert_eq!(numbers(&wall), before);
        assert_eq!(
            wall.snapshot().classes().iter().map(|c| c.peak).max(),
            Some(0)
        );
    }

    #[test]
    fn exempt_request_reaches_inner_service_of_closed_or_full_wall() {
        let wall = wall();
        let _messages = wall
            .admit_owned_with(Kind::Message, AdmitOptions::new().permits(10))
            .unwrap();
        for close in [false, true] {
            if close {
                wall.close();
            }
            let before = numbers(&wall);
            let work = || ready(Ok(Ok("done")));
            assert_eq!(poll_once(pin!(call(&wall, EXEMPT, work()))), DONE);
            assert_eq!(
                poll_once(pin!(call(&wall, EXEMPT_WITH_OPTIONS, work()))),
                DONE
            );
            assert_eq!(numbers(&wall), before);
        }
    }

    #[test]
    fn class_takes_one_permit_of_that_class() {
        let wall = wall();
        let plain = pending_call(&wall, Kind::Login);
        let optional = pending_call(&wall, Some(Kind::Login));
        assert_eq!(wall.in_use(Kind::Login), 2);
        assert_eq!(wall.in_use(Kind::Message), 0);
        drop((plain, optional));
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn number_of_permits_is_admitted_and_released_together() {
        let wall = wall();
        let three = (Kind::Login, AdmitOptions::new().permits(3));
        let mut future = Box::pin(call(&wall, three, pending_once(Ok(Ok("done")))));
        assert_eq!(wall.in_use(Kind::Login), 3);
        assert_eq!(poll_once(future.as_mut()), Poll::Pending);
        assert_eq!(wall.in_use(Kind::Login), 3);
        assert_eq!(poll_once(future.as_mut()), DONE);
        assert_eq!(in_use(&wall), 0);

        let future = pending_call(&wall, Some(three));
        assert_eq!(wall.in_use(Kind::Login), 3);
        drop(future);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn draw_decides() {
        let ramp = Curve::linear(0.0, 1.0);
        let wall = Arc::new(Floodwall::new(
            10,
            &[
                Kind::Message.rule(Share::at_least(6)),
                Kind::Login.rule(Share::at_most(3)).shed(ramp),
            ],
        ));
        let _messages = wall
            .admit_owned_with(Kind::Message, AdmitOptions::new().permits(5))
            .unwrap();
        // The reject probability is 0.5.
        for (draw, admitted) in [(0, 0), (u32::MAX, 1)] {
            let options = AdmitOptions::new().draw(Draw::from(draw));
            let future = pending_call(&wall, (Kind::Login, options));
            assert_eq!(wall.in_use(Kind::Login), admitted, "{draw}");
            drop(future);
        }
        assert_eq!(wall.snapshot().classes()[Kind::Login.index()].shed, 1);
    }

    #[test]
    fn pressure_sheds() {
        let wall = wall();
        for (pressure, admitted) in [(0.4, 1), (0.6, 0)] {
            let options = AdmitOptions::new().pressure(pressure);
            let future = pending_call(&wall, Some((Kind::Login, options)));
            assert_eq!(wall.in_use(Kind::Login), admitted, "{pressure}");
            drop(future);
        }
        assert_eq!(wall.snapshot().classes()[Kind::Login.index()].shed, 1);
    }
}

mod walls {
    use super::*;

    static STATIC: Floodwall<Kind> = Floodwall::new(
        1,
        &[
            Kind::Message.rule(Share::at_most(1)),
            Kind::Login.rule(Share::at_most(1)),
        ],
    );

    /// The only test that uses the static.
    #[test]
    fn static_wall_needs_no_arc() {
        let layer = FloodwallLayer::new(&STATIC, |kind: &Kind| *kind, reject);
        let mut service = layer.layer(service_fn(|_: Kind| pending::<Result<Response, Failure>>()));
        let future = service.call(Kind::Message);
        assert_eq!(STATIC.in_use(Kind::Message), 1);
        let rejected = poll_once(pin!(service.call(Kind::Login)));
        assert!(matches!(rejected, Poll::Ready(Ok(Err(_)))), "{rejected:?}");
        assert_eq!(in_use(&STATIC), 1);
        drop(future);
        let released = Numbers {
            in_use: 0,
            admitted: 1,
            rejected: 1,
        };
        assert_eq!(numbers(&STATIC), released);
    }

    /// Otherwise the permit would have nothing to be released to.
    #[test]
    fn future_keeps_wall_alive() {
        let wall = wall();
        let weak = Arc::downgrade(&wall);
        let future = message(&wall, pending());
        drop(wall);
        assert_eq!(weak.upgrade().map(|wall| in_use(&wall)), Some(1));
        drop(future);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn clones_of_service_and_services_of_one_layer_share_the_wall() {
        let wall = wall();
        let inner = service_fn(|_: Kind| pending::<Result<Response, Failure>>());
        let layer = layer(&wall);
        let mut service = layer.layer(inner);
        let mut services = [
            service.clone(),
            layer.layer(inner),
            layer.clone().layer(inner),
        ];
        let first = service.call(Kind::Login);
        let others = services.each_mut().map(|other| other.call(Kind::Login));
        let counted = Numbers {
            in_use: 3,
            admitted: 3,
            rejected: 1,
        };
        assert_eq!(numbers(&wall), counted);
        drop((first, others));
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn debug_shows_inner_service_but_no_closures() {
        #[derive(Debug)]
        struct Inner;
        impl Service<Kind> for Inner {
            type Response = Response;
            type Error = Failure;
            type Future = Ready<Result<Response, Failure>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, kind: Kind) -> Self::Future {
                done(kind)
            }
        }

        let layer = layer(&wall());
        let mut service = layer.layer(Inner);
        assert_eq!(format!("{layer:?}"), "FloodwallLayer { .. }");
        assert_eq!(
            format!("{service:?}"),
            "FloodwallService { inner: Inner, .. }"
        );
        let future = service.call(Kind::Message);
        assert_eq!(format!("{future:?}"), "ResponseFuture { .. }");
    }
}

mod readiness {
    use super::*;

    use tower::limit::ConcurrencyLimitLayer;
    use tower::load_shed::LoadShedLayer;
    use tower::load_shed::error::Overloaded;

    /// A service whose readiness is set by the test.
    struct Gate(Poll<Result<(), Failure>>);

    impl Service<Kind> for Gate {
        type Response = Response;
        type Error = Failure;
        type Future = Ready<Result<Response, Failure>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
            self.0
        }

        fn call(&mut self, kind: Kind) -> Self::Future {
            done(kind)
        }
    }

    /// Readiness is that of the inner service whatever the state of the wall, and the numbers of the wall do not
    /// change.
    #[test]
    fn readiness_is_that_of_inner_service_and_admits_nothing() {
        let full = wall();
        let _messages = full
            .admit_owned_with(Kind::Message, AdmitOptions::new().permits(10))
            .unwrap();
        let closed = wall();
        closed.close();
        for (state, wall) in [("open", wall()), ("full", full), ("closed", closed)] {
            let before = numbers(&wall);
            for expected in [
                Poll::Pending,
                Poll::Ready(Ok(())),
                Poll::Ready(Err(Failure)),
            ] {
                let mut service = layer(&wall).layer(Gate(expected));
                for _ in 0..2 {
                    assert_eq!(service.poll_ready(&mut context()), expected, "{state}");
                    assert_eq!(numbers(&wall), before, "{state}");
                }
            }
        }
    }

    #[test]
    fn bounded_inner_service_makes_layer_wait_before_admission() {
        let wall = wall();
        let mut service = ServiceBuilder::new()
            .layer(layer(&wall))
            .layer(ConcurrencyLimitLayer::new(1))
            .service(service_fn(|_: Kind| pending::<Result<Response, Failure>>()));
        let mut other = service.clone();
        assert!(service.poll_ready(&mut context()).is_ready());
        let future = service.call(Kind::Message);
        assert!(other.poll_ready(&mut context()).is_pending());
        // The request that waits has no permit, and cannot be rejected.
        wall.close();
        assert!(other.poll_ready(&mut context()).is_pending());
        let waiting = Numbers {
            in_use: 1,
            admitted: 1,
            rejected: 0,
        };
        assert_eq!(numbers(&wall), waiting);
        drop(future);
        assert!(other.poll_ready(&mut context()).is_ready());
    }

    #[test]
    fn load_shed_between_layer_and_bounded_service_keeps_layer_ready() {
        let wall = wall();
        let mut service = ServiceBuilder::new()
            .layer(layer(&wall))
            .layer(LoadShedLayer::new())
            .layer(ConcurrencyLimitLayer::new(1))
            .service(service_fn(|_: Kind| {
                pending::<Result<Response, Infallible>>()
            }));
        let mut other = service.clone();
        assert!(service.poll_ready(&mut context()).is_ready());
        let future = service.call(Kind::Message);
        assert!(other.poll_ready(&mut context()).is_ready());
        let Poll::Ready(Err(error)) = poll_once(pin!(other.call(Kind::Message))) else {
            panic!("not an error at the first poll")
        };
        assert!(error.is::<Overloaded>(), "{error}");
        assert_eq!(in_use(&wall), 1);
        // The layer rejects, although the inner service is full.
        wall.close();
        assert!(other.poll_ready(&mut context()).is_ready());
        let rejected = poll_once(pin!(other.call(Kind::Message)));
        assert!(matches!(rejected, Poll::Ready(Ok(Err(_)))));
        drop(future);
        let released = Numbers {
            in_use: 0,
            admitted: 2,
            rejected: 1,
        };
        assert_eq!(numbers(&wall), released);
    }
}

mod threads {
    use super::*;

    /// The end of the work of one request, after some polls.
    #[derive(Clone, Copy)]
    enum End {
        Done,
        Failed,
        Panic,
        Never,
    }

    #[derive(Clone, Copy)]
    struct Request {
        classified: Option<Kind>,
        end: End,
        pending_polls: u32,
        panics_in_call: bool,
    }

    fn work(request: Request) -> impl Future<Output = Result<Response, Failure>> {
        if request.panics_in_call {
            panicking("in call")
        }
        let mut pending_polls = request.pending_polls;
        poll_fn(move |_| {
            if let Some(rest) = pending_polls.checked_sub(1) {
                pending_polls = rest;
                return Poll::Pending;
            }
            match request.end {
                End::Done => Poll::Ready(Ok(Ok("done"))),
                End::Failed => Poll::Ready(Err(Failure)),
                End::Panic => panicking("in poll"),
                End::Never => Poll::Pending,
            }
        })
    }

    /// Tasks that move between threads end in all ways. Some are dropped before their work has ended.
    #[test]
    fn nothing_is_in_use_after_random_ends_on_several_threads() {
        const TASKS: u64 = 3000;
        // A wall that is often full. A login is always rejected.
        let wall = Arc::new(Floodwall::new(
            4,
            &[
                Kind::Message.rule(Share::at_least(1)),
                Kind::Login.rule(Share::at_most(0)),
            ],
        ));
        let called = Arc::new(AtomicU32::new(0));
        let service = {
            let called = Arc::clone(&called);
            FloodwallLayer::new(
                Arc::clone(&wall),
                |request: &Request| request.classified,
                reject,
            )
            .layer(service_fn(move |request: Request| {
                called.fetch_add(1, Ordering::Relaxed);
                work(request)
            }))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_time()
            .build()
            .unwrap();
        let mut exempt = 0;
        let mut tasks = Vec::new();
        for seed in 0..TASKS {
            let mut random = fastrand::Rng::with_seed(seed);
            let request = Request {
                classified: *random
                    .choice(&[
                        None,
                        Some(Kind::Message),
                        Some(Kind::Message),
                        Some(Kind::Message),
                        Some(Kind::Login),
                    ])
                    .unwrap(),
                end: random
                    .choice([End::Done, End::Failed, End::Panic, End::Never])
                    .unwrap(),
                pending_polls: random.u32(0..4),
                panics_in_call: random.u32(0..16) == 0,
            };
            exempt += u64::from(request.classified.is_none());
            let polls = random.u32(0..6);
            let mut service = service.clone();
            tasks.push(runtime.spawn(async move {
                let mut future = pin!(service.call(request));
                for _ in 0..polls {
                    if poll_once(future.as_mut()).is_ready() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
        let panicked = runtime.block_on(async {
            let all = async {
                let mut panicked = 0;
                for task in tasks {
                    panicked += u32::from(task.await.is_err_and(|error| error.is_panic()));
                }
                panicked
            };
            tokio::time::timeout(LIMIT, all).await.expect("tasks end")
        });
        let Numbers {
            in_use,
            admitted,
            rejected,
        } = numbers(&wall);
        assert_eq!(in_use, 0);
        assert_eq!(admitted + rejected, TASKS - exempt);
        assert_eq!(u64::from(called.load(Ordering::Relaxed)), admitted + exempt);
        // Each way is one of those that were tested.
        assert!(panicked > 0 && exempt > 0 && admitted > 0 && rejected > 0);
        let limit = wall.snapshot().classes()[Kind::Message.index()].peak;
        assert!(limit <= 4, "{limit}");
    }
}
