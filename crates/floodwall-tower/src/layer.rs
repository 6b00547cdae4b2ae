//! The layer.

use std::fmt;
use std::marker::PhantomData;

use tower_layer::Layer;

use crate::hold::UntilResponse;
use crate::pass::InLayer;
use crate::service::FloodwallService;
#[cfg(feature = "http")]
use crate::{hold::UntilBodySent, pass::InExtensions};

/// A layer that admits each request to a wall, or responds to it at once.
///
/// # Readiness
/// The service is ready if the inner service is: a permit is acquired in `call`, and `poll_ready` never waits for one.
/// If the inner service is bounded, as `ConcurrencyLimit` or `Buffer` are, its `poll_ready` waits: then requests queue in
/// front of this layer, and it cannot reject them. Apply it outside of such a service, with `LoadShed` between the two,
/// or leave the bound to the wall.
///
/// # Where the permit is
/// In the future of the response, and from then on in the body, if the layer
/// [holds it until the body has been sent](Self::hold_until_body_sent). So it is released in each of these cases:
///
/// - the response is ready, or its body has ended;
/// - the inner service returns an error;
/// - the future or the body is dropped, because the client has disconnected, the stream has been reset, or a timeout
///   around the layer has expired before the response;
/// - the inner service panics. The permit is released as the server drops the future.
///
/// If the future or the body is dropped, the work is dropped before the permit.
///
/// The layer learns of a lost client from the server. A server of HTTP/1 notices it as it reads or writes: while a handler
/// holds a request body and does not read it, hyper reads nothing. A timeout bounds that.
///
/// # Progress
/// `call` never waits. It costs one admission in addition to the call of the inner service, and does not allocate, unless
/// the layer [passes permits to handlers](Self::pass_permit_to_handler).
///
/// # Types
/// Closures have no names. To write the type of a layer, for example in a field, use functions:
/// `FloodwallLayer<&'static Floodwall<Kind>, fn(&Request) -> Kind, fn(Rejection) -> Result<Response, Infallible>,
/// hold::UntilBodySent>`.
///
/// # Examples
/// The [crate documentation](crate) has one.
#[derive(Clone)]
pub struct FloodwallLayer<W, F, R, H = UntilResponse, A = InLayer> {
    wall: W,
    classify: F,
    reject: R,
    mode: PhantomData<fn() -> (H, A)>,
}

impl<W, F, R> FloodwallLayer<W, F, R> {
    /// Creates a layer.
    ///
    /// - `wall`: a [`Wall`](crate::Wall), that is a `&'static Floodwall` or an `Arc<Floodwall>`.
    /// - `classify`: `Fn(&Request) -> K`, where `K` is the class of the request, a class with options, or an `Option` of
    ///   either: see [`Classified`](crate::Classified).
    /// - `reject`: `Fn(Rejection) -> Result<Response, Error>`, the result of a rejected request. For HTTP and gRPC it is a
    ///   response: `http::reject` and `grpc::reject` make it, with the features of these names.
    #[must_use]
    pub const fn new(wall: W, classify: F, reject: R) -> Self {
        FloodwallLayer {
            wall,
            classify,
            reject,
            mode: PhantomData,
        }
    }
}

#[cfg(feature = "http")]
impl<W, F, R, H, A> FloodwallLayer<W, F, R, H, A> {
    /// Holds the permit until the response body has ended or has been dropped, trailers included, instead of until the
    /// response is ready.
    ///
    /// The server has then taken the last frame from the body. It takes a frame when the connection has room, so a slow
    /// client holds a permit during a stream of many frames: limit how long a response may take. A body of one frame, such
    /// as a `String`, is taken at once, however large it is. A response that never ends, such as a stream of events, holds
    /// its permit all the time. The body of an upgraded connection (a WebSocket) is empty, so its permit is released after
    /// the handshake.
    #[must_use]
    pub fn hold_until_body_sent(self) -> FloodwallLayer<W, F, R, UntilBodySent, A> {
        self.with_mode()
    }

    /// Puts a [`HandlerPermit`](crate::HandlerPermit) into the extensions of each admitted request. A handler can take
    /// the permit from there, and move it to the thread that does the work. The layer holds a permit that no handler
    /// takes. An exempt request has none. If two layers pass permits of the same type, the handler finds that of the inner
    /// one.
    ///
    /// Costs two allocations per request, and two more if the request has no other extensions.
    #[must_use]
    pub fn pass_permit_to_handler(self) -> FloodwallLayer<W, F, R, H, InExtensions> {
        self.with_mode()
    }

    fn with_mode<H2, A2>(self) -> FloodwallLayer<W, F, R, H2, A2> {
        FloodwallLayer {
            wall: self.wall,
            classify: self.classify,
            reject: self.reject,
            mode: PhantomData,
        }
    }
}

impl<S, W, F, R, H, A> Layer<S> for FloodwallLayer<W, F, R, H, A>
where
    W: Clone,
    F: Clone,
    R: Clone,
{
    type Service = FloodwallService<S, W, F, R, H, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let FloodwallLayer {
            wall,
            classify,
            reject,
            ..
        } = self;
        FloodwallService::new(inner, wall.clone(), classify.clone(), reject.clone())
    }
}

/// Writes no fields: closures have no `Debug`.
impl<W, F, R, H, A> fmt::Debug for FloodwallLayer<W, F, R, H, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FloodwallLayer").finish_non_exhaustive()
    }
}
