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
    /// result of a rejected request.
    pub struct ResponseFuture<F: Future, P, H> {
        #[pin]
        state: State<F, P>,
        hold: PhantomData<fn() -> H>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F: Future, P> {
        // In this order: the work is dropped before the permit. An exempt request has none.
        Admitted {
            #[pin]
            work: F,
            permit: Option<P>,
        },
        // `None` once it has been returned.
        Rejected { result: Option<F::Output> },
    }
}

impl<F: Future, P, H> ResponseFuture<F, P, H> {
    #[inline]
    pub(crate) fn admitted(work: F, permit: Option<P>) -> Self {
        ResponseFuture {
            state: State::Admitted { work, permit },
            hold: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn rejected(result: F::Output) -> Self {
        ResponseFuture {
            state: State::Rejected {
                result: Some(result),
            },
            hold: PhantomData,
        }
    }
}

impl<F, T, E, P, H> Future for ResponseFuture<F, P, H>
where
    F: Future<Output = Result<T, E>>,
    H: Hold<T, P>,
{
    type Output = Result<H::Response, E>;

    /// # Panics
    /// If the future of a rejected request is polled after it was ready.
    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, permit) = match self.project().state.project() {
            StateProjection::Admitted { work, permit } => {
                let result = ready!(work.poll(context));
                (result, permit.take())
            }
            StateProjection::Rejected { result } => {
                let result = result.take().expect("polled after it was ready");
                (result, None)
            }
        };
        Poll::Ready(result.map(|response| H::hold(response, permit)))
    }
}

impl<F: Future, P, H> fmt::Debug for ResponseFuture<F, P, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
