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
///     const ALL: &'static [Tier] = &[Tier(0), Tier(1)];
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

    /// All classes, in the order of [`NAMES`](Self::NAMES).
    const ALL: &'static [Self];

    /// Returns the index of this class in [`NAMES`](Self::NAMES).
    ///
    /// An admission calls this once, before it changes anything, and panics if the index is out of range.
    fn index(self) -> usize;

    /// Returns the name of this class.
    ///
    /// # Panics
    /// If the class's index is out of range.
    #[must_use]
    #[track_caller]
    fn name(self) -> &'static str {
        Self::NAMES[index_of(self)]
    }
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

/// Creates an array of [`MAX_CLASSES`] elements, also in const contexts: `$element` is evaluated for each `$class`, a
/// constant.
macro_rules! each_class {
    ($class:ident => $element:expr) => {
        crate::floodwall::class::each_class!(@each $class => $element, 0 1 2 3 4 5 6 7)
    };
    (@each $class:ident => $element:expr, $($index:literal)*) => {
        [$({
            const $class: usize = $index;
            $element
        }),*]
    };
}
pub(crate) use each_class;

/// Declares an enum of request classes, with its [`Class`] implementation, `Display` as the name
/// of the class, and a `const fn rule(self, share)`.
///
/// A class has the name of its variant, unless the variant is assigned another one. Attributes are kept; a variant or
/// an enum that `#[cfg]` removes has no class and no implementation. A `#[cfg]` has to be written literally: inside
/// `cfg_attr`, or captured as `$m:meta` by another macro, it is an error if it removes a variant. The enum derives
/// `Clone`, `Copy`, `Debug`, `PartialEq`, `Eq` and `Hash`: other derives can be added, these and `Display` cannot be
/// repeated.
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
//
// The attributes are read one by one, because those named `cfg` are needed twice: on the item, and on what is generated
// for it. Each rule puts one attribute or one variant into its list and continues with the rest.
#[macro_export]
macro_rules! classes {
    // Eight lines of documentation at once, because the compiler limits the number of steps.
    (
        @enum ($($attributes:tt)*) $cfgs:tt
        #[doc $($d0:tt)*] #[doc $($d1:tt)*] #[doc $($d2:tt)*] #[doc $($d3:tt)*]
        #[doc $($d4:tt)*] #[doc $($d5:tt)*] #[doc $($d6:tt)*] #[doc $($d7:tt)*] $($rest:tt)*
    ) => {
        $crate::classes! {
            @enum (
                $($attributes)*
                #[doc $($d0)*] #[doc $($d1)*] #[doc $($d2)*] #[doc $($d3)*]
                #[doc $($d4)*] #[doc $($d5)*] #[doc $($d6)*] #[doc $($d7)*]
            ) $cfgs $($rest)*
        }
    };
    (
        @variants $enum:tt $done:tt ($($attributes:tt)*) $cfgs:tt
        #[doc $($d0:tt)*] #[doc $($d1:tt)*] #[doc $($d2:tt)*] #[doc $($d3:tt)*]
        #[doc $($d4:tt)*] #[doc $($d5:tt)*] #[doc $($d6:tt)*] #[doc $($d7:tt)*] $($rest:tt)*
    ) => {
        $crate::classes! {
            @variants $enum $done (
                $($attributes)*
                #[doc $($d0)*] #[doc $($d1)*] #[doc $($d2)*] #[doc $($d3)*]
                #[doc $($d4)*] #[doc $($d5)*] #[doc $($d6)*] #[doc $($d7)*]
            ) $cfgs $($rest)*
        }
    };

    // The attributes of the enum.
    (@enum ($($attributes:tt)*) ($($cfgs:tt)*) #[cfg($($cfg:tt)*)] $($rest:tt)*) => {
        $crate::classes! {
            @enum ($($attributes)* #[cfg($($cfg)*)]) ($($cfgs)* #[cfg($($cfg)*)]) $($rest)*
        }
    };
    (@enum ($($attributes:tt)*) $cfgs:tt #[$($attribute:tt)*] $($rest:tt)*) => {
        $crate::classes! { @enum ($($attributes)* #[$($attribute)*]) $cfgs $($rest)* }
    };
    (@enum $attributes:tt $cfgs:tt $visibility:vis enum $class:ident { $($variants:tt)+ }) => {
        $crate::classes! {
            @variants ($attributes $cfgs ($visibility) $class) [] () () $($variants)+
        }
    };

    // The attributes and names of the variants.
    (
        @variants $enum:tt $done:tt ($($attributes:tt)*) ($($cfgs:tt)*)
        #[cfg($($cfg:tt)*)] $($rest:tt)*
    ) => {
        $crate::classes! {
            @variants $enum $done
            ($($attributes)* #[cfg($($cfg)*)]) ($($cfgs)* #[cfg($($cfg)*)]) $($rest)*
        }
    };
    (
        @variants $enum:tt $done:tt ($($attributes:tt)*) $cfgs:tt
        #[$($attribute:tt)*] $($rest:tt)*
    ) => {
        $crate::classes! { @variants $enum $done ($($attributes)* #[$($attribute)*]) $cfgs $($rest)* }
    };
    (
        @variants $enum:tt [$($done:tt)*] $attributes:tt $cfgs:tt
        $variant:ident = $name:literal $(, $($rest:tt)*)?
    ) => {
        $crate::classes! {
            @variants $enum [$($done)* ($attributes $cfgs $variant ($name))] () () $($($rest)*)?
        }
    };
    (
        @variants $enum:tt [$($done:tt)*] $attributes:tt $cfgs:tt
        $variant:ident $(, $($rest:tt)*)?
    ) => {
        $crate::classes! {
            @variants $enum
            [$($done)* (
                $attributes $cfgs $variant
                ($crate::__private::variant_name(::core::stringify!($variant)))
            )]
            () () $($($rest)*)?
        }
    };

    // The items.
    (
        @variants
        (($($attributes:tt)*) ($($cfgs:tt)*) ($visibility:vis) $class:ident)
        [$((($($variant_attributes:tt)*) ($($variant_cfgs:tt)*) $variant:ident ($name:expr)))+]
        () ()
    ) => {
        $($attributes)*
        #[derive(
            ::core::clone::Clone,
            ::core::marker::Copy,
            ::core::fmt::Debug,
            ::core::cmp::PartialEq,
            ::core::cmp::Eq,
            ::core::hash::Hash,
        )]
        $visibility enum $class {
            $($($variant_attributes)* $variant),+
        }

        $($cfgs)*
        impl $crate::Class for $class {
            const NAMES: &'static [&'static ::core::primitive::str] =
                &[$($($variant_cfgs)* $name),+];
            #[allow(deprecated)]
            const ALL: &'static [Self] = &[$($($variant_cfgs)* $class::$variant),+];

            #[inline]
            #[allow(deprecated, unreachable_code)]
            fn index(self) -> ::core::primitive::usize {
                // Does not compile if `cfg_attr` has removed a variant whose name is in `NAMES`.
                match self {
                    $($($variant_cfgs)* $class::$variant => {})+
                }
                self as ::core::primitive::usize
            }
        }

        $($cfgs)*
        impl ::core::fmt::Display for $class {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad($crate::Class::name(*self))
            }
        }

        $($cfgs)*
        impl $class {
            /// Creates a rule for this class.
            #[must_use]
            #[allow(dead_code)]
            $visibility const fn rule(self, share: $crate::Share) -> $crate::Rule<$class> {
                $crate::Rule::for_index(self as ::core::primitive::usize, share)
            }
        }
    };

    (@$($unexpected:tt)*) => {
        ::core::compile_error!(
            "expected `enum Name { Variant, Variant = \"name\", ... }`, with variants that have no fields and no \
             discriminants"
        );
    };
    ($($declaration:tt)+) => {
        $crate::classes! { @enum () () $($declaration)+ }
    };
}

/// Used by [`classes!`](crate::classes).
#[doc(hidden)]
pub mod __private {
    /// Returns the name of a variant without the prefix of a raw identifier.
    #[must_use]
    pub const fn variant_name(identifier: &'static str) -> &'static str {
        let [b'r', b'#', name @ ..] = identifier.as_bytes() else {
            return identifier;
        };
        match core::str::from_utf8(name) {
            Ok(name) => name,
            Err(_) => identifier,
        }
    }
}
