//! Rules as text: compared with a specification that never calls the library, and used on a wall.

use std::fmt;

use floodwall::{AdmitOptions, Class, Curve, Floodwall, Rules, Share, classes};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

classes! {
    /// Three classes, two of them with names that TOML has to quote.
    enum Kind { Message, Login = "background login", Health = "health.check" }
}

const NAMES: [&str; 3] = ["Message", "background login", "health.check"];

/// The most permits that one of three classes can hold: 2^18 - 1.
const MAX_PERMITS: u32 = 262_143;

/// Steps of 0.00002, to which parameters of curves are rounded.
const UNITS: f64 = 50_000.0;

/// Reads bytes as rules in JSON.
pub fn rules_json(bytes: &[u8]) -> bool {
    let rules = serde_json::from_slice::<Rules<Kind>>(bytes);
    if let Err(error) = &rules {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        assert!(error.line() > 0 && text.ends_with(&place), "{text:?}");
        assert!(text.len() > place.len(), "{text:?}");
        // The text names a key, a class or what is expected.
        assert!(!error.is_data() || text.contains('`'), "{text:?}");
    }
    let tree = serde_json::from_slice::<Tree>(bytes);
    check(rules, tree, |rules| {
        let text = serde_json::to_string(rules).unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

/// Reads bytes as rules in TOML.
pub fn rules_toml(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else {
        return false;
    };
    let rules = toml::from_str::<Rules<Kind>>(text);
    if let Err(error) = &rules {
        assert!(!error.message().is_empty());
        let span = error.span();
        let is_in_text =
            |span: std::ops::Range<usize>| span.start <= span.end && span.end <= text.len();
        assert!(span.is_some_and(is_in_text), "{error:?}");
    }
    let tree = toml::from_str::<Tree>(text);
    check(rules, tree, |rules| {
        let text = toml::to_string(rules).unwrap();
        toml::from_str(&text).unwrap()
    })
}

/// Checks the outcome of reading a text. Returns whether it was accepted.
fn check<E: fmt::Display>(
    rules: Result<Rules<Kind>, E>,
    tree: Result<Tree, E>,
    round_trip: fn(&Rules<Kind>) -> Rules<Kind>,
) -> bool {
    let expected = tree.ok().and_then(|tree| Expected::of(&tree));
    match (rules, expected) {
        (Ok(rules), Some(expected)) => {
            assert_eq!(round_trip(&rules), rules);
            expected.check(&rules);
            use_on_a_wall(&rules);
            true
        }
        (Err(_), None) => false,
        (Ok(rules), None) => panic!("invalid rules were accepted: {rules:?}"),
        (Err(error), Some(expected)) => panic!("{expected:?} was rejected: {error}"),
    }
}

/// Rules that satisfy the specification.
#[derive(Debug)]
struct Expected {
    capacity: u32,
    classes: [ExpectedClass; 3],
}

#[derive(Debug)]
struct ExpectedClass {
    guarantee: u32,
    cap: u32,
    curve: ExpectedCurve,
}

/// The reject probability is 0 below `lo`, `max` above `hi`, and between them at most `max` and a power of the position.
#[derive(Debug)]
struct ExpectedCurve {
    lo: f64,
    hi: f64,
    max: f64,
    power: i32,
}

impl Expected {
    /// Returns the rules that a text describes, or `None` if they are invalid.
    fn of(tree: &Tree) -> Option<Expected> {
        let [capacity, classes] = tree.entries(["capacity", "classes"])?;
        let capacity = capacity?.permits()?;
        let [message, login, health] = classes?.entries(NAMES)?;
        let classes = [
            ExpectedClass::of(message?)?,
            ExpectedClass::of(login?)?,
            ExpectedClass::of(health?)?,
        ];

        let guarantees: u64 = classes.iter().map(|class| u64::from(class.guarantee)).sum();
        let is_class_valid = |class: &ExpectedClass| {
            // A class that may hold a permit can obtain one when the wall is idle.
            let is_reachable =
                class.cap == 0 || class.guarantee > 0 || guarantees < u64::from(capacity);
            class.guarantee <= class.cap && class.cap.min(capacity) <= MAX_PERMITS && is_reachable
        };
        let is_valid = capacity >= 1
            && guarantees <= u64::from(capacity)
            && classes.iter().all(is_class_valid);
        is_valid.then_some(Expected { capacity, classes })
    }

    fn check(&self, rules: &Rules<Kind>) {
        assert_eq!(rules.capacity(), self.capacity);
        for (&kind, expected) in Kind::ALL.iter().zip(&self.classes) {
            assert_eq!(
                rules.share(kind),
                Share::between(expected.guarantee, expected.cap)
            );
            expected.curve.check(rules.curve(kind));
        }
    }
}

impl ExpectedClass {
    fn of(tree: &Tree) -> Option<ExpectedClass> {
        let [guarantee, cap, shed] = tree.entries(["guarantee", "cap", "shed"])?;
        Some(ExpectedClass {
            guarantee: guarantee.map_or(Some(0), Tree::permits)?,
            cap: cap.map_or(Some(u32::MAX), Tree::permits)?,
            curve: shed.map_or(Some(ExpectedCurve::NEVER), ExpectedCurve::of)?,
        })
    }
}

impl ExpectedCurve {
    const NEVER: ExpectedCurve = ExpectedCurve {
        lo: 0.0,
        hi: 0.0,
        max: 0.0,
        power: 0,
    };
    const ALWAYS: ExpectedCurve = ExpectedCurve {
        max: 1.0,
        ..ExpectedCurve::NEVER
    };

    fn of(tree: &Tree) -> Option<ExpectedCurve> {
        match tree {
            Tree::Text(name) if name == "never" => return Some(ExpectedCurve::NEVER),
            Tree::Text(name) if name == "always" => return Some(ExpectedCurve::ALWAYS),
            _ => {}
        }
        let (lo, hi, capped, power) = match tree.entries(["step", "linear", "cubic"])? {
            [Some(step), None, None] => {
                let [at, capped] = step.entries(["at", "capped"])?;
                (at?, at?, capped, 0)
            }
            [None, linear, cubic] if linear.is_some() != cubic.is_some() => {
                let [lo, hi, capped] = linear.or(cubic)?.entries(["lo", "hi", "capped"])?;
                (lo?, hi?, capped, if linear.is_some() { 1 } else { 3 })
            }
            _ => return None,
        };
        let (lo, hi) = (lo.fraction()?, hi.fraction()?);
        let max = capped.map_or(Some(1.0), Tree::fraction)?;
        let units = |fraction: f64| (fraction * UNITS + 0.5).floor();
        (power == 0 || units(lo) < units(hi)).then_some(ExpectedCurve { lo, hi, max, power })
    }

    fn check(&self, curve: Curve) {
        let step = 1.0 / UNITS;
        let below = curve.probability(self.lo - step);
        assert!(
            below == 0.0 || self.lo < step,
            "{self:?}: {below} below `lo`"
        );
        let above = curve.probability(self.hi + step);
        // Rounded down, but not to 0.
        let is_rounded = above <= self.max.max(step) + 1e-9 && above > self.max - step;
        assert!(
            is_rounded && (above > 0.0) == (self.max > 0.0),
            "{self:?}: {above} above `hi`"
        );
        let width = self.hi - self.lo;
        if width > 0.01 {
            let middle = curve.probability(self.lo + width / 2.0);
            let expected = 0.5_f64.powi(self.power).min(self.max);
            assert!(
                (middle - expected).abs() < 0.01,
                "{self:?}: {middle} in the middle"
            );
        }
        let grid = (0..=24).map(|twentieth| curve.probability(f64::from(twentieth) / 20.0));
        assert!(grid.is_sorted(), "{self:?} is not monotone");
    }
}

/// Admits requests by these rules, and checks the limits and that all permits are released.
fn use_on_a_wall(rules: &Rules<Kind>) {
    let wall = Floodwall::from_rules(*rules);
    assert_eq!(wall.rules(), *rules);
    let capacity = rules.capacity();

    for &kind in Kind::ALL {
        let share = rules.share(kind);
        if share.cap() > 0 && rules.curve(kind).probability(0.0) == 0.0 {
            let permit = wall
                .admit(kind)
                .expect("an idle wall admits a request of each class");
            assert_eq!(wall.in_use(kind), 1);
            drop(permit);
        }
        let too_large = share.cap().min(capacity) + 1;
        assert!(
            wall.admit_with(kind, AdmitOptions::new().permits(too_large))
                .is_err()
        );
    }

    let mut permits = Vec::new();
    for &kind in Kind::ALL {
        let guarantee = AdmitOptions::new()
            .permits(rules.share(kind).guarantee())
            .pressure(1.0);
        permits.push(
            wall.admit_with(kind, guarantee)
                .expect("a guarantee is always admitted"),
        );
    }
    for power in (0..18).rev() {
        for &kind in Kind::ALL {
            permits.extend(wall.admit_with(kind, AdmitOptions::new().permits(1 << power)));
            permits.extend(wall.admit(kind));
        }
        assert_within_limits(&wall, rules);
    }

    // A rule update revokes no permit.
    let in_use = wall.snapshot().in_use();
    if let Ok(scaled) = rules.scaled_to(capacity / 2 + 1) {
        wall.set_rules(scaled);
        assert_eq!(wall.rules(), scaled);
        assert_eq!(wall.snapshot().in_use(), in_use);
    }
    drop(permits);
    assert_eq!(wall.snapshot().in_use(), 0);
    assert_eq!(wall.utilization(), 0.0);
}

fn assert_within_limits(wall: &Floodwall<Kind>, rules: &Rules<Kind>) {
    let in_use = |&kind: &Kind| wall.in_use(kind);
    let reserved = |kind: &Kind| u64::from(in_use(kind).max(rules.share(*kind).guarantee()));
    assert!(
        Kind::ALL
            .iter()
            .all(|kind| in_use(kind) <= rules.share(*kind).cap())
    );
    assert!(Kind::ALL.iter().map(reserved).sum::<u64>() <= u64::from(rules.capacity()));
}

/// A value of any format, with duplicate keys.
enum Tree {
    Integer(i128),
    Float(f64),
    Text(String),
    Map(Vec<(String, Tree)>),
    /// A value that rules never contain.
    Other,
}

impl Tree {
    /// Returns the values of these keys. Returns `None` if this is no map, or has another key or a duplicate one.
    fn entries<const COUNT: usize>(&self, keys: [&str; COUNT]) -> Option<[Option<&Tree>; COUNT]> {
        let Tree::Map(entries) = self else {
            return None;
        };
        let mut values = [None; COUNT];
        for (key, value) in entries {
            let index = keys.iter().position(|known| known == key)?;
            if values[index].replace(value).is_some() {
                return None;
            }
        }
        Some(values)
    }

    fn permits(&self) -> Option<u32> {
        match *self {
            Tree::Integer(number) => u32::try_from(number).ok(),
            _ => None,
        }
    }

    fn fraction(&self) -> Option<f64> {
        let number = match *self {
            Tree::Integer(number) => number as f64,
            Tree::Float(number) => number,
            _ => return None,
        };
        (0.0..=1.0).contains(&number).then_some(number)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Tree, A::Error> {
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
