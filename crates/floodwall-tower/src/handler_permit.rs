//! The permit that a handler can take.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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
pub struct HandlerPermit<P>(Arc<Mutex<Option<P>>>);

impl<P> HandlerPermit<P> {
    pub(crate) fn new(permit: P) -> Self {
        HandlerPermit(Arc::new(Mutex::new(Some(permit))))
    }

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

impl<P> Clone for HandlerPermit<P> {
    fn clone(&self) -> Self {
        HandlerPermit(Arc::clone(&self.0))
    }
}

impl<P> fmt::Debug for HandlerPermit<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerPermit").finish_non_exhaustive()
    }
}
