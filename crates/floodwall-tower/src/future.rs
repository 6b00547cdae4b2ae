//! The future of a response.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::hold::Hold;

pin_project! {
    /// The future of [`FloodwallService`](crate::FloodwallService): that of the inner service with the permit, or the
    /// response to a rejected request.
    pub struct ResponseFuture<F, T, P, H> {
        #[pin]
        state: State<F, T, P>,
        hold: PhantomData<fn() -> H>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, T, P> {
        // In this order: the work is dropped before the permit. An exempt request has none.
        Admitted {
            #[pin]
            work: F,
            permit: Option<P>,
        },
        // `None` once it has been returned.
        Rejected { response: Option<T> },
    }
}

impl<F, T, P, H> ResponseFuture<F, T, P, H> {
    #[inline]
    pub(crate) fn admitted(work: F, permit: Option<P>) -> Self {
        ResponseFuture {
            state: State::Admitted { work, permit },
            hold: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn rejected(response: T) -> Self {
        ResponseFuture {
            state: State::Rejected {
                response: Some(response),
            },
            hold: PhantomData,
        }
    }
}

impl<F, T, E, P, H> Future for ResponseFuture<F, T, P, H>
where
    F: Future<Output = Result<T, E>>,
    H: Hold<T, P>,
{
    type Output = Result<H::Response, E>;

    /// # Panics
    /// If the future of a rejected request is polled after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProjection::Admitted { work, permit } => {
                let result = ready!(work.poll(context));
                let permit = permit.take();
                result.map(|response| H::hold(response, permit))
            }
            StateProjection::Rejected { response } => {
                let response = response.take().expect("polled after it was ready");
                Ok(H::hold(response, None))
            }
        })
    }
}

impl<F, T, P, H> fmt::Debug for ResponseFuture<F, T, P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
