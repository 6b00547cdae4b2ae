//! What kinds of request there are.

/// The most classes that one wall can hold: they share a 64-bit word.
pub const MAX_CLASSES: usize = 8;

/// What kind of request it is: message, login, health check. Up to [`MAX_CLASSES`] of them.
///
/// [`classes!`](crate::classes) declares an enum of classes; by hand it is done so:
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
    /// The name of each class, all different: errors, metrics and configuration use them.
    const NAMES: &'static [&'static str];

    /// Which of [`NAMES`](Self::NAMES) it is. A wall asks once per admission, and panics, before
    /// anything is changed, if the answer is out of range.
    fn index(self) -> usize;
}

/// The index of a class, checked.
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

/// An array with an element for each class that there can be, in constants too.
macro_rules! each_class {
    ($class:ident => $element:expr) => {
        crate::floodwall::class::each_class!(@of $class => $element, 0 1 2 3 4 5 6 7)
    };
    (@of $class:ident => $element:expr, $($index:literal)*) => {
        [$({ let $class: usize = $index; $element }),*]
    };
}
pub(crate) use each_class;

/// Declares an enum of request classes: its names, its [`Class`], and a `const fn rule` on it.
///
/// A class is called like its variant unless another name is given.
///
/// # Examples
/// ```
/// use floodwall::{Class, Curve, Floodwall, Share};
///
/// floodwall::classes! {
///     /// What our phones send.
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
            /// What this class may have.
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
