//! The service that a layer makes.

use std::fmt;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use floodwall::Rejection;
use tower_service::Service;

use crate::classify::Classified;
use crate::future::ResponseFuture;
use crate::hold::Hold;
use crate::pass::Pass;
use crate::wall::Wall;

/// The service that [`FloodwallLayer`](crate::FloodwallLayer) makes from an inner service.
#[derive(Clone)]
pub struct FloodwallService<S, W, F, R, H, A> {
    inner: S,
    wall: W,
    classify: F,
    reject: R,
    mode: PhantomData<fn() -> (H, A)>,
}

impl<S, W, F, R, H, A> FloodwallService<S, W, F, R, H, A> {
    pub(crate) fn new(inner: S, wall: W, classify: F, reject: R) -> Self {
        FloodwallService {
            inner,
            wall,
            classify,
            reject,
            mode: PhantomData,
        }
    }
}

impl<Request, S, W, F, R, H, A, K> Service<Request> for FloodwallService<S, W, F, R, H, A>
where
    S: Service<Request>,
    W: Wall,
    F: Fn(&Request) -> K,
    K: Classified<W::Class>,
    R: Fn(Rejection) -> Result<S::Response, S::Error>,
    A: Pass<Request, W::Permit>,
    H: Hold<S::Response, A::Held>,
{
    type Response = H::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, A::Held, H>;

    /// Returns whether the inner service is ready. Never waits for a permit.
    #[inline]
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, mut request: Request) -> Self::Future {
        let Some((class, options)) = (self.classify)(&request).into_parts() else {
            return ResponseFuture::admitted(self.inner.call(request), None);
        };
        match self.wall.admit_with(class, options) {
            Ok(permit) => {
                let held = A::pass(&mut request, permit);
                ResponseFuture::admitted(self.inner.call(request), Some(held))
            }
            Err(rejection) => ResponseFuture::rejected((self.reject)(rejection)),
        }
    }
}

/// Writes the inner service: closures have no `Debug`.
impl<S: fmt::Debug, W, F, R, H, A> fmt::Debug for FloodwallService<S, W, F, R, H, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FloodwallService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
