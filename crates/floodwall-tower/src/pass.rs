//! Whether the handler can take the permit.

#[cfg(feature = "http")]
use crate::HandlerPermit;

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
        let permit = HandlerPermit::new(permit);
        request.extensions_mut().insert(permit.clone());
        Held(permit)
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
