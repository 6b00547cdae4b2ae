//! Whether the handler can take the permit.

#[cfg(feature = "http")]
use std::fmt;
#[cfg(feature = "http")]
use std::sync::{Arc, Mutex, PoisonError};

/// A type parameter of [`FloodwallLayer`](crate::FloodwallLayer): whether the handler can take the permit.
pub trait Pass<Request, P>: sealed::Sealed {
    /// What the layer holds until the end of the request.
    type Held;

    /// Returns what the layer holds, and leaves the permit where the handler finds it, if it is to find it.
    fn pass(request: &mut Request, permit: P) -> Self::Held;
}

/// The layer alone holds the permit. The default.
#[derive(Clone, Copy, Debug)]
pub struct InLayer;

impl<Request, P> Pass<Request, P> for InLayer {
    type Held = P;

    #[inline]
    fn pass(_request: &mut Request, permit: P) -> P {
        permit
    }
}

/// A [`HandlerPermit`] in the extensions of the request. The layer holds the permit unless the handler takes it.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Debug)]
pub struct InExtensions;

#[cfg(feature = "http")]
impl<B, P: Send + 'static> Pass<http::Request<B>, P> for InExtensions {
    type Held = Held<P>;

    fn pass(request: &mut http::Request<B>, permit: P) -> Held<P> {
        let slot = HandlerPermit(Arc::new(Mutex::new(Some(permit))));
        request.extensions_mut().insert(slot.clone());
        Held(slot)
    }
}

/// The permit of a request, in its extensions, for a handler that moves it to another thread.
///
/// Closures that run on another thread, such as those of `tokio::task::spawn_blocking` and rayon, cannot be cancelled.
/// If the client disconnects, the future of the response is dropped, and with it the permit that the layer holds; the
/// closure runs on. A handler therefore takes the permit and moves it into the closure.
///
/// # Examples
/// ```
/// use axum::{Extension, http::StatusCode};
///
/// // Of a static wall. With an `Arc`, the permit is an `OwnedPermit<Floodwall<Kind>>`.
/// type HandlerPermit = floodwall_tower::HandlerPermit<floodwall::Permit<'static>>;
///
/// async fn handler(Extension(permit): Extension<HandlerPermit>) -> Result<String, StatusCode> {
///     let permit = permit.take().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
///     // The permit is released when the closure ends, also if this future is dropped before.
///     let work = permit.wrap(|| "the result of long work".to_owned());
///     tokio::task::spawn_blocking(work).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
/// }
/// ```
#[cfg(feature = "http")]
pub struct HandlerPermit<P>(Arc<Mutex<Option<P>>>);

#[cfg(feature = "http")]
impl<P> HandlerPermit<P> {
    /// Takes the permit. The layer no longer holds it, so it is released when the caller drops it.
    ///
    /// Returns `None` if it has been taken, or if the layer has released it: with the response, or with the end of the
    /// body if it is held until then.
    #[must_use = "dropping the permit releases it"]
    pub fn take(&self) -> Option<P> {
        // The lock protects one `Option`, which is valid also after a panic of another thread.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(feature = "http")]
impl<P> Clone for HandlerPermit<P> {
    fn clone(&self) -> Self {
        HandlerPermit(Arc::clone(&self.0))
    }
}

#[cfg(feature = "http")]
impl<P> fmt::Debug for HandlerPermit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerPermit").finish_non_exhaustive()
    }
}

/// Releases the permit at the end of the request unless the handler has taken it, also if a part of the request lives
/// on with its extensions.
#[cfg(feature = "http")]
#[derive(Debug)]
pub struct Held<P>(HandlerPermit<P>);

#[cfg(feature = "http")]
impl<P> Drop for Held<P> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::InLayer {}
    #[cfg(feature = "http")]
    impl Sealed for super::InExtensions {}
}
