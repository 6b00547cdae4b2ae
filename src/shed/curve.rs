//! Curves: functions from utilization to reject probability.

use core::fmt;

use crate::const_str::ConstStr;
use crate::shed::draw::Draw;
use crate::shed::utilization::{UNITS, Utilization};

const LO_SHIFT: u32 = 0;
const HI_SHIFT: u32 = 16;
const MAX_PROBABILITY_SHIFT: u32 = 32;
const POWER_SHIFT: u32 = 48;
const FIELD: u64 = u16::MAX as u64;

const STEP: u64 = 0;
const LINEAR: u64 = 1;
const CUBIC: u64 = 3;

/// A `lo` above 1. Only utilization while a lowered capacity drains, or pressure, reaches it: all other evaluations end
/// at the comparison with `lo`.
const OUT_OF_REACH: u64 = FIELD;

/// A function from utilization to reject probability: monotone, in 0..=1.
///
/// Utilization counts permits *in use*, not reserved ones: a wall that can admit nothing more because 50 of its 100
/// permits are reserved has a utilization of 0.5.
///
/// Parameters are rounded to multiples of 1/50,000, so decimals with up to four digits, such as 0.7, are exact.
///
/// A ramp with a `hi` of 1.0 keeps no thread free. Choose the `hi` at which the remaining threads should stay free.
///
/// # Examples
/// ```
/// use floodwall::Curve;
///
/// const LOGINS: Curve = Curve::linear(0.6, 0.8).capped(0.95);
/// assert_eq!(LOGINS.probability(0.5), 0.0);
/// assert!((LOGINS.probability(0.7) - 0.5).abs() < 1e-9);
/// assert_eq!(LOGINS.probability(1.0), 0.95);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Curve(
    /// | bits   | meaning                                            |
    /// |--------|----------------------------------------------------|
    /// | 48..64 | power of the ramp: 0 (a step), 1 or 3              |
    /// | 32..48 | `max_probability`, in units                        |
    /// | 16..32 | `hi`: utilization at which the ramp ends, in units |
    /// | 0..16  | `lo`: utilization at which it begins, in units     |
    u64,
);

impl Curve {
    /// The curve that rejects nothing.
    pub const NEVER: Curve = Curve::pack(STEP, OUT_OF_REACH, OUT_OF_REACH, 0);

    /// The curve that rejects every request, for operators and tests. A wall still admits requests within a guarantee.
    pub const ALWAYS: Curve = Curve::pack(STEP, 0, 0, UNITS);

    /// Creates a curve that rejects nothing below the utilization `at`, and everything from there on.
    ///
    /// # Panics
    /// If [`try_step`](Self::try_step) returns an error, with the same text; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn step(at: f64) -> Curve {
        Curve::unwrap(Curve::try_step(at))
    }

    /// Creates a [`step`](Self::step) from a value that may be invalid.
    ///
    /// # Errors
    /// [`CurveError::OutOfRange`] if `at` is not in 0..=1.
    pub const fn try_step(at: f64) -> Result<Curve, CurveError> {
        match units("step", "at", at) {
            Ok(at) => Ok(Curve::pack(STEP, at, at, UNITS)),
            Err(error) => Err(error),
        }
    }

    /// Creates a curve that rejects nothing up to the utilization `lo` and everything from `hi` on. Between them the
    /// probability rises linearly.
    ///
    /// # Panics
    /// If [`try_linear`](Self::try_linear) returns an error, with the same text; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn linear(lo: f64, hi: f64) -> Curve {
        Curve::unwrap(Curve::try_linear(lo, hi))
    }

    /// Creates a [`linear`](Self::linear) curve from values that may be invalid.
    ///
    /// # Errors
    /// [`CurveError::OutOfRange`] if `lo` or `hi` is not in 0..=1, [`CurveError::EmptyRamp`] if `lo` is not below `hi`.
    pub const fn try_linear(lo: f64, hi: f64) -> Result<Curve, CurveError> {
        Curve::ramp("linear", LINEAR, lo, hi)
    }

    /// Creates a curve whose ramp is the cube of the [`linear`](Self::linear) one: flat at first, steep at the end.
    /// Netflix [sheds by such a curve][source].
    ///
    /// [source]: https://netflixtechblog.com/keeping-netflix-reliable-using-prioritized-load-shedding-6cc827b02f94
    ///
    /// # Panics
    /// If [`try_cubic`](Self::try_cubic) returns an error, with the same text; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn cubic(lo: f64, hi: f64) -> Curve {
        Curve::unwrap(Curve::try_cubic(lo, hi))
    }

    /// Creates a [`cubic`](Self::cubic) curve from values that may be invalid.
    ///
    /// # Errors
    /// As [`try_linear`](Self::try_linear).
    pub const fn try_cubic(lo: f64, hi: f64) -> Result<Curve, CurveError> {
        Curve::ramp("cubic", CUBIC, lo, hi)
    }

    /// Returns this curve with its probabilities limited to `max_probability`. A limit below 1 always lets a share of
    /// the requests pass.
    ///
    /// The limit is rounded down to a multiple of 0.00002, but never from above 0 to 0.
    ///
    /// # Panics
    /// If [`try_capped`](Self::try_capped) returns an error, with the same text; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn capped(self, max_probability: f64) -> Curve {
        Curve::unwrap(self.try_capped(max_probability))
    }

    /// Returns the curve of [`capped`](Self::capped) for a value that may be invalid.
    ///
    /// # Errors
    /// [`CurveError::OutOfRange`] if `max_probability` is not in 0..=1.
    pub const fn try_capped(self, max_probability: f64) -> Result<Curve, CurveError> {
        let nearest = match units("capped", "max_probability", max_probability) {
            Ok(units) => units,
            Err(error) => return Err(error),
        };
        if max_probability == 0.0 {
            return Ok(Curve::NEVER);
        }
        let rounded_down = nearest - (decimal(nearest) > max_probability) as u64;
        let max = if rounded_down == 0 { 1 } else { rounded_down };
        if max >= self.field(MAX_PROBABILITY_SHIFT) {
            return Ok(self);
        }
        let other_fields = self.0 & !(FIELD << MAX_PROBABILITY_SHIFT);
        Ok(Curve(other_fields | max << MAX_PROBABILITY_SHIFT))
    }

    /// Returns the reject probability, in 0..=1, at this utilization. NaN reads as 0.
    #[must_use]
    pub const fn probability(self, utilization: f64) -> f64 {
        self.probability_at(Utilization::from_f64(utilization))
    }

    /// Returns the [`probability`](Self::probability) at a fraction.
    pub(crate) const fn probability_at(self, utilization: Utilization) -> f64 {
        let Some(Ramp { rise, span }) = self.ramp_at(utilization) else {
            return 0.0;
        };
        let max = self.max_probability();
        if rise >= span {
            return max;
        }
        let linear = rise as f64 / span as f64;
        let ramp = match self.field(POWER_SHIFT) {
            CUBIC => linear * linear * linear,
            _ => linear,
        };
        if ramp < max { ramp } else { max }
    }

    /// Returns whether a draw is below the probability at this utilization. Below `lo`, `draw` is not called.
    ///
    /// This is the comparison with [`probability_at`](Self::probability_at), multiplied out to avoid the division, and
    /// arranged so that scaling the draw does not wait for the utilization.
    #[inline]
    pub(crate) fn sheds(self, utilization: Utilization, draw: impl FnOnce() -> Draw) -> bool {
        let Utilization { in_use, capacity } = utilization;
        let in_use = in_use * UNITS;
        let lo = self.field(LO_SHIFT) * capacity;
        if in_use < lo {
            return false;
        }
        let draw = draw();
        let span = self.field(HI_SHIFT) * capacity - lo;
        let is_below_ramp = match self.field(POWER_SHIFT) {
            STEP => true,
            CUBIC => draw.is_below_cube(in_use - lo, span),
            _ => lo + draw.scaled_to(span) < in_use,
        };
        is_below_ramp && draw.scaled_to(UNITS) < self.field(MAX_PROBABILITY_SHIFT)
    }

    /// Returns the fewest permits in use, of `capacity`, at which utilization is not below `lo`.
    pub(crate) const fn permits_at_lo(self, capacity: u64) -> u64 {
        (self.field(LO_SHIFT) * capacity).div_ceil(UNITS)
    }

    /// Returns the position of a utilization on the ramp, or `None` below `lo`.
    #[inline]
    const fn ramp_at(self, utilization: Utilization) -> Option<Ramp> {
        let in_use = utilization.in_use * UNITS;
        let lo = self.field(LO_SHIFT) * utilization.capacity;
        if in_use < lo {
            return None;
        }
        let hi = self.field(HI_SHIFT) * utilization.capacity;
        Some(Ramp {
            rise: in_use - lo,
            span: hi - lo,
        })
    }

    pub(crate) const fn lo(self) -> f64 {
        decimal(self.field(LO_SHIFT))
    }

    pub(crate) const fn hi(self) -> f64 {
        decimal(self.field(HI_SHIFT))
    }

    pub(crate) const fn max_probability(self) -> f64 {
        decimal(self.field(MAX_PROBABILITY_SHIFT))
    }

    /// Returns the curve as one number, to be stored in an atomic.
    pub(crate) const fn to_word(self) -> u64 {
        self.0
    }

    /// Returns the curve that [`to_word`](Self::to_word) converted.
    pub(crate) const fn from_word(word: u64) -> Self {
        Curve(word)
    }

    #[inline]
    const fn field(self, shift: u32) -> u64 {
        self.0 >> shift & FIELD
    }

    const fn pack(power: u64, lo: u64, hi: u64, max_probability: u64) -> Curve {
        Curve(
            power << POWER_SHIFT
                | max_probability << MAX_PROBABILITY_SHIFT
                | hi << HI_SHIFT
                | lo << LO_SHIFT,
        )
    }

    const fn ramp(curve: &'static str, power: u64, lo: f64, hi: f64) -> Result<Curve, CurveError> {
        let lo_units = match units(curve, "lo", lo) {
            Ok(units) => units,
            Err(error) => return Err(error),
        };
        let hi_units = match units(curve, "hi", hi) {
            Ok(units) => units,
            Err(error) => return Err(error),
        };
        if lo_units >= hi_units {
            return Err(CurveError::EmptyRamp { curve, lo, hi });
        }
        Ok(Curve::pack(power, lo_units, hi_units, UNITS))
    }

    #[track_caller]
    const fn unwrap(result: Result<Curve, CurveError>) -> Curve {
        match result {
            Ok(curve) => curve,
            Err(error) => panic!("{}", error.text().as_str()),
        }
    }
}

/// Converts a parameter in 0..=1 to units.
const fn units(
    curve: &'static str,
    parameter: &'static str,
    value: f64,
) -> Result<u64, CurveError> {
    // False for NaN.
    if value >= 0.0 && value <= 1.0 {
        Ok((value * UNITS as f64 + 0.5) as u64)
    } else {
        Err(CurveError::OutOfRange {
            curve,
            parameter,
            value,
        })
    }
}

/// A position on the ramp: `rise / span`. The span of a step is 0.
struct Ramp {
    rise: u64,
    span: u64,
}

const fn decimal(units: u64) -> f64 {
    units as f64 / UNITS as f64
}

/// The kind of a curve, for formatting and serialization.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Never,
    Always,
    Step,
    Linear,
    Cubic,
}

impl Curve {
    pub(crate) fn shape(self) -> Shape {
        match self.field(POWER_SHIFT) {
            LINEAR => Shape::Linear,
            CUBIC => Shape::Cubic,
            _ if self == Curve::NEVER => Shape::Never,
            _ if self == Curve::ALWAYS => Shape::Always,
            _ => Shape::Step,
        }
    }
}

/// Formats the curve like the code that creates it: `linear(0.6, 0.8).capped(0.95)`.
impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lo, hi, max_probability) = (self.lo(), self.hi(), self.max_probability());
        match self.shape() {
            Shape::Never => return f.write_str("NEVER"),
            Shape::Always => return f.write_str("ALWAYS"),
            Shape::Step => write!(f, "step({lo})")?,
            Shape::Linear => write!(f, "linear({lo}, {hi})")?,
            Shape::Cubic => write!(f, "cubic({lo}, {hi})")?,
        }
        if max_probability < 1.0 {
            write!(f, ".capped({max_probability})")?;
        }
        Ok(())
    }
}

/// The error returned if parameters do not describe a [`Curve`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CurveError {
    /// A parameter is not in 0..=1.
    OutOfRange {
        /// The function that was called: `step`, `linear`, `cubic` or `capped`.
        curve: &'static str,
        /// The name of the parameter.
        parameter: &'static str,
        /// The value of the parameter.
        value: f64,
    },
    /// `lo` is not below `hi`, after both are rounded to multiples of 0.00002.
    EmptyRamp {
        /// The function that was called: `linear` or `cubic`.
        curve: &'static str,
        /// The utilization at which the ramp would begin.
        lo: f64,
        /// The utilization at which it would end.
        hi: f64,
    },
}

impl CurveError {
    const fn text(&self) -> ConstStr {
        match *self {
            CurveError::OutOfRange {
                curve,
                parameter,
                value,
            } => ConstStr::new()
                .str("curve `")
                .str(curve)
                .str("`: ")
                .str(parameter)
                .str(" is ")
                .decimal(value)
                .str(", which is not in 0..=1"),
            CurveError::EmptyRamp { curve, lo, hi } => ConstStr::new()
                .str("curve `")
                .str(curve)
                .str("`: lo is ")
                .decimal(lo)
                .str(", which is not below hi, ")
                .decimal(hi)
                .str(", in steps of 0.00002"),
        }
    }
}

impl fmt::Display for CurveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl core::error::Error for CurveError {}
