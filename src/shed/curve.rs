//! Utilization to reject probability.

use core::fmt;

use crate::const_str::ConstStr;
use crate::shed::draw::Draw;
use crate::shed::utilization::{UNITS, Utilization};

/// | bits   | meaning                                              |
/// |--------|------------------------------------------------------|
/// | 48..64 | power of the ramp: 0 (a step), 1 or 3                |
/// | 32..48 | ceiling: the highest probability, in units           |
/// | 16..32 | head: the utilization where the ramp ends, in units  |
/// | 0..16  | foot: the utilization where it begins, in units      |
const FOOT_SHIFT: u32 = 0;
const HEAD_SHIFT: u32 = 16;
const CEILING_SHIFT: u32 = 32;
const POWER_SHIFT: u32 = 48;
const FIELD: u64 = u16::MAX as u64;

const STEP: u64 = 0;
const LINEAR: u64 = 1;
const CUBIC: u64 = 3;

/// A foot that only a lowered capacity's drain reaches, so that asking mostly ends at the foot.
const OUT_OF_REACH: u64 = FIELD;

/// How likely a request is rejected at a given utilization: monotone, in 0..=1.
///
/// Utilization counts the permits *in use*, not those that are reserved by guarantees: on a wall
/// with guarantees of 50 of 100 in use by nobody, the others reach 0.5 at most.
///
/// Numbers are kept in steps of 1/50,000, so decimals such as 0.7 come back as they went in.
///
/// A ramp that ends at 1.0 keeps no thread in reserve: let it end where the last threads should
/// still be free.
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
pub struct Curve(u64);

impl Curve {
    /// Rejects nothing.
    pub const NEVER: Curve = Curve::pack(STEP, OUT_OF_REACH, OUT_OF_REACH, 0);

    /// Rejects everything: an operator's switch, and a tester's.
    pub const ALWAYS: Curve = Curve::pack(STEP, 0, 0, UNITS);

    /// Rejects everything from the utilization `at` on.
    ///
    /// # Panics
    /// Where [`try_step`](Self::try_step) errs; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn step(at: f64) -> Curve {
        Curve::unwrap(Curve::try_step(at))
    }

    /// [`step`](Self::step) for a value that arrives at run time.
    ///
    /// # Errors
    /// If `at` is not in 0..=1.
    pub const fn try_step(at: f64) -> Result<Curve, CurveError> {
        match units("step", "at", at) {
            Ok(at) => Ok(Curve::pack(STEP, at, at, UNITS)),
            Err(error) => Err(error),
        }
    }

    /// Rejects nothing up to `lo`, everything from `hi` on, and in proportion between.
    ///
    /// # Panics
    /// Where [`try_linear`](Self::try_linear) errs; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn linear(lo: f64, hi: f64) -> Curve {
        Curve::unwrap(Curve::try_linear(lo, hi))
    }

    /// [`linear`](Self::linear) for values that arrive at run time.
    ///
    /// # Errors
    /// If `lo` or `hi` is not in 0..=1, or `lo` is not below `hi`.
    pub const fn try_linear(lo: f64, hi: f64) -> Result<Curve, CurveError> {
        Curve::ramp("linear", LINEAR, lo, hi)
    }

    /// As [`linear`](Self::linear), but the ramp is the cube of the linear one: gentle at first,
    /// steep at the end. Netflix [sheds by such a curve][source].
    ///
    /// [source]: https://netflixtechblog.com/keeping-netflix-reliable-using-prioritized-load-shedding-6cc827b02f94
    ///
    /// # Panics
    /// Where [`try_cubic`](Self::try_cubic) errs; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn cubic(lo: f64, hi: f64) -> Curve {
        Curve::unwrap(Curve::try_cubic(lo, hi))
    }

    /// [`cubic`](Self::cubic) for values that arrive at run time.
    ///
    /// # Errors
    /// As [`try_linear`](Self::try_linear).
    pub const fn try_cubic(lo: f64, hi: f64) -> Result<Curve, CurveError> {
        Curve::ramp("cubic", CUBIC, lo, hi)
    }

    /// The same curve, but never above the probability `p`: always leave a trickle.
    ///
    /// # Panics
    /// Where [`try_capped`](Self::try_capped) errs; in a constant, at compile time.
    #[must_use]
    #[track_caller]
    pub const fn capped(self, p: f64) -> Curve {
        Curve::unwrap(self.try_capped(p))
    }

    /// [`capped`](Self::capped) for a value that arrives at run time.
    ///
    /// # Errors
    /// If `p` is not in 0..=1.
    pub const fn try_capped(self, p: f64) -> Result<Curve, CurveError> {
        match units("capped", "p", p) {
            Ok(0) => Ok(Curve::NEVER),
            Ok(p) if p < self.field(CEILING_SHIFT) => {
                let all_but_ceiling = self.0 & !(FIELD << CEILING_SHIFT);
                Ok(Curve(all_but_ceiling | p << CEILING_SHIFT))
            }
            Ok(_) => Ok(self),
            Err(error) => Err(error),
        }
    }

    /// The probability, in 0..=1, that a request is rejected at this utilization. NaN reads as 0.
    #[must_use]
    pub const fn probability(self, utilization: f64) -> f64 {
        self.probability_at(Utilization::from_f64(utilization))
    }

    /// [`probability`](Self::probability) of a fraction.
    pub(crate) const fn probability_at(self, utilization: Utilization) -> f64 {
        let Some(Ramp { rise, span }) = self.ramp_at(utilization) else {
            return 0.0;
        };
        let ceiling = self.ceiling();
        if rise >= span {
            return ceiling;
        }
        let linear = rise as f64 / span as f64;
        let ramp = match self.field(POWER_SHIFT) {
            CUBIC => linear * linear * linear,
            _ => linear,
        };
        if ramp < ceiling { ramp } else { ceiling }
    }

    /// Whether a draw lies below the probability at this utilization: what
    /// [`probability_at`](Self::probability_at) says, multiplied out, so that nothing is divided, and
    /// that the utilization is needed last, for it is what an admission waits for.
    /// No draw is taken below the foot.
    #[inline]
    pub(crate) fn sheds(self, utilization: Utilization, draw: impl FnOnce() -> Draw) -> bool {
        let Utilization { in_use, capacity } = utilization;
        let in_use = in_use * UNITS;
        let foot = self.field(FOOT_SHIFT) * capacity;
        if in_use < foot {
            return false;
        }
        let draw = draw();
        if draw.scaled_to(UNITS) >= self.field(CEILING_SHIFT) {
            return false;
        }
        let span = self.field(HEAD_SHIFT) * capacity - foot;
        match self.field(POWER_SHIFT) {
            STEP => true,
            CUBIC => draw.is_below_cube(in_use - foot, span),
            _ => foot + draw.scaled_to(span) < in_use,
        }
    }

    /// The fewest permits in use, of so many, at which the curve is asked: where the utilization is
    /// no longer below its foot.
    pub(crate) const fn permits_at_lo(self, capacity: u64) -> u64 {
        (self.field(FOOT_SHIFT) * capacity).div_ceil(UNITS)
    }

    /// Where on the ramp a utilization lies; none if below the foot.
    #[inline]
    const fn ramp_at(self, utilization: Utilization) -> Option<Ramp> {
        let in_use = utilization.in_use * UNITS;
        let foot = self.field(FOOT_SHIFT) * utilization.capacity;
        if in_use < foot {
            return None;
        }
        let head = self.field(HEAD_SHIFT) * utilization.capacity;
        Some(Ramp {
            rise: in_use - foot,
            span: head - foot,
        })
    }

    pub(crate) const fn foot(self) -> f64 {
        decimal(self.field(FOOT_SHIFT))
    }

    pub(crate) const fn head(self) -> f64 {
        decimal(self.field(HEAD_SHIFT))
    }

    pub(crate) const fn ceiling(self) -> f64 {
        decimal(self.field(CEILING_SHIFT))
    }

    /// The curve as one word, to be kept in an atomic.
    pub(crate) const fn to_word(self) -> u64 {
        self.0
    }

    /// A curve that was a word meanwhile.
    pub(crate) const fn from_word(word: u64) -> Self {
        Curve(word)
    }

    #[inline]
    const fn field(self, shift: u32) -> u64 {
        self.0 >> shift & FIELD
    }

    const fn pack(power: u64, foot: u64, head: u64, ceiling: u64) -> Curve {
        Curve(
            power << POWER_SHIFT
                | ceiling << CEILING_SHIFT
                | head << HEAD_SHIFT
                | foot << FOOT_SHIFT,
        )
    }

    const fn ramp(curve: &'static str, power: u64, lo: f64, hi: f64) -> Result<Curve, CurveError> {
        let foot = match units(curve, "lo", lo) {
            Ok(foot) => foot,
            Err(error) => return Err(error),
        };
        let head = match units(curve, "hi", hi) {
            Ok(head) => head,
            Err(error) => return Err(error),
        };
        if foot >= head {
            return Err(CurveError::EmptyRamp { curve, lo, hi });
        }
        Ok(Curve::pack(power, foot, head, UNITS))
    }

    #[track_caller]
    const fn unwrap(result: Result<Curve, CurveError>) -> Curve {
        match result {
            Ok(curve) => curve,
            Err(error) => panic!("{}", error.text().as_str()),
        }
    }
}

const fn units(
    curve: &'static str,
    parameter: &'static str,
    value: f64,
) -> Result<u64, CurveError> {
    // Written so that NaN fails it too.
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

/// How far up the ramp: `rise / span`, where the span may be none.
struct Ramp {
    rise: u64,
    span: u64,
}

const fn decimal(units: u64) -> f64 {
    units as f64 / UNITS as f64
}

/// What kind of curve it is, and its numbers: the form to show and to write.
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

/// As it would be written in code: `linear(0.6, 0.8).capped(0.95)`.
impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (foot, head) = (self.foot(), self.head());
        match self.shape() {
            Shape::Never => return f.write_str("NEVER"),
            Shape::Always => return f.write_str("ALWAYS"),
            Shape::Step => write!(f, "step({foot})")?,
            Shape::Linear => write!(f, "linear({foot}, {head})")?,
            Shape::Cubic => write!(f, "cubic({foot}, {head})")?,
        }
        if self.ceiling() < 1.0 {
            write!(f, ".capped({})", self.ceiling())?;
        }
        Ok(())
    }
}

/// Why numbers do not make a [`Curve`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CurveError {
    /// A number that is not in 0..=1.
    OutOfRange {
        /// The kind of curve.
        curve: &'static str,
        /// Which of its numbers.
        parameter: &'static str,
        /// What it was.
        value: f64,
    },
    /// A ramp that does not rise: `lo` must be below `hi`, by at least 0.00002.
    EmptyRamp {
        /// The kind of curve.
        curve: &'static str,
        /// Where it should begin.
        lo: f64,
        /// Where it should end.
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
