//! The results of a classifier.

use floodwall::{AdmitOptions, Class};

/// The class of a request and, if needed, its options: a class `C`, a pair `(C, AdmitOptions)`, or an `Option` of
/// either.
///
/// The options are the number of permits, the draw that decides, and the pressure from outside the wall. `None` exempts
/// the request: it is neither admitted nor counted, and takes no permit. Exempt only what is bounded by other means. A
/// health check should rather have a class with a guarantee of its own.
///
/// # Examples
/// ```
/// use floodwall::{AdmitOptions, Draw, Floodwall, Rejection, Share, classes};
/// use floodwall_tower::FloodwallLayer;
///
/// classes! { enum Kind { Read, Export } }
/// # static WALL: Floodwall<Kind> = Floodwall::new(100, &[
/// #     Kind::Read.rule(Share::at_least(50)),
/// #     Kind::Export.rule(Share::at_most(20)),
/// # ]);
///
/// struct Request { user: u64, export: bool, internal: bool }
///
/// let classify = |request: &Request| {
///     let class = if request.export { Kind::Export } else { Kind::Read };
///     // An export takes four permits. A user gets the same decision for an hour of the server's clock.
/// #   let hour = 0;
///     let options = AdmitOptions::new()
///         .permits(if request.export { 4 } else { 1 })
///         .draw(Draw::keyed(request.user, hour));
///     (!request.internal).then_some((class, options))
/// };
/// let layer = FloodwallLayer::new(&WALL, classify, Err::<String, Rejection>);
/// # drop(layer);
/// ```
pub trait Classified<C> {
    /// Returns the class and the options, or `None` if the request is exempt.
    fn into_parts(self) -> Option<(C, AdmitOptions)>;
}

impl<C: Class> Classified<C> for C {
    #[inline]
    fn into_parts(self) -> Option<(C, AdmitOptions)> {
        Some((self, AdmitOptions::new()))
    }
}

impl<C: Class> Classified<C> for (C, AdmitOptions) {
    #[inline]
    fn into_parts(self) -> Option<(C, AdmitOptions)> {
        Some(self)
    }
}

impl<C: Class> Classified<C> for Option<C> {
    #[inline]
    fn into_parts(self) -> Option<(C, AdmitOptions)> {
        self?.into_parts()
    }
}

impl<C: Class> Classified<C> for Option<(C, AdmitOptions)> {
    #[inline]
    fn into_parts(self) -> Option<(C, AdmitOptions)> {
        self
    }
}
