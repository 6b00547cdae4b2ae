//! Serialization of curves and rules.
//!
//! Everything is a map with named keys, in every format: a format that writes structs by position could not tell which
//! of the optional keys are missing. Deserialized values are validated by the constructors that code uses, with the same
//! error texts.
//!
//! An error says its class and key where it is created, and is never put into another one: a format attaches the
//! position in the text to an error when it is created, and a new error would get the position of the outer value.
//!
//! `deserialize_any` throughout: a format that is asked for a map may make one of an empty value or of a sequence.

use core::fmt;
use core::marker::PhantomData;

use ::serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor,
};
use ::serde::ser::{SerializeMap, Serializer};
use ::serde::{Deserialize, Serialize};

use crate::floodwall::class::{Class, MAX_CLASSES};
use crate::floodwall::rules::{Rule, Rules, RulesError, Share};
use crate::shed::curve::{Curve, Shape};

const RULES_KEYS: &[&str] = &["capacity", "classes"];
const RULE_KEYS: &[&str] = &["guarantee", "cap", "shed"];
const SHAPES: &[&str] = &["step", "linear", "cubic"];
const STEP_KEYS: &[&str] = &["at", "capped"];
const RAMP_KEYS: &[&str] = &["lo", "hi", "capped"];

const UNLIMITED: u32 = Share::at_least(0).cap();

/// Serializes rules as `{"capacity": 100, "classes": {"Login": {...}, ...}}`.
impl<C: Class> Serialize for Rules<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(RULES_KEYS.len()))?;
        map.serialize_entry("capacity", &self.capacity)?;
        map.serialize_entry("classes", &RulesByName(self))?;
        map.end()
    }
}

/// The rules of all classes, keyed by name.
struct RulesByName<'a, C>(&'a Rules<C>);

impl<C: Class> Serialize for RulesByName<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = self.0.shares.iter().zip(&self.0.curves);
        let rules = rules.map(|(&share, &curve)| ClassRule { share, curve });
        serializer.collect_map(C::NAMES.iter().zip(rules))
    }
}

/// The rule of one class: `{"guarantee": 20, "cap": 50, "shed": ...}`. Every key is optional.
struct ClassRule {
    share: Share,
    curve: Curve,
}

impl Serialize for ClassRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let guarantee = Some(self.share.guarantee()).filter(|&guarantee| guarantee > 0);
        let cap = Some(self.share.cap()).filter(|&cap| cap != UNLIMITED);
        let shed = Some(self.curve).filter(|&curve| curve != Curve::NEVER);
        let len = [guarantee.is_some(), cap.is_some(), shed.is_some()].map(usize::from);
        let mut map = serializer.serialize_map(Some(len.iter().sum()))?;
        if let Some(guarantee) = guarantee {
            map.serialize_entry("guarantee", &guarantee)?;
        }
        if let Some(cap) = cap {
            map.serialize_entry("cap", &cap)?;
        }
        if let Some(shed) = shed {
            map.serialize_entry("shed", &shed)?;
        }
        map.end()
    }
}

/// Serializes a curve as `"never"`, `"always"`, or a map such as `{"linear": {"lo": 0.6, "hi": 0.8, "capped": 0.95}}`.
impl Serialize for Curve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (lo, hi, max) = (self.lo(), self.hi(), self.max_probability());
        let (shape, keys, values) = match self.shape() {
            Shape::Never => return serializer.serialize_str("never"),
            Shape::Always => return serializer.serialize_str("always"),
            Shape::Step => ("step", STEP_KEYS, &[lo, max][..]),
            Shape::Linear => ("linear", RAMP_KEYS, &[lo, hi, max][..]),
            Shape::Cubic => ("cubic", RAMP_KEYS, &[lo, hi, max][..]),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(shape, &Parameters { keys, values })?;
        map.end()
    }
}

/// The parameters of a curve. The last key is `capped`, which is left out if it is 1.
struct Parameters<'a> {
    keys: &'a [&'a str],
    values: &'a [f64],
}

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let is_capped = self.values.last() != Some(&1.0);
        let len = self.keys.len() - usize::from(!is_capped);
        serializer.collect_map(self.keys.iter().zip(self.values).take(len))
    }
}

/// Where a value is, for errors.
#[derive(Clone, Copy, Default)]
struct Place {
    class: Option<&'static str>,
    /// The keys from the rule of the class, or from the outermost map, to the value. Unused ones are empty.
    keys: [&'static str; 3],
}

impl Place {
    fn of_class(class: &'static str) -> Self {
        Place {
            class: Some(class),
            ..Place::default()
        }
    }

    /// Returns the place of the value of this key.
    fn key(mut self, key: &'static str) -> Self {
        if let Some(unused) = self.keys.iter_mut().find(|key| key.is_empty()) {
            *unused = key;
        }
        self
    }

    fn error<E: Error>(self, text: impl fmt::Display) -> E {
        E::custom(format_args!("{text}{self}"))
    }

    /// Returns the value of a key that is required.
    fn required<T, E: Error>(self, value: Option<T>, key: &str) -> Result<T, E> {
        value.ok_or_else(|| self.error(format_args!("missing key `{key}`")))
    }

    /// Reads the value of a key, which may occur once.
    fn read<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
        self,
        map: &mut A,
        key: &'static str,
        seed: fn(Place) -> S,
        value: &mut Option<S::Value>,
    ) -> Result<(), A::Error> {
        if value.is_some() {
            return Err(self.error(format_args!("duplicate key `{key}`")));
        }
        *value = Some(map.next_value_seed(seed(self.key(key)))?);
        Ok(())
    }
}

/// Formats the place as the end of an error: ` (class `Login`, key `shed.linear.lo`)`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = " (";
        if let Some(class) = self.class {
            write!(f, "{separator}class `{class}`")?;
            separator = ", ";
        }
        let mut dot = "";
        for key in self.keys.iter().filter(|key| !key.is_empty()) {
            if dot.is_empty() {
                write!(f, "{separator}key `")?;
            }
            write!(f, "{dot}{key}")?;
            dot = ".";
        }
        f.write_str(if dot.is_empty() { "" } else { "`" })?;
        f.write_str(if self.class.is_none() && dot.is_empty() {
            ""
        } else {
            ")"
        })
    }
}

/// A visitor that deserializes by itself.
macro_rules! seed {
    ($seed:ty, $value:ty $(, $class:ident)?) => {
        impl<'de $(, $class: Class)?> DeserializeSeed<'de> for $seed {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_any(self)
            }
        }
    };
}

impl<'de, C: Class> Deserialize<'de> for Rules<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RulesVisitor(PhantomData))
    }
}

struct RulesVisitor<C>(PhantomData<C>);

impl<'de, C: Class> Visitor<'de> for RulesVisitor<C> {
    type Value = Rules<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the keys `capacity` and `classes`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rules<C>, A::Error> {
        let place = Place::default();
        let (mut capacity, mut classes) = (None, None);
        while let Some(key) = map.next_key_seed(Name::key(RULES_KEYS, place))? {
            match key {
                0 => place.read(&mut map, "capacity", Permits, &mut capacity)?,
                _ => place.read(&mut map, "classes", ClassesSeed::new, &mut classes)?,
            }
        }
        let capacity = place.required(capacity, "capacity")?;
        let Classes { rules, count } = place.required(classes, "classes")?;
        Rules::try_new(capacity, &rules[..count]).map_err(Error::custom)
    }
}

/// The rules of a map, in its order, at most one per class: the first `count` elements.
struct Classes<C> {
    rules: [Rule<C>; MAX_CLASSES],
    count: usize,
}

struct ClassesSeed<C> {
    place: Place,
    classes: PhantomData<C>,
}

impl<C> ClassesSeed<C> {
    fn new(place: Place) -> Self {
        ClassesSeed {
            place,
            classes: PhantomData,
        }
    }
}

seed!(ClassesSeed<C>, Classes<C>, C);

impl<'de, C: Class> Visitor<'de> for ClassesSeed<C> {
    type Value = Classes<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a map from the name of each class to its rule{}",
            self.place
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Classes<C>, A::Error> {
        // If there are more than `MAX_CLASSES` classes, `Rules::try_new` returns an error.
        let names = C::NAMES.split_at(C::NAMES.len().min(MAX_CLASSES)).0;
        let mut has_rule = [false; MAX_CLASSES];
        let mut rules = [Rule::for_index(0, Share::at_most(0)); MAX_CLASSES];
        let mut count = 0;
        while let Some(index) = map.next_key_seed(Name::class(names))? {
            let class = C::NAMES[index];
            if has_rule[index] {
                return Err(Error::custom(RulesError::DuplicateRule { class }));
            }
            has_rule[index] = true;
            let ClassRule { share, curve } =
                map.next_value_seed(ClassRuleSeed(Place::of_class(class)))?;
            rules[count] = Rule::for_index(index, share).shed(curve);
            count += 1;
        }
        Ok(Classes { rules, count })
    }
}

struct ClassRuleSeed(Place);

seed!(ClassRuleSeed, ClassRule);

impl<'de> Visitor<'de> for ClassRuleSeed {
    type Value = ClassRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(
            f,
            "a map with the keys `guarantee`, `cap` and `shed`, each optional{place}"
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClassRule, A::Error> {
        let Self(place) = self;
        let (mut guarantee, mut cap, mut shed) = (None, None, None);
        while let Some(key) = map.next_key_seed(Name::key(RULE_KEYS, place))? {
            match key {
                0 => place.read(&mut map, "guarantee", Permits, &mut guarantee)?,
                1 => place.read(&mut map, "cap", Permits, &mut cap)?,
                _ => place.read(&mut map, "shed", CurveSeed, &mut shed)?,
            }
        }
        Ok(ClassRule {
            share: Share::between(guarantee.unwrap_or(0), cap.unwrap_or(UNLIMITED)),
            curve: shed.unwrap_or(Curve::NEVER),
        })
    }
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CurveSeed(Place::default()).deserialize(deserializer)
    }
}

struct CurveSeed(Place);

seed!(CurveSeed, Curve);

impl<'de> Visitor<'de> for CurveSeed {
    type Value = Curve;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(
            f,
            "`never`, `always`, or a map with one of the keys `step`, `linear` and `cubic`{place}"
        )
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Curve, E> {
        match name {
            "never" => Ok(Curve::NEVER),
            "always" => Ok(Curve::ALWAYS),
            "step" | "linear" | "cubic" => Err(self.0.error(format_args!(
                "a curve `{name}` is a map from `{name}` to its numbers"
            ))),
            _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Curve, A::Error> {
        let Self(place) = self;
        let Some(shape) = map.next_key_seed(Name::key(SHAPES, place))? else {
            return Err(Error::invalid_length(0, &self));
        };
        let parameters = ParametersSeed {
            keys: [STEP_KEYS, RAMP_KEYS, RAMP_KEYS][shape],
            place: place.key(SHAPES[shape]),
        };
        let [first, second, third] = map.next_value_seed(parameters)?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(Error::invalid_length(2, &self));
        }
        let required = |value, key| parameters.place.required(value, key);
        let (curve, capped) = match shape {
            0 => (Curve::try_step(required(first, "at")?), second),
            _ => {
                let (lo, hi) = (required(first, "lo")?, required(second, "hi")?);
                match shape {
                    1 => (Curve::try_linear(lo, hi), third),
                    _ => (Curve::try_cubic(lo, hi), third),
                }
            }
        };
        let capped = capped.unwrap_or(1.0);
        curve
            .and_then(|curve| curve.try_capped(capped))
            .map_err(|error| place.error(error))
    }
}

/// Deserializes the parameters of a curve, in the order of their keys.
#[derive(Clone, Copy)]
struct ParametersSeed {
    keys: &'static [&'static str],
    place: Place,
}

seed!(ParametersSeed, [Option<f64>; 3]);

impl<'de> Visitor<'de> for ParametersSeed {
    type Value = [Option<f64>; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the keys ")?;
        write_names(self.keys, f)?;
        write!(f, "{}", self.place)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; 3];
        while let Some(key) = map.next_key_seed(Name::key(self.keys, self.place))? {
            self.place
                .read(&mut map, self.keys[key], Number, &mut values[key])?;
        }
        Ok(values)
    }
}

/// Deserializes one of several names as its index.
#[derive(Clone, Copy)]
struct Name {
    /// What is named.
    kind: &'static str,
    names: &'static [&'static str],
    place: Place,
}

impl Name {
    fn key(names: &'static [&'static str], place: Place) -> Self {
        let kind = "key";
        Name { kind, names, place }
    }

    fn class(names: &'static [&'static str]) -> Self {
        let (kind, place) = ("class", Place::default());
        Name { kind, names, place }
    }
}

seed!(Name, usize);

impl Visitor<'_> for Name {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of ")?;
        write_names(self.names, f)?;
        write!(f, "{}", self.place)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        let index = self.names.iter().position(|&known| known == name);
        index.ok_or_else(|| {
            let (kind, expected) = (self.kind, Expected(self));
            E::custom(format_args!("unknown {kind} `{name}`, expected {expected}"))
        })
    }
}

/// Formats what a [`Name`] expects.
struct Expected(Name);

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

fn write_names(names: &[&str], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, name) in names.iter().enumerate() {
        let separator = if i > 0 { ", " } else { "" };
        write!(f, "{separator}`{name}`")?;
    }
    Ok(())
}

/// Deserializes a number of permits.
struct Permits(Place);

seed!(Permits, u32);

impl Visitor<'_> for Permits {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(f, "a number of permits from 0 to {}{place}", u32::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u32, E> {
        let permits = u32::try_from(number);
        permits.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        let permits = u32::try_from(number);
        permits.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

/// Deserializes a parameter of a curve, which its constructor checks.
struct Number(Place);

seed!(Number, f64);

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(place) = self;
        write!(f, "a number from 0 to 1{place}")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }
}
