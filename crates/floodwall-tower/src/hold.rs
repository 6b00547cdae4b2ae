//! How long a permit is held.

/// A type parameter of [`FloodwallLayer`](crate::FloodwallLayer): how long the layer holds a permit.
pub trait Hold<T, P>: sealed::Sealed {
    /// The response of the layer.
    type Response;

    /// Returns the response that holds the permit, or drops the permit.
    fn hold(response: T, permit: Option<P>) -> Self::Response;
}

/// Holds the permit until the inner service has returned its response, or its future has been dropped. The default.
#[derive(Clone, Copy, Debug)]
pub struct UntilResponse;

impl<T, P> Hold<T, P> for UntilResponse {
    type Response = T;

    #[inline]
    fn hold(response: T, _permit: Option<P>) -> T {
        response
    }
}

/// Holds the permit until the response body has ended or has been dropped.
#[cfg(feature = "http")]
#[derive(Clone, Copy, Debug)]
pub struct UntilBodySent;

#[cfg(feature = "http")]
impl<B, P> Hold<http::Response<B>, P> for UntilBodySent {
    type Response = http::Response<crate::PermitBody<B, P>>;

    #[inline]
    fn hold(response: http::Response<B>, permit: Option<P>) -> Self::Response {
        response.map(|body| crate::PermitBody::new(body, permit))
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::UntilResponse {}
    #[cfg(feature = "http")]
    impl Sealed for super::UntilBodySent {}
}
