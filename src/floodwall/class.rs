//! Request classes.

/// The maximum number of classes of one wall. Their permits are counted in one 64-bit word.
pub const MAX_CLASSES: usize = 8;

/// A kind of request, such as message, login or health check.
///
/// [`classes!`](crate::classes) declares an enum of classes. Implement the trait directly for other types.
///
/// # Examples
/// ```
/// use floodwall::{Class, Floodwall, Rule, Share};
///
/// #[derive(Clone, Copy)]
/// struct Tier(usize);
///
/// impl Class for Tier {
///     const NAMES: &'static [&'static str] = &["paid", "free"];
///     fn index(self) -> usize {
///         self.0
///     }
/// }
///
/// static WALL: Floodwall<Tier> = Floodwall::new(100, &[
///     Rule::for_index(0, Share::at_least(80)),
///     Rule::for_index(1, Share::at_most(20)),
/// ]);
/// assert!(WALL.admit(Tier(1)).is_ok());
/// ```
pub trait Class: Copy + 'static {
    /// The names of the classes, 1 to [`MAX_CLASSES`], all different. Errors, metrics and configuration use them.
    const NAMES: &'static [&'static str];

    /// Returns the index of this class in [`NAMES`](Self::NAMES).
    ///
    /// An admission calls this once, before it changes anything, and panics if the index is out of range.
    fn index(self) -> usize;
}

/// Returns the index of a class. Panics if it is out of range.
#[inline]
#[track_caller]
pub(crate) fn index_of<C: Class>(class: C) -> usize {
    let index = class.index();
    if index >= C::NAMES.len() {
        out_of_range(index, C::NAMES.len());
    }
    index
}

#[cold]
#[track_caller]
fn out_of_range(index: usize, count: usize) -> ! {
    panic!("class index {index} is out of range: there are {count} classes");
}

/// Creates an array of [`MAX_CLASSES`] elements, also in const contexts: `$element` is evaluated for each `$class`.
macro_rules! each_class {
    ($class:ident => $element:expr) => {
        crate::floodwall::class::each_class!(@each $class => $element, 0 1 2 3 4 5 6 7)
    };
    (@each $class:ident => $element:expr, $($index:literal)*) => {
        [$({ let $class: usize = $index; $element }),*]
    };
}
pub(crate) use each_class;

/// Declares an enum of request classes, with its [`Class`] implementation and a `const fn rule(self, share)`.
///
/// A class has the name of its variant, unless the variant is assigned another one.
///
/// # Examples
/// ```
/// use floodwall::{Class, Curve, Floodwall, Share};
///
/// floodwall::classes! {
///     /// Requests of the phone app.
///     pub enum Kind { Message, Login = "background login" }
/// }
///
/// static WALL: Floodwall<Kind> = Floodwall::new(100, &[
///     Kind::Message.rule(Share::at_least(50)),
///     Kind::Login.rule(Share::between(20, 50)).shed(Curve::linear(0.6, 0.8)),
/// ]);
/// assert_eq!(Kind::NAMES, ["Message", "background login"]);
/// assert!(WALL.admit(Kind::Login).is_ok());
/// ```
#[macro_export]
macro_rules! classes {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $class:ident {
            $($(#[$variant_attribute:meta])* $variant:ident $(= $name:literal)?),+ $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $visibility enum $class {
            $($(#[$variant_attribute])* $variant),+
        }

        impl $crate::Class for $class {
            const NAMES: &'static [&'static str] =
                &[$($crate::classes!(@name $variant $($name)?)),+];

            #[inline]
            fn index(self) -> usize {
                self as usize
            }
        }

        impl $class {
            /// Creates a rule for this class.
            #[must_use]
            #[allow(dead_code)]
            $visibility const fn rule(self, share: $crate::Share) -> $crate::Rule<$class> {
                $crate::Rule::for_index(self as usize, share)
            }
        }
    };
    (@name $variant:ident $name:literal) => {
        $name
    };
    (@name $variant:ident) => {
        ::core::stringify!($variant)
    };
}
