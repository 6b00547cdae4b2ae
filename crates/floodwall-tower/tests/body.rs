//! Tests of the layer over HTTP: permits that are held until the body has ended, permits that the handler takes, and
//! rejections as responses.

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use floodwall::{AdmitOptions, Rejection};
use floodwall_tower::{FloodwallLayer, HandlerPermit};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service, service_fn};

use self::common::{Kind, Wall, WallPermit, context, in_use, numbers, poll_once, rejections, wall};

#[derive(Clone, Copy, Debug, PartialEq)]
struct Failure;

/// A result of `poll_frame`.
type Step = Poll<Option<Result<Frame<Bytes>, Failure>>>;

/// A body that yields these results, and notes on drop how many permits are in use.
#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    /// Is none in the response to a rejected request.
    on_drop: Option<(Wall, Arc<AtomicU32>)>,
}

impl Body for Script {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Step {
        self.steps.pop_front().expect("polled after the last step")
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    /// The values only show that they are passed on.
    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        hint.set_lower(self.steps.len() as u64);
        hint.set_upper(1000 + self.steps.len() as u64);
        hint
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Script({})", self.steps.len())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        if let Some((wall, in_use_at_drop)) = &self.on_drop {
            in_use_at_drop.store(in_use(wall), Ordering::Relaxed);
        }
    }
}

fn data() -> Step {
    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"part")))))
}

fn trailers() -> Step {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
}

const END: Step = Poll::Ready(None);
const FAILED: Step = Poll::Ready(Some(Err(Failure)));

/// Rejects with an empty body, which notes nothing.
fn reject<E>(rejection: Rejection) -> Result<Response<Script>, E> {
    let builder = Response::builder().header("reason", rejection.reason().name());
    Ok(builder.body(Script::default()).unwrap())
}

const NOT_DROPPED: u32 = u32::MAX;

/// Returns the response of a service that holds permits until the body has been sent, and where its body notes what is
/// in use when it is dropped.
fn respond<const STEPS: usize>(
    wall: &Wall,
    classified: Option<Kind>,
    steps: [Step; STEPS],
) -> (
    Response<impl Body<Data = Bytes, Error = Failure> + std::fmt::Debug + Unpin + use<STEPS>>,
    Arc<AtomicU32>,
) {
    let in_use_at_drop = Arc::new(AtomicU32::new(NOT_DROPPED));
    let mut body = Some(Script {
        steps: steps.into(),
        on_drop: Some((Arc::clone(wall), Arc::clone(&in_use_at_drop))),
    });
    let inner = service_fn(|_: Request<()>| {
        let response = Response::builder()
            .status(201)
            .header("from", "handler")
            .body(body.take().unwrap())
            .unwrap();
        std::future::ready(Ok::<_, Failure>(response))
    });
    let mut service = FloodwallLayer::new(Arc::clone(wall), |_: &Request<()>| classified, reject)
        .hold_until_body_sent()
        .layer(inner);
    // The future is dropped on return: the body alone holds the permit.
    let Poll::Ready(Ok(response)) = poll_once(pin!(service.call(Request::new(())))) else {
        panic!("no response at the first poll")
    };
    (response, in_use_at_drop)
}

/// Reads one frame. Returns its kind.
fn read(body: &mut (impl Body<Data = Bytes, Error = Failure> + Unpin)) -> &'static str {
    match Pin::new(body).poll_frame(&mut context()) {
        Poll::Pending => "pending",
        Poll::Ready(None) => "end",
        Poll::Ready(Some(Err(Failure))) => "failed",
        Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
            assert_eq!(frame.into_data().unwrap(), "part");
            "data"
        }
        Poll::Ready(Some(Ok(frame))) => {
            assert_eq!(frame.into_trailers().unwrap()["grpc-status"], "0");
            "trailers"
        }
    }
}

mod held_until_body_sent {
    use super::*;

    #[test]
    fn permit_is_held_at_each_frame_until_body_has_ended() {
        let wall = wall();
        let steps = [Poll::Pending, data(), Poll::Pending, data(), END];
        let (mut response, _) = respond(&wall, Some(Kind::Message), steps);
        assert_eq!(in_use(&wall), 1, "before the first frame");
        for expected in ["pending", "data", "pending", "data"] {
            assert_eq!(read(response.body_mut()), expected);
            assert_eq!(in_use(&wall), 1, "after {expected}");
        }
        assert_eq!(read(response.body_mut()), "end");
        // The body still exists.
        assert_eq!(in_use(&wall), 0);
        drop(response);
        assert_eq!(in_use(&wall), 0);
        assert_eq!(numbers(&wall).admitted, 1);
    }

    #[test]
    fn permit_is_held_until_trailers_have_been_sent() {
        let wall = wall();
        let steps = [data(), trailers(), END];
        let (mut response, _) = respond(&wall, Some(Kind::Message), steps);
        for expected in ["data", "trailers"] {
            assert_eq!(read(response.body_mut()), expected);
            assert_eq!(in_use(&wall), 1, "after {expected}");
        }
        assert_eq!(read(response.body_mut()), "end");
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn error_of_body_releases_permit() {
        let wall = wall();
        let (mut response, _) = respond(&wall, Some(Kind::Message), [data(), FAILED]);
        assert_eq!(read(response.body_mut()), "data");
        assert_eq!(in_use(&wall), 1);
        assert_eq!(read(response.body_mut()), "failed");
        assert_eq!(in_use(&wall), 0);
    }

    /// `Script` panics if it is polled after its last step.
    #[test]
    fn body_that_panicked_releases_permit_when_dropped() {
        let wall = wall();
        let (mut response, in_use_at_drop) = respond(&wall, Some(Kind::Message), []);
        let body = response.body_mut();
        let panicking = std::panic::AssertUnwindSafe(|| read(body));
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert_eq!(in_use(&wall), 1);
        drop(response);
        assert_eq!(in_use_at_drop.load(Ordering::Relaxed), 1);
        assert_eq!(in_use(&wall), 0);
    }

    /// A server does not poll a body that says that it has ended, and drops it.
    #[test]
    fn body_dropped_after_any_frame_releases_permit() {
        let wall = wall();
        for frames in 0..4 {
            let steps = [data(), Poll::Pending, trailers(), END];
            let (mut response, in_use_at_drop) = respond(&wall, Some(Kind::Message), steps);
            for _ in 0..frames {
                read(response.body_mut());
            }
            assert_eq!(in_use(&wall), 1, "after {frames} frames");
            drop(response);
            assert_eq!(in_use(&wall), 0, "after {frames} frames");
            assert_eq!(in_use_at_drop.load(Ordering::Relaxed), 1, "the body first");
        }
    }

    #[test]
    fn body_holds_permit_without_the_rest_of_the_response() {
        let wall = wall();
        let (response, _) = respond(&wall, Some(Kind::Message), [data(), END]);
        let (parts, body) = response.into_parts();
        drop(parts);
        assert_eq!(in_use(&wall), 1);
        drop(body);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn status_and_headers_are_those_of_the_handler() {
        let (response, _) = respond(&wall(), Some(Kind::Message), [END]);
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["from"], "handler");
    }

    #[test]
    fn end_and_size_hint_are_those_of_inner_body() {
        let (response, _) = respond(&wall(), Some(Kind::Message), [data(), END]);
        let mut body = response.into_body();
        for (rest, read_next) in [(2, "data"), (1, "end")] {
            assert!(!body.is_end_stream());
            let hint = body.size_hint();
            assert_eq!((hint.lower(), hint.upper()), (rest, Some(1000 + rest)));
            assert_eq!(read(&mut body), read_next);
        }
        assert!(body.is_end_stream());
        let hint = body.size_hint();
        assert_eq!((hint.lower(), hint.upper()), (0, Some(1000)));
    }

    #[test]
    fn debug_shows_body_and_whether_it_holds_a_permit() {
        let (response, _) = respond(&wall(), Some(Kind::Message), [END]);
        let mut body = response.into_body();
        assert_eq!(
            format!("{body:?}"),
            "PermitBody { body: Script(1), holds_permit: true }"
        );
        assert_eq!(read(&mut body), "end");
        assert_eq!(
            format!("{body:?}"),
            "PermitBody { body: Script(0), holds_permit: false }"
        );
    }

    #[test]
    fn body_of_rejected_response_holds_no_permit() {
        let wall = wall();
        let _logins = wall
            .admit_owned_with(Kind::Login, AdmitOptions::new().permits(3))
            .unwrap();
        let (response, _) = respond(&wall, Some(Kind::Login), [END]);
        assert_eq!(response.headers()["reason"], "class_full");
        assert!(response.body().is_end_stream());
        assert_eq!(
            format!("{:?}", response.body()),
            "PermitBody { body: Script(0), holds_permit: false }"
        );
        assert_eq!(in_use(&wall), 3);
    }

    #[test]
    fn body_of_exempt_response_holds_no_permit() {
        let wall = wall();
        wall.close();
        let (mut response, _) = respond(&wall, None, [data(), END]);
        assert_eq!(response.status(), 201);
        assert_eq!(in_use(&wall), 0);
        assert_eq!(
            format!("{:?}", response.body()),
            "PermitBody { body: Script(2), holds_permit: false }"
        );
        assert_eq!(read(response.body_mut()), "data");
        assert_eq!(read(response.body_mut()), "end");
        let numbers = numbers(&wall);
        assert_eq!((numbers.admitted, numbers.rejected), (0, 0));
    }

    #[test]
    fn future_dropped_before_its_response_and_errors_release_permit() {
        let wall = wall();
        let results = [Poll::Pending, Poll::Ready(Err(Failure))];
        for result in results {
            let inner = service_fn(|_: Request<()>| {
                std::future::poll_fn(move |_| -> Poll<Result<Response<Script>, Failure>> {
                    result.map_ok(|()| unreachable!())
                })
            });
            let mut service =
                FloodwallLayer::new(Arc::clone(&wall), |_: &Request<()>| Kind::Message, reject)
                    .hold_until_body_sent()
                    .layer(inner);
            let mut future = Box::pin(service.call(Request::new(())));
            assert_eq!(in_use(&wall), 1);
            let polled = poll_once(future.as_mut());
            assert_eq!(polled.is_pending(), result.is_pending());
            assert_eq!(in_use(&wall), u32::from(result.is_pending()));
            drop(future);
            assert_eq!(in_use(&wall), 0);
        }
    }
}

mod held_until_response {
    use super::*;

    /// The default.
    #[test]
    fn body_holds_no_permit() {
        let wall = wall();
        let inner = service_fn(|_: Request<()>| {
            let body = Script {
                steps: [data(), END].into(),
                on_drop: None,
            };
            std::future::ready(Ok::<_, Failure>(Response::new(body)))
        });
        let mut service =
            FloodwallLayer::new(Arc::clone(&wall), |_: &Request<()>| Kind::Message, reject)
                .layer(inner);
        let mut future = pin!(service.call(Request::new(())));
        assert_eq!(in_use(&wall), 1);
        let Poll::Ready(Ok(mut response)) = poll_once(future.as_mut()) else {
            panic!("no response at the first poll")
        };
        assert_eq!(in_use(&wall), 0);
        // The body is that of the handler, without a wrapper.
        let body: &mut Script = response.body_mut();
        assert_eq!(read(body), "data");
        assert_eq!(read(body), "end");
    }
}

mod handler_permit {
    use super::*;

    type Handle = HandlerPermit<WallPermit>;

    fn handle(request: &Request<()>) -> Handle {
        request.extensions().get::<Handle>().unwrap().clone()
    }

    /// Returns the future of a request with this handler, which gets the request with the permit in its extensions.
    fn call<H, F>(
        wall: &Wall,
        handler: H,
    ) -> impl Future<Output = Result<Response<Script>, Failure>> + use<H, F>
    where
        H: FnMut(Request<()>) -> F,
        F: Future<Output = Result<Response<Script>, Failure>>,
    {
        FloodwallLayer::new(Arc::clone(wall), |_: &Request<()>| Kind::Message, reject)
            .pass_permit_to_handler()
            .layer(service_fn(handler))
            .call(Request::new(()))
    }

    fn response() -> Result<Response<Script>, Failure> {
        Ok(Response::new(Script::default()))
    }

    #[test]
    fn taken_permit_outlives_the_future() {
        let wall = wall();
        let mut taken = None;
        let future = call(&wall, |request| {
            taken = handle(&request).take();
            std::future::ready(response())
        });
        assert_eq!(in_use(&wall), 1);
        drop(future);
        assert_eq!(in_use(&wall), 1);
        assert_eq!(taken.as_ref().unwrap().permits(), 1);
        drop(taken);
        assert_eq!(in_use(&wall), 0);
        assert_eq!(numbers(&wall).admitted, 1);
    }

    #[test]
    fn taken_permit_outlives_the_response() {
        let wall = wall();
        let mut taken = None;
        {
            let future = call(&wall, |request| {
                taken = handle(&request).take();
                std::future::ready(response())
            });
            assert!(poll_once(pin!(future)).is_ready());
        }
        assert_eq!(in_use(&wall), 1);
        drop(taken);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn permit_that_handler_drops_is_released_before_the_response() {
        let wall = wall();
        let future = call(&wall, |request| {
            drop(handle(&request).take());
            std::future::pending()
        });
        assert_eq!(in_use(&wall), 0);
        drop(future);
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn second_take_returns_none() {
        let wall = wall();
        let mut second = None;
        let future = call(&wall, |request| {
            let first = handle(&request).take();
            second = Some(handle(&request).take().is_none());
            assert_eq!(first.unwrap().permits(), 1);
            std::future::ready(response())
        });
        drop(future);
        assert_eq!(second, Some(true));
        assert_eq!(in_use(&wall), 0);
    }

    /// A part of the request, or the response, may live on with the extensions.
    #[test]
    fn permit_that_was_not_taken_is_released_at_the_end_although_extensions_live_on() {
        let wall = wall();
        for poll in [false, true] {
            let mut extensions = None;
            {
                let mut future = Box::pin(call(&wall, |request| {
                    extensions = Some(request.into_parts().0.extensions);
                    std::future::ready(response())
                }));
                assert_eq!(in_use(&wall), 1);
                if poll {
                    assert!(poll_once(future.as_mut()).is_ready());
                    // The future still exists.
                    assert_eq!(in_use(&wall), 0);
                }
            }
            assert_eq!(in_use(&wall), 0, "polled: {poll}");
            let extensions = extensions.unwrap();
            let late = extensions.get::<Handle>().unwrap();
            assert!(late.take().is_none(), "taken after the end");
        }
    }

    /// The request moves into the future of the handler.
    #[test]
    fn permit_is_held_while_handler_is_pending_and_can_be_taken_then() {
        let wall = wall();
        let slot = Arc::new(Mutex::new(None));
        let mut future = Box::pin(call(&wall, |request| {
            let slot = Arc::clone(&slot);
            let mut is_first = true;
            std::future::poll_fn(move |_| {
                if std::mem::take(&mut is_first) {
                    return Poll::Pending;
                }
                *slot.lock().unwrap() = handle(&request).take();
                Poll::Ready(response())
            })
        }));
        assert!(poll_once(future.as_mut()).is_pending());
        assert_eq!(in_use(&wall), 1);
        assert!(poll_once(future.as_mut()).is_ready());
        drop(future);
        assert_eq!(in_use(&wall), 1);
        drop(slot.lock().unwrap().take());
        assert_eq!(in_use(&wall), 0);
    }

    #[test]
    fn error_and_panic_of_handler_release_permit_that_was_not_taken() {
        let wall = wall();
        let mut handles = Vec::new();
        {
            let future = call(&wall, |request| {
                handles.push(handle(&request));
                std::future::ready(Err(Failure))
            });
            assert!(matches!(poll_once(pin!(future)), Poll::Ready(Err(Failure))));
        }
        assert_eq!(in_use(&wall), 0);
        let panicking = std::panic::AssertUnwindSafe(|| {
            drop(call(
                &wall,
                |request| -> std::future::Ready<Result<Response<Script>, Failure>> {
                    handles.push(handle(&request));
                    std::panic::resume_unwind(Box::new("in call"))
                },
            ));
        });
        assert!(std::panic::catch_unwind(panicking).is_err());
        assert_eq!(in_use(&wall), 0);
        assert_eq!(handles.len(), 2);
        assert!(handles.iter().all(|handle| handle.take().is_none()));
    }

    #[test]
    fn exempt_request_has_no_handler_permit() {
        let wall = wall();
        let mut service =
            FloodwallLayer::new(Arc::clone(&wall), |_: &Request<()>| None::<Kind>, reject)
                .pass_permit_to_handler()
                .layer(service_fn(|request: Request<()>| {
                    assert!(request.extensions().get::<Handle>().is_none());
                    std::future::ready(response())
                }));
        assert!(poll_once(pin!(service.call(Request::new(())))).is_ready());
        assert_eq!(numbers(&wall).admitted, 0);
    }

    #[test]
    fn debug_of_handle_shows_no_permit() {
        let wall = wall();
        let future = call(&wall, |request| {
            assert_eq!(format!("{:?}", handle(&request)), "HandlerPermit { .. }");
            std::future::ready(response())
        });
        drop(future);
    }

    mod with_held_body {
        use floodwall_tower::PermitBody;
        use floodwall_tower::pass::Held;

        use super::*;

        /// Returns the response of a service with both options.
        fn respond(
            wall: &Wall,
            mut handler: impl FnMut(Handle),
        ) -> Response<PermitBody<Script, Held<WallPermit>>> {
            let layer =
                FloodwallLayer::new(Arc::clone(wall), |_: &Request<()>| Kind::Message, reject)
                    .hold_until_body_sent()
                    .pass_permit_to_handler();
            let mut service = layer.layer(service_fn(|request: Request<()>| {
                handler(handle(&request));
                let body = Script {
                    steps: [data(), END].into(),
                    on_drop: None,
                };
                std::future::ready(Ok::<_, Failure>(Response::new(body)))
            }));
            let Poll::Ready(Ok(response)) = poll_once(pin!(service.call(Request::new(())))) else {
                panic!("no response at the first poll")
            };
            response
        }

        #[test]
        fn permit_that_was_not_taken_is_held_until_body_has_ended() {
            let wall = wall();
            let mut kept = None;
            let mut response = respond(&wall, |handle| kept = Some(handle));
            assert_eq!(in_use(&wall), 1);
            assert_eq!(read(response.body_mut()), "data");
            assert_eq!(in_use(&wall), 1);
            assert_eq!(read(response.body_mut()), "end");
            assert_eq!(in_use(&wall), 0);
            assert!(kept.unwrap().take().is_none());
        }

        #[test]
        fn permit_can_be_taken_while_body_is_sent() {
            let wall = wall();
            let mut kept = None;
            let mut response = respond(&wall, |handle| kept = Some(handle));
            assert_eq!(read(response.body_mut()), "data");
            let taken = kept.unwrap().take();
            assert!(taken.is_some());
            drop(response);
            assert_eq!(in_use(&wall), 1);
            drop(taken);
            assert_eq!(in_use(&wall), 0);
        }

        #[test]
        fn taken_permit_is_not_held_by_body() {
            let wall = wall();
            let mut taken = None;
            let response = respond(&wall, |handle| taken = handle.take());
            assert_eq!(in_use(&wall), 1);
            drop(taken);
            assert_eq!(in_use(&wall), 0);
            drop(response);
            assert_eq!(in_use(&wall), 0);
        }

        #[test]
        fn dropped_body_releases_permit_that_was_not_taken() {
            let wall = wall();
            let mut kept = None;
            let response = respond(&wall, |handle| kept = Some(handle));
            drop(response);
            assert_eq!(in_use(&wall), 0);
            assert!(kept.unwrap().take().is_none());
        }
    }
}

mod responses_to_rejections {
    use std::convert::Infallible;
    use std::ops::RangeInclusive;

    use super::*;

    fn response(rejection: Rejection, retry_after_s: RangeInclusive<u32>) -> Response<String> {
        let Ok(response) = floodwall_tower::http::reject::<_, Infallible>(retry_after_s)(rejection);
        response
    }

    fn retry_after(response: &Response<String>) -> Option<u32> {
        let value = response.headers().get("retry-after")?;
        Some(value.to_str().unwrap().parse().unwrap())
    }

    #[test]
    fn each_reason_has_its_status_and_its_name_as_body() {
        let expected = [
            (503, "shed"),
            (429, "class_full"),
            (503, "pool_full"),
            (413, "too_large"),
            (503, "closed"),
        ];
        for (rejection, (status, body)) in rejections().into_iter().zip(expected) {
            let response = response(rejection, 1..=1);
            assert_eq!(response.status(), status, "{body}");
            assert_eq!(response.body(), body);
            assert_eq!(response.headers()["content-type"], "text/plain", "{body}");
        }
    }

    #[test]
    fn only_too_large_has_no_retry_after() {
        let expected = [Some(7), Some(7), Some(7), None, Some(7)];
        for (rejection, seconds) in rejections().into_iter().zip(expected) {
            let response = response(rejection, 7..=7);
            assert_eq!(retry_after(&response), seconds, "{rejection}");
            assert_eq!(response.headers().len(), 1 + usize::from(seconds.is_some()));
        }
    }

    /// A value is missing after 1000 of these draws with a probability of 4 * 0.75^1000, or 10^-124.
    #[test]
    fn retry_after_takes_each_value_of_the_range_and_no_other() {
        let [rejection, ..] = rejections();
        let reject = floodwall_tower::http::reject::<_, Infallible>(5..=8);
        let seen: BTreeSet<_> = (0..1000)
            .map(|_| retry_after(&reject(rejection).unwrap()).unwrap())
            .collect();
        assert_eq!(seen, BTreeSet::from([5, 6, 7, 8]));
    }

    #[test]
    fn largest_range_is_valid() {
        let [rejection, ..] = rejections();
        assert!(retry_after(&response(rejection, 0..=u32::MAX)).is_some());
        assert_eq!(
            retry_after(&response(rejection, u32::MAX..=u32::MAX)),
            Some(u32::MAX)
        );
    }

    #[test]
    #[should_panic(expected = "the range of seconds for a retry, 5..=4, is empty")]
    fn empty_range_panics_with_the_range() {
        let _reject =
            floodwall_tower::http::reject::<String, Infallible>(RangeInclusive::new(5, 4));
    }

    #[test]
    fn it_works_in_front_of_another_wall() {
        let (outer, inner) = (wall(), wall());
        outer.close();
        let classify = |_: &Request<()>| Kind::Message;
        let inner_reject = floodwall_tower::http::reject(1..=1);
        let inner_layer = FloodwallLayer::new(Arc::clone(&inner), classify, inner_reject);
        let outer_reject = floodwall_tower::http::reject(1..=1);
        let outer_layer = FloodwallLayer::new(Arc::clone(&outer), classify, outer_reject);
        let service = inner_layer
            .hold_until_body_sent()
            .layer(service_fn(|_: Request<()>| {
                std::future::pending::<Result<Response<String>, Failure>>()
            }));
        let mut service = outer_layer.layer(service);
        let Poll::Ready(Ok(response)) = poll_once(pin!(service.call(Request::new(())))) else {
            panic!("no response at the first poll")
        };
        assert_eq!(response.status(), 503);
        assert_eq!(numbers(&inner).admitted + numbers(&inner).rejected, 0);
    }

    /// A panic in the layer's `reject` would end a request.
    #[test]
    fn layer_responds_with_it() {
        let wall = wall();
        wall.close();
        let mut service = FloodwallLayer::new(
            Arc::clone(&wall),
            |_: &Request<()>| Kind::Message,
            floodwall_tower::http::reject(1..=1),
        )
        .hold_until_body_sent()
        .layer(service_fn(|_: Request<()>| {
            std::future::pending::<Result<Response<String>, Failure>>()
        }));
        let Poll::Ready(Ok(response)) = poll_once(pin!(service.call(Request::new(())))) else {
            panic!("no response at the first poll")
        };
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        let mut body = response.into_body();
        let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context()) else {
            panic!("no frame at the first poll")
        };
        assert_eq!(frame.into_data().unwrap(), "closed");
    }
}
