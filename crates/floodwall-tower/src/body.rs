//! The body that holds a permit.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// A response body that holds a permit until it has ended, has failed, or has been dropped.
    pub struct PermitBody<B, P> {
        // In this order: the body is dropped before the permit.
        #[pin]
        body: B,
        // `None` once the body has ended, and in the response to a request that was rejected or exempt.
        permit: Option<P>,
    }
}

impl<B, P> PermitBody<B, P> {
    #[inline]
    pub(crate) fn new(body: B, permit: Option<P>) -> Self {
        PermitBody { body, permit }
    }
}

impl<B: Body, P> Body for PermitBody<B, P> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            *this.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Makes a body without a permit, so that [`http::reject`](crate::http::reject) also works in front of another wall.
impl<B: From<&'static str>, P> From<&'static str> for PermitBody<B, P> {
    fn from(text: &'static str) -> Self {
        PermitBody::new(B::from(text), None)
    }
}

impl<B: fmt::Debug, P> fmt::Debug for PermitBody<B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitBody")
            .field("body", &self.body)
            .field("holds_permit", &self.permit.is_some())
            .finish()
    }
}
