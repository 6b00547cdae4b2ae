//! The ways to hold a wall.

use std::sync::Arc;

use floodwall::{AdmitOptions, Class, Floodwall, OwnedPermit, Permit, Rejection};

/// A wall that a layer can hold: a `&'static Floodwall` or an `Arc<Floodwall>`.
pub trait Wall: Clone + sealed::Sealed {
    /// The classes of the wall.
    type Class: Class;
    /// The permits of the wall: `Permit<'static>` or `OwnedPermit`.
    type Permit: Send + 'static;

    /// Admits a request of this class, or rejects it at once, as
    /// [`Floodwall::admit_with`](floodwall::Floodwall::admit_with) does.
    ///
    /// # Errors
    /// [`Rejection`], with the reason and the numbers that decided it.
    fn admit_with(
        &self,
        class: Self::Class,
        options: AdmitOptions,
    ) -> Result<Self::Permit, Rejection>;
}

impl<C: Class> Wall for &'static Floodwall<C> {
    type Class = C;
    type Permit = Permit<'static>;

    #[inline]
    fn admit_with(&self, class: C, options: AdmitOptions) -> Result<Permit<'static>, Rejection> {
        Floodwall::admit_with(self, class, options)
    }
}

impl<C: Class> Wall for Arc<Floodwall<C>> {
    type Class = C;
    type Permit = OwnedPermit<Floodwall<C>>;

    #[inline]
    fn admit_with(&self, class: C, options: AdmitOptions) -> Result<Self::Permit, Rejection> {
        self.admit_owned_with(class, options)
    }
}

mod sealed {
    use std::sync::Arc;

    use floodwall::Floodwall;

    pub trait Sealed {}
    impl<C> Sealed for &'static Floodwall<C> {}
    impl<C> Sealed for Arc<Floodwall<C>> {}
}
