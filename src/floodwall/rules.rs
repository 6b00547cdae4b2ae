//! Rules: the capacity, and the share and the curve of each class.

use core::fmt;
use core::marker::PhantomData;

use super::class::{Class, MAX_CLASSES, index_of};
use super::word::{Lanes, Limits};
use crate::const_str::ConstStr;
use crate::shed::curve::Curve;

/// The permits that a class can always acquire, its *guarantee*, and the most permits that it may hold, its *cap*.
///
/// # Examples
/// ```
/// use floodwall::Share;
///
/// assert_eq!(Share::exactly(50), Share::between(50, 50));
/// assert_eq!(Share::at_most(50), Share::between(0, 50));
/// assert_eq!(Share::at_least(20).cap(), u32::MAX); // may borrow up to the capacity
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    guarantee: u32,
    cap: u32,
}

impl Share {
    /// Creates a share whose guarantee and cap are equal: the class never borrows.
    #[must_use]
    pub const fn exactly(permits: u32) -> Share {
        Share::between(permits, permits)
    }

    /// Creates a share with this cap and no guarantee.
    #[must_use]
    pub const fn at_most(cap: u32) -> Share {
        Share::between(0, cap)
    }

    /// Creates a share with this guarantee and no cap: the class may borrow unreserved permits up to the capacity.
    #[must_use]
    pub const fn at_least(guarantee: u32) -> Share {
        Share::between(guarantee, u32::MAX)
    }

    /// Creates a share with this guarantee and this cap. [`Rules`] reject a guarantee above the cap.
    #[must_use]
    pub const fn between(guarantee: u32, cap: u32) -> Share {
        Share { guarantee, cap }
    }

    /// Returns the permits that the class can always acquire. Exceptions: the wall is closed, another class is in dry
    /// run (or was), or a lowered limit still drains.
    #[must_use]
    pub const fn guarantee(self) -> u32 {
        self.guarantee
    }

    /// Returns the most permits that the class may hold. The capacity applies if it is lower.
    #[must_use]
    pub const fn cap(self) -> u32 {
        self.cap
    }
}

/// Formats the share like the code that creates it: `between(20, 50)`.
impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Share {
                guarantee,
                cap: u32::MAX,
            } => write!(f, "at_least({guarantee})"),
            Share { guarantee: 0, cap } => write!(f, "at_most({cap})"),
            Share { guarantee, cap } if guarantee == cap => write!(f, "exactly({cap})"),
            Share { guarantee, cap } => write!(f, "between({guarantee}, {cap})"),
        }
    }
}

/// The rule of one class: a [`Share`], and a [`Curve`] for requests that borrow beyond the guarantee.
pub struct Rule<C> {
    class: usize,
    share: Share,
    curve: Curve,
    classes: PhantomData<fn() -> C>,
}

impl<C: Class> Rule<C> {
    /// Creates a rule for the class with this [index](Class::index), without shedding.
    ///
    /// With [`classes!`](crate::classes), `Kind::Login.rule(share)` does the same.
    #[must_use]
    pub const fn for_index(index: usize, share: Share) -> Rule<C> {
        Rule {
            class: index,
            share,
            curve: Curve::NEVER,
            classes: PhantomData,
        }
    }

    /// Replaces the share and keeps the curve.
    #[must_use]
    pub const fn share(self, share: Share) -> Rule<C> {
        Rule { share, ..self }
    }

    /// Sets the curve that sheds requests beyond the guarantee.
    ///
    /// Requests within the guarantee are never shed. Use a guarantee of 0 for a class that may be shed entirely.
    #[must_use]
    pub const fn shed(self, curve: Curve) -> Rule<C> {
        Rule { curve, ..self }
    }
}

// Not derived: derives would require the same traits of `C`.
impl<C> Clone for Rule<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Rule<C> {}

impl<C> PartialEq for Rule<C> {
    fn eq(&self, other: &Self) -> bool {
        (self.class, self.share, self.curve) == (other.class, other.share, other.curve)
    }
}

impl<C> fmt::Debug for Rule<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("class", &self.class)
            .field("share", &self.share)
            .field("curve", &self.curve)
            .finish()
    }
}

/// A capacity and one rule for each class of `C`, validated: the configuration of a [`Floodwall`](crate::Floodwall) as
/// a plain value.
///
/// With the feature `serde`, rules are serialized as a map from class names:
/// `{"capacity": 100, "classes": {"login": {"guarantee": 20, "cap": 50, "shed": {"linear": {"lo": 0.6, "hi": 0.8}}}}}`.
/// Without `guarantee`, `cap` or `shed`, the class has no guarantee, no cap or no shedding.
///
/// # Examples
/// ```
/// use floodwall::{Rules, Share, classes};
///
/// classes! { enum Kind { Message, Login } }
///
/// let rules = Rules::try_new(100, &[
///     Kind::Login.rule(Share::exactly(20)),
///     Kind::Message.rule(Share::at_least(50)),
/// ])?;
/// let error = rules.with(&[Kind::Login.rule(Share::exactly(60))]).unwrap_err();
/// assert_eq!(error.to_string(), "class `Login`: its guarantee of 60 brings the guarantees \
///     to 110 in all, more than the capacity of 100");
/// # Ok::<(), floodwall::RulesError>(())
/// ```
pub struct Rules<C> {
    pub(crate) capacity: u32,
    /// One element per class. Those beyond the last class are the same in all rules.
    pub(crate) shares: [Share; MAX_CLASSES],
    pub(crate) curves: [Curve; MAX_CLASSES],
    classes: PhantomData<fn() -> C>,
}

impl<C: Class> Rules<C> {
    const COUNT: usize = {
        let (names, all) = (C::NAMES.len(), C::ALL.len());
        if names != all {
            let text = ConstStr::new()
                .int(names as u64)
                .str(" classes in `NAMES`, but ");
            panic!("{}", text.int(all as u64).str(" in `ALL`").as_str());
        }
        names
    };
    pub(super) const LANES: Lanes = Lanes::new(Self::COUNT);

    /// Creates rules from a capacity and one rule for each class, in any order.
    ///
    /// # Panics
    /// If [`try_new`](Self::try_new) returns an error, with the same text; in a constant or a `static`, at compile
    /// time.
    #[must_use]
    #[track_caller]
    pub const fn new(capacity: u32, rules: &[Rule<C>]) -> Rules<C> {
        match Rules::try_new(capacity, rules) {
            Ok(rules) => rules,
            Err(error) => panic!("{}", error.text().as_str()),
        }
    }

    /// Creates rules as [`new`](Self::new) does, from values that may be invalid.
    ///
    /// # Errors
    /// [`RulesError`] if a rule is missing, duplicate or for an unknown class, or if the rules are inconsistent.
    pub const fn try_new(capacity: u32, rules: &[Rule<C>]) -> Result<Rules<C>, RulesError> {
        if Self::COUNT == 0 || Self::COUNT > MAX_CLASSES {
            return Err(RulesError::ClassCount { count: Self::COUNT });
        }
        let mut all = Rules::empty(capacity);
        let has_rule = match all.replace(rules) {
            Ok(has_rule) => has_rule,
            Err(error) => return Err(error),
        };
        let mut class = 0;
        while class < Self::COUNT {
            if !has_rule[class] {
                return Err(RulesError::MissingRule {
                    class: C::NAMES[class],
                });
            }
            class += 1;
        }
        all.validate()
    }

    /// Returns these rules with the rules of some classes replaced.
    ///
    /// Only the result is validated, so one call can move a guarantee from one class to another.
    ///
    /// # Errors
    /// [`RulesError`] if a rule is duplicate or for an unknown class, or if the result is inconsistent.
    pub const fn with(mut self, rules: &[Rule<C>]) -> Result<Rules<C>, RulesError> {
        match self.replace(rules) {
            Ok(_) => self.validate(),
            Err(error) => Err(error),
        }
    }

    /// Returns these rules with another capacity.
    ///
    /// # Errors
    /// [`RulesError::ZeroCapacity`]; [`RulesError::GuaranteesOverCapacity`]; [`RulesError::UnreachableCap`] if a class
    /// could then hold no permit; [`RulesError::CapTooLarge`] if it could hold more permits than a wall can count.
    pub const fn with_capacity(mut self, capacity: u32) -> Result<Rules<C>, RulesError> {
        self.capacity = capacity;
        self.validate()
    }

    /// Returns these rules for a pool of another size: each guarantee and each cap in the same proportion to the
    /// capacity, rounded down, but at least 1 if it was. Shares without a cap stay so, and the curves stay as they are.
    ///
    /// Scale the rules as configured, not the result of another scaling: roundings add up.
    ///
    /// # Errors
    /// As [`with_capacity`](Self::with_capacity). A small pool may be too small for guarantees of at least 1.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{Rules, Share, classes};
    /// # classes! { enum Kind { Message, Health } }
    /// let rules = Rules::new(100, &[
    ///     Kind::Message.rule(Share::at_least(80)),
    ///     Kind::Health.rule(Share::exactly(2)),
    /// ]);
    /// let half = rules.scaled_to(50)?;
    /// assert_eq!(half.share(Kind::Message), Share::at_least(40));
    /// assert_eq!(rules.scaled_to(10)?.share(Kind::Health), Share::exactly(1));
    /// # Ok::<(), floodwall::RulesError>(())
    /// ```
    pub const fn scaled_to(mut self, capacity: u32) -> Result<Rules<C>, RulesError> {
        let mut class = 0;
        while class < Self::COUNT {
            let Share { guarantee, cap } = self.shares[class];
            self.shares[class] = Share {
                guarantee: self.scaled(guarantee, capacity),
                cap: self.scaled(cap, capacity),
            };
            class += 1;
        }
        self.with_capacity(capacity)
    }

    /// Returns permits in the same proportion to another capacity.
    const fn scaled(&self, permits: u32, capacity: u32) -> u32 {
        // A cap of `u32::MAX` is no cap, and a scaled one must not become one.
        const MAX: u64 = u32::MAX as u64 - 1;
        if permits == 0 || permits == u32::MAX {
            return permits;
        }
        match permits as u64 * capacity as u64 / self.capacity as u64 {
            0 => 1,
            scaled @ 1..=MAX => scaled as u32,
            _ => MAX as u32,
        }
    }

    /// Returns the permits of the whole pool.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Returns the rule of a class, to be changed in part.
    ///
    /// # Panics
    /// If the class's index is out of range.
    ///
    /// # Examples
    /// ```
    /// # use floodwall::{Curve, Rules, Share, classes};
    /// # classes! { enum Kind { Login } }
    /// let shed = Curve::linear(0.6, 0.8);
    /// let rules = Rules::new(100, &[Kind::Login.rule(Share::at_most(50)).shed(shed)]);
    /// let fewer = rules.with(&[rules.rule(Kind::Login).share(Share::at_most(6))])?;
    /// assert_eq!(fewer.curve(Kind::Login), shed);
    /// # Ok::<(), floodwall::RulesError>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn rule(&self, class: C) -> Rule<C> {
        let class = index_of(class);
        Rule::for_index(class, self.shares[class]).shed(self.curves[class])
    }

    /// Returns the share of a class.
    ///
    /// # Panics
    /// If the class's index is out of range.
    #[must_use]
    #[track_caller]
    pub fn share(&self, class: C) -> Share {
        self.shares[index_of(class)]
    }

    /// Returns the curve of a class.
    ///
    /// # Panics
    /// If the class's index is out of range.
    #[must_use]
    #[track_caller]
    pub fn curve(&self, class: C) -> Curve {
        self.curves[index_of(class)]
    }

    /// Returns rules in which each class has a cap of 0, to be filled in.
    pub(crate) const fn empty(capacity: u32) -> Rules<C> {
        Rules {
            capacity,
            shares: [Share::at_most(0); MAX_CLASSES],
            curves: [Curve::NEVER; MAX_CLASSES],
            classes: PhantomData,
        }
    }

    /// Replaces the rules of some classes. Returns which.
    const fn replace(&mut self, rules: &[Rule<C>]) -> Result<[bool; MAX_CLASSES], RulesError> {
        let mut replaced = [false; MAX_CLASSES];
        let mut i = 0;
        while i < rules.len() {
            let Rule {
                class,
                share,
                curve,
                ..
            } = rules[i];
            if class >= Self::COUNT {
                return Err(RulesError::UnknownClass {
                    index: class,
                    count: Self::COUNT,
                });
            }
            if replaced[class] {
                return Err(RulesError::DuplicateRule {
                    class: C::NAMES[class],
                });
            }
            replaced[class] = true;
            self.shares[class] = share;
            self.curves[class] = curve;
            i += 1;
        }
        Ok(replaced)
    }

    /// Returns the limits in the form that an admission is judged by.
    pub(super) const fn limits(&self) -> Limits {
        let mut limits = Limits {
            guarantees: 0,
            caps: 0,
            capacity: self.capacity as u64,
        };
        let mut class = 0;
        while class < Self::COUNT {
            let guarantee = self.shares[class].guarantee();
            limits.guarantees |= Self::LANES.put(guarantee as u64, class);
            limits.caps |= Self::LANES.put(self.effective_cap(class) as u64, class);
            class += 1;
        }
        limits
    }

    /// Returns the cap of a class, or the capacity if that is lower.
    const fn effective_cap(&self, class: usize) -> u32 {
        let cap = self.shares[class].cap();
        if cap < self.capacity {
            cap
        } else {
            self.capacity
        }
    }

    /// Returns the rules themselves if they are consistent.
    pub(super) const fn validate(self) -> Result<Rules<C>, RulesError> {
        let lanes = Self::LANES;
        if self.capacity == 0 {
            return Err(RulesError::ZeroCapacity);
        }
        let mut guarantees: u64 = 0;
        let mut i = 0;
        while i < Self::COUNT {
            let class = C::NAMES[i];
            let Share { guarantee, cap } = self.shares[i];
            if Self::is_duplicate_name(i) {
                return Err(RulesError::DuplicateName { class });
            }
            if guarantee > cap {
                return Err(RulesError::GuaranteeOverCap {
                    class,
                    guarantee,
                    cap,
                });
            }
            if self.effective_cap(i) > lanes.max() {
                return Err(RulesError::CapTooLarge {
                    class,
                    cap,
                    capacity: self.capacity,
                    classes: Self::COUNT,
                    max: lanes.max(),
                });
            }
            guarantees += guarantee as u64;
            if guarantees > self.capacity as u64 {
                return Err(RulesError::GuaranteesOverCapacity {
                    class,
                    guarantee,
                    guarantees,
                    capacity: self.capacity,
                });
            }
            i += 1;
        }
        let mut i = 0;
        while i < Self::COUNT {
            let Share { guarantee, cap } = self.shares[i];
            if cap > 0 && guarantee == 0 && guarantees == self.capacity as u64 {
                return Err(RulesError::UnreachableCap {
                    class: C::NAMES[i],
                    cap,
                    capacity: self.capacity,
                });
            }
            i += 1;
        }
        Ok(self)
    }

    /// Returns whether an earlier class has the name of class `i`.
    const fn is_duplicate_name(i: usize) -> bool {
        let mut earlier = 0;
        while earlier < i {
            if str_eq(C::NAMES[earlier], C::NAMES[i]) {
                return true;
            }
            earlier += 1;
        }
        false
    }
}

const fn str_eq(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

// Not derived: derives would require the same traits of `C`.
impl<C> Clone for Rules<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Rules<C> {}

impl<C> PartialEq for Rules<C> {
    fn eq(&self, other: &Self) -> bool {
        self.capacity == other.capacity
            && self.shares == other.shares
            && self.curves == other.curves
    }
}

impl<C> Eq for Rules<C> {}

impl<C: Class> fmt::Debug for Rules<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules = f.debug_struct("Rules");
        rules.field("capacity", &self.capacity);
        for ((name, share), curve) in C::NAMES.iter().zip(&self.shares).zip(&self.curves) {
            rules.field(name, &(share, curve));
        }
        rules.finish()
    }
}

/// The error returned if rules are incomplete or inconsistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// There is no class, or there are more than [`MAX_CLASSES`].
    ClassCount {
        /// The number of classes.
        count: usize,
    },
    /// The capacity is 0. To reject every request, [close](crate::Floodwall::close) the wall.
    ZeroCapacity,
    /// Two classes have the same name, so files and metrics could not tell them apart.
    DuplicateName {
        /// The name.
        class: &'static str,
    },
    /// A rule is for an index beyond the last class.
    UnknownClass {
        /// The rule's index.
        index: usize,
        /// The number of classes.
        count: usize,
    },
    /// A class has no rule.
    MissingRule {
        /// The name of the class.
        class: &'static str,
    },
    /// A class has more than one rule.
    DuplicateRule {
        /// The name of the class.
        class: &'static str,
    },
    /// A guarantee is above the cap of its class.
    GuaranteeOverCap {
        /// The name of the class.
        class: &'static str,
        /// The guarantee of the class.
        guarantee: u32,
        /// The cap of the class.
        cap: u32,
    },
    /// The sum of the guarantees is above the capacity.
    GuaranteesOverCapacity {
        /// The name of the first class, by index, at which the sum is above the capacity.
        class: &'static str,
        /// The guarantee of the class.
        guarantee: u32,
        /// The sum of the guarantees up to and including this class.
        guarantees: u64,
        /// The capacity.
        capacity: u32,
    },
    /// A class has a cap above 0 but could never hold a permit, because the guarantees of the other classes take the
    /// whole capacity.
    UnreachableCap {
        /// The name of the class.
        class: &'static str,
        /// The cap of the class as configured.
        cap: u32,
        /// The capacity, and the sum of the guarantees.
        capacity: u32,
    },
    /// A class could hold more permits than its part of the word can count.
    CapTooLarge {
        /// The name of the class.
        class: &'static str,
        /// The cap of the class as configured.
        cap: u32,
        /// The capacity.
        capacity: u32,
        /// The number of classes.
        classes: usize,
        /// The most permits that a class can hold, with this number of classes.
        max: u32,
    },
}

impl RulesError {
    pub(crate) const fn text(&self) -> ConstStr {
        match *self {
            RulesError::ClassCount { count } => ConstStr::new()
                .int(count as u64)
                .str(" classes, but a wall holds 1 to ")
                .int(MAX_CLASSES as u64),
            RulesError::DuplicateName { class } => {
                text_for(class).str("two classes have this name")
            }
            RulesError::ZeroCapacity => ConstStr::new().str(
                "the capacity is 0: to reject every request, call `close` on the wall instead",
            ),
            RulesError::UnknownClass { index, count } => ConstStr::new()
                .str("a rule for class index ")
                .int(index as u64)
                .str(", but there are ")
                .int(count as u64)
                .str(" classes"),
            RulesError::MissingRule { class } => text_for(class).str("it has no rule"),
            RulesError::DuplicateRule { class } => text_for(class).str("it has two rules"),
            RulesError::GuaranteeOverCap {
                class,
                guarantee,
                cap,
            } => text_for(class)
                .str("its guarantee of ")
                .int(guarantee as u64)
                .str(" is above its cap of ")
                .int(cap as u64),
            RulesError::GuaranteesOverCapacity {
                class,
                guarantee,
                guarantees,
                capacity,
            } => text_for(class)
                .str("its guarantee of ")
                .int(guarantee as u64)
                .str(" brings the guarantees to ")
                .int(guarantees)
                .str(" in all, more than the capacity of ")
                .int(capacity as u64),
            RulesError::UnreachableCap {
                class,
                cap,
                capacity,
            } => {
                let text = text_for(class);
                let text = if cap == u32::MAX {
                    text.str("it has no cap")
                } else {
                    text.str("its cap is ").int(cap as u64)
                };
                text.str(
                    ", but it can never hold a permit: the guarantees of the other classes take the whole \
                     capacity of ",
                )
                .int(capacity as u64)
                .str("; give it a cap of 0, or lower a guarantee")
            }
            RulesError::CapTooLarge {
                class,
                cap,
                capacity,
                classes,
                max,
            } => {
                let text = if cap <= capacity {
                    text_for(class).str("its cap is ").int(cap as u64)
                } else {
                    text_for(class)
                        .str("it may hold the whole capacity of ")
                        .int(capacity as u64)
                };
                text.str(", but a class can hold at most ")
                    .int(max as u64)
                    .str(" with ")
                    .int(classes as u64)
                    .str(if classes == 1 { " class" } else { " classes" })
                    .str(": give it a lower cap, or use fewer classes")
            }
        }
    }
}

/// Begins the text of an error that concerns one class.
const fn text_for(class: &str) -> ConstStr {
    ConstStr::new().str("class `").str(class).str("`: ")
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl core::error::Error for RulesError {}
