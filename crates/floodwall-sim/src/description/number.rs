//! Numbers that are checked where they are read, so that the error has the line and the field.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

/// A whole number in a range that is checked where the number is read.
struct WholeNumber {
    least: u64,
    most: u64,
}

impl fmt::Display for WholeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What TOML can say.
        let most = self.most.min(i64::MAX as u64);
        write!(f, "a whole number from {} to {most}", self.least)
    }
}

impl Visitor<'_> for WholeNumber {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format_args!("{number} is not {self}"))),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        if (self.least..=self.most).contains(&number) {
            Ok(number)
        } else {
            Err(E::custom(format_args!("{number} is not {self}")))
        }
    }
}

/// A whole number from `LEAST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AtLeast<const LEAST: u64>(u64);

impl<const LEAST: u64> AtLeast<LEAST> {
    pub(crate) const fn of(number: u64) -> Self {
        AtLeast(number)
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl<'de, const LEAST: u64> Deserialize<'de> for AtLeast<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let range = WholeNumber {
            least: LEAST,
            most: u64::MAX,
        };
        deserializer.deserialize_any(range).map(AtLeast)
    }
}

/// A whole number from `LEAST`, which is the default, to `MOST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Between<const LEAST: u32, const MOST: u32>(u32);

pub(crate) type UpTo<const MOST: u32> = Between<0, MOST>;
pub(crate) type Count<const MOST: u32> = Between<1, MOST>;

impl<const LEAST: u32, const MOST: u32> Between<LEAST, MOST> {
    pub(crate) const fn of(number: u32) -> Self {
        Between(number)
    }

    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl<const LEAST: u32, const MOST: u32> Default for Between<LEAST, MOST> {
    fn default() -> Self {
        Between(LEAST)
    }
}

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Between<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let range = WholeNumber {
            least: LEAST.into(),
            most: MOST.into(),
        };
        let number = deserializer.deserialize_any(range)?;
        Ok(Between(number as u32))
    }
}

/// Two numbers of at least 0, in a list. serde's own pairs ignore a third one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair(pub(crate) f64, pub(crate) f64);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = Vec::<Number<NotNegative>>::deserialize(deserializer)?;
        match numbers.as_slice() {
            &[first, second] => Ok(Pair(first.get(), second.get())),
            numbers => Err(D::Error::custom(format_args!(
                "a list of {}; two numbers are needed",
                numbers.len()
            ))),
        }
    }
}

/// Two times in seconds, the first of which is not later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Pair(from, to) = Pair::deserialize(deserializer)?;
        if from > to {
            return Err(D::Error::custom(format_args!("{from} is more than {to}")));
        }
        Ok(Span { from, to })
    }
}

/// Beyond these, results of floating-point operations could be infinite or 0.
const SMALLEST: f64 = 1e-12;
const LARGEST: f64 = 1e12;

/// A range of numbers.
pub(crate) trait Range {
    /// The range, for error texts.
    const TEXT: &'static str;
    /// Returns whether the range contains a number.
    fn contains(value: f64) -> bool;
    /// Returns the text of an error for a number that the range does not contain.
    fn outside(value: f64) -> String {
        // A number that is far outside would have hundreds of digits.
        if value.abs() < LARGEST {
            format!("{value} is not {}", Self::TEXT)
        } else {
            format!("{value:e} is not {}", Self::TEXT)
        }
    }
}

/// Numbers above 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Positive {}
/// Numbers of at least 0.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotNegative {}
/// Numbers from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probability {}

impl Range for Positive {
    const TEXT: &'static str = "a number from 1e-12 to 1e12";
    fn contains(value: f64) -> bool {
        (SMALLEST..=LARGEST).contains(&value)
    }
}
impl Range for NotNegative {
    const TEXT: &'static str = "a number from 0 to 1e12";
    fn contains(value: f64) -> bool {
        (0.0..=LARGEST).contains(&value)
    }
}
impl Range for Probability {
    const TEXT: &'static str = "a number from 0 to 1";
    fn contains(value: f64) -> bool {
        (0.0..=1.0).contains(&value)
    }
}

/// A number of a range.
#[derive(Debug)]
pub(crate) struct Number<R>(f64, PhantomData<R>);

impl<R> Clone for Number<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Number<R> {}

impl<R> Number<R> {
    pub(crate) const fn of(value: f64) -> Self {
        Number(value, PhantomData)
    }

    /// Returns the number.
    #[must_use]
    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

/// 0, in ranges that contain it.
impl Default for Number<NotNegative> {
    fn default() -> Self {
        Number::of(0.0)
    }
}
impl Default for Number<Probability> {
    fn default() -> Self {
        Number::of(0.0)
    }
}

impl<'de, R: Range> Deserialize<'de> for Number<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor<R>(PhantomData<R>);

        impl<R: Range> Visitor<'_> for NumberVisitor<R> {
            type Value = Number<R>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(R::TEXT)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Number<R>, E> {
                self.visit_f64(value as f64)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Number<R>, E> {
                self.visit_f64(value as f64)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Number<R>, E> {
                if R::contains(value) {
                    Ok(Number::of(value))
                } else {
                    Err(E::custom(R::outside(value)))
                }
            }
        }

        deserializer.deserialize_any(NumberVisitor(PhantomData))
    }
}
