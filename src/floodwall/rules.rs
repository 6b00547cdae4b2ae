//! Who may have what: shares, rules, and a whole set of them.

use core::fmt;
use core::marker::PhantomData;

use super::class::{Class, MAX_CLASSES, index_of};
use super::word::{Lanes, Limits};
use crate::const_str::ConstStr;
use crate::shed::curve::Curve;

/// What a class can always get, its *guarantee*, and the most that it may hold, its *cap*.
///
/// # Examples
/// ```
/// use floodwall::Share;
///
/// assert_eq!(Share::exactly(50), Share::between(50, 50));
/// assert_eq!(Share::at_most(50), Share::between(0, 50));
/// assert_eq!(Share::at_least(20).cap(), u32::MAX); // may borrow up to the capacity
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    guarantee: u32,
    cap: u32,
}

impl Share {
    /// These permits are the class's own, and no others: guarantee and cap are equal.
    #[must_use]
    pub const fn exactly(permits: u32) -> Share {
        Share::between(permits, permits)
    }

    /// No guarantee, and so many at the most.
    #[must_use]
    pub const fn at_most(cap: u32) -> Share {
        Share::between(0, cap)
    }

    /// So many whatever the others do; more, up to the capacity, where nobody is guaranteed them.
    #[must_use]
    pub const fn at_least(guarantee: u32) -> Share {
        Share::between(guarantee, u32::MAX)
    }

    /// A guarantee, and a cap. [`Rules`] refuse a guarantee above the cap.
    #[must_use]
    pub const fn between(guarantee: u32, cap: u32) -> Share {
        Share { guarantee, cap }
    }

    /// What the class can always get.
    #[must_use]
    pub const fn guarantee(self) -> u32 {
        self.guarantee
    }

    /// The most that the class may hold. Above the capacity, the capacity rules.
    #[must_use]
    pub const fn cap(self) -> u32 {
        self.cap
    }
}

/// What one class may have: a [`Share`], and a [`Curve`] on what it borrows beyond its guarantee.
#[derive(Clone, Copy, Debug)]
pub struct Rule<C> {
    class: usize,
    share: Share,
    curve: Curve,
    of: PhantomData<fn() -> C>,
}

impl<C: Class> Rule<C> {
    /// The rule of the class with this [index](Class::index). It is never shed, until
    /// [`shed`](Self::shed) says how.
    ///
    /// With [`classes!`](crate::classes), `Kind::Login.rule(share)` says the same.
    #[must_use]
    pub const fn for_index(index: usize, share: Share) -> Rule<C> {
        Rule {
            class: index,
            share,
            curve: Curve::NEVER,
            of: PhantomData,
        }
    }

    /// Sheds what the class borrows, by this curve. What it holds within its guarantee is never
    /// shed: a class that may be shed altogether gets no guarantee.
    #[must_use]
    pub const fn shed(self, curve: Curve) -> Rule<C> {
        Rule { curve, ..self }
    }
}

/// A capacity and a rule for each class of `C`, checked: a plain value, which a
/// [`Floodwall`](crate::Floodwall) is made from, gives out and takes.
///
/// With the feature `serde`, rules are read and written with classes keyed by name:
/// `{"capacity": 100, "classes": {"login": {"guarantee": 20, "cap": 50, "shed": {"linear": {"lo": 0.6, "hi": 0.8}}}}}`.
/// What is left out is no guarantee, no cap, never shed.
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
    /// One per class; those beyond the last class are never looked at.
    pub(crate) shares: [Share; MAX_CLASSES],
    pub(crate) curves: [Curve; MAX_CLASSES],
    of: PhantomData<fn() -> C>,
}

impl<C: Class> Rules<C> {
    const COUNT: usize = C::NAMES.len();
    pub(super) const LANES: Lanes = Lanes::new(Self::COUNT);

    /// The rules that are given, in any order, since each names its class.
    ///
    /// A capacity of 0 is legal: it closes the wall, and guarantees are void.
    ///
    /// # Panics
    /// Where [`try_new`](Self::try_new) errs, with the same words; in a constant or a `static`, at
    /// compile time.
    #[must_use]
    #[track_caller]
    pub const fn new(capacity: u32, rules: &[Rule<C>]) -> Rules<C> {
        match Rules::try_new(capacity, rules) {
            Ok(rules) => rules,
            Err(error) => panic!("{}", error.text().as_str()),
        }
    }

    /// [`new`](Self::new) for rules that arrive at run time.
    ///
    /// # Errors
    /// [`RulesError`], which names the class and the numbers.
    pub const fn try_new(capacity: u32, rules: &[Rule<C>]) -> Result<Rules<C>, RulesError> {
        if Self::COUNT == 0 || Self::COUNT > MAX_CLASSES {
            return Err(RulesError::ClassCount { count: Self::COUNT });
        }
        let mut all = Rules::empty(capacity);
        let given = match all.take_over(rules) {
            Ok(given) => given,
            Err(error) => return Err(error),
        };
        let mut class = 0;
        while class < Self::COUNT {
            if !given[class] {
                return Err(RulesError::MissingRule {
                    class: C::NAMES[class],
                });
            }
            class += 1;
        }
        all.checked()
    }

    /// These rules, with other ones for some of the classes. Checked together, so that a guarantee
    /// can move from one class to another in one call.
    ///
    /// # Errors
    /// [`RulesError`], which names the class and the numbers.
    pub const fn with(mut self, rules: &[Rule<C>]) -> Result<Rules<C>, RulesError> {
        match self.take_over(rules) {
            Ok(_) => self.checked(),
            Err(error) => Err(error),
        }
    }

    /// These rules, with another capacity.
    ///
    /// # Errors
    /// [`RulesError`] if the guarantees do not fit into it, or a class could hold more than the
    /// word has room for.
    pub const fn with_capacity(mut self, capacity: u32) -> Result<Rules<C>, RulesError> {
        self.capacity = capacity;
        self.checked()
    }

    /// The permits of the whole pool.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The share of a class.
    ///
    /// # Panics
    /// If the class's index is out of range.
    #[must_use]
    #[track_caller]
    pub fn share(&self, class: C) -> Share {
        self.shares[index_of(class)]
    }

    /// The curve on what a class borrows.
    ///
    /// # Panics
    /// If the class's index is out of range.
    #[must_use]
    #[track_caller]
    pub fn curve(&self, class: C) -> Curve {
        self.curves[index_of(class)]
    }

    /// Nothing for anybody: what rules are written into.
    pub(crate) const fn empty(capacity: u32) -> Rules<C> {
        Rules {
            capacity,
            shares: [Share::at_most(0); MAX_CLASSES],
            curves: [Curve::NEVER; MAX_CLASSES],
            of: PhantomData,
        }
    }

    /// Writes each rule to its class's place; says which classes were named.
    const fn take_over(&mut self, rules: &[Rule<C>]) -> Result<[bool; MAX_CLASSES], RulesError> {
        let mut given = [false; MAX_CLASSES];
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
            if given[class] {
                return Err(RulesError::DuplicateRule {
                    class: C::NAMES[class],
                });
            }
            given[class] = true;
            self.shares[class] = share;
            self.curves[class] = curve;
            i += 1;
        }
        Ok(given)
    }

    /// Returns the limits in the form that an admission is judged by.
    pub(super) const fn limits(&self) -> Limits {
        let mut limits = Limits {
            guarantees: 0,
            caps: 0,
            capacity: self.capacity as u64,
        };
        let mut class = 0;
        while class < Self::COUNT && self.capacity > 0 {
            let (guarantee, cap) = (self.shares[class].guarantee(), self.shares[class].cap());
            let reachable = if cap < self.capacity {
                cap
            } else {
                self.capacity
            };
            limits.guarantees |= Self::LANES.put(guarantee as u64, class);
            limits.caps |= Self::LANES.put(reachable as u64, class);
            class += 1;
        }
        limits
    }

    /// Returns the rules themselves if they are consistent.
    const fn checked(self) -> Result<Rules<C>, RulesError> {
        let lanes = Self::LANES;
        let mut guarantees: u64 = 0;
        let mut i = 0;
        while i < Self::COUNT {
            let class = C::NAMES[i];
            let Share { guarantee, cap } = self.shares[i];
            if Self::is_named_before(i) {
                return Err(RulesError::DuplicateName { class });
            }
            if guarantee > cap {
                return Err(RulesError::GuaranteeOverCap {
                    class,
                    guarantee,
                    cap,
                });
            }
            let most = if cap < self.capacity {
                cap
            } else {
                self.capacity
            };
            if most > lanes.max() {
                return Err(RulesError::CapTooLarge {
                    class,
                    cap: most,
                    max: lanes.max(),
                });
            }
            guarantees += guarantee as u64;
            if guarantees > self.capacity as u64 && self.capacity > 0 {
                return Err(RulesError::GuaranteesOverCapacity {
                    class,
                    guarantee,
                    guarantees,
                    capacity: self.capacity,
                });
            }
            i += 1;
        }
        Ok(self)
    }

    /// Whether an earlier class has the name of class `i` too.
    const fn is_named_before(i: usize) -> bool {
        let mut earlier = 0;
        while earlier < i {
            if same(C::NAMES[earlier], C::NAMES[i]) {
                return true;
            }
            earlier += 1;
        }
        false
    }
}

const fn same(a: &str, b: &str) -> bool {
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

// By hand, because a derive would ask the same of `C`, which is only a label here.
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

/// Why rules do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RulesError {
    /// No class at all, or more than [`MAX_CLASSES`].
    ClassCount {
        /// How many there are.
        count: usize,
    },
    /// Two classes of the same name: nobody could tell them apart in a file or a metric.
    DuplicateName {
        /// The name.
        class: &'static str,
    },
    /// A rule for an index beyond the last class.
    UnknownClass {
        /// The rule's index.
        index: usize,
        /// How many classes there are.
        count: usize,
    },
    /// A class without a rule.
    MissingRule {
        /// Its name.
        class: &'static str,
    },
    /// A class with more than one rule.
    DuplicateRule {
        /// Its name.
        class: &'static str,
    },
    /// A guarantee that the class's own cap does not allow.
    GuaranteeOverCap {
        /// The class's name.
        class: &'static str,
        /// Its guarantee.
        guarantee: u32,
        /// Its cap.
        cap: u32,
    },
    /// Guarantees that cannot all be kept.
    GuaranteesOverCapacity {
        /// The class whose guarantee does not fit beside those before it.
        class: &'static str,
        /// Its guarantee.
        guarantee: u32,
        /// The sum of the guarantees up to it.
        guarantees: u64,
        /// The capacity.
        capacity: u32,
    },
    /// A class that could hold more permits than its part of the word can count.
    CapTooLarge {
        /// The class's name.
        class: &'static str,
        /// Its cap, or the capacity if that is lower.
        cap: u32,
        /// The most that a class can hold, with so many classes.
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
            RulesError::DuplicateName { class } => about(class).str("two classes have this name"),
            RulesError::UnknownClass { index, count } => ConstStr::new()
                .str("a rule for class index ")
                .int(index as u64)
                .str(", but there are ")
                .int(count as u64)
                .str(" classes"),
            RulesError::MissingRule { class } => about(class).str("it has no rule"),
            RulesError::DuplicateRule { class } => about(class).str("it has two rules"),
            RulesError::GuaranteeOverCap {
                class,
                guarantee,
                cap,
            } => about(class)
                .str("its guarantee of ")
                .int(guarantee as u64)
                .str(" is above its cap of ")
                .int(cap as u64),
            RulesError::GuaranteesOverCapacity {
                class,
                guarantee,
                guarantees,
                capacity,
            } => about(class)
                .str("its guarantee of ")
                .int(guarantee as u64)
                .str(" brings the guarantees to ")
                .int(guarantees)
                .str(" in all, more than the capacity of ")
                .int(capacity as u64),
            RulesError::CapTooLarge { class, cap, max } => about(class)
                .str("it could hold ")
                .int(cap as u64)
                .str(" permits, but with this number of classes each can hold at most ")
                .int(max as u64),
        }
    }
}

const fn about(class: &str) -> ConstStr {
    ConstStr::new().str("class `").str(class).str("`: ")
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl core::error::Error for RulesError {}
