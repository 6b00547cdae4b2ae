//! Serialization of curves and rules.
//!
//! Everything is a map with named keys, in every format: a format that writes structs by position could not tell which
//! of the optional keys are missing. Deserialized values are validated by the constructors that code uses, with the same
//! error texts, after the class and the key that they concern.
//!
//! `deserialize_any` throughout: a format that is asked for a map may make one of an empty value or of a sequence.

use core::fmt;
use core::marker::PhantomData;

use ::serde::de::{
    self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Unexpected, Visitor,
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
        let (mut capacity, mut classes) = (None, None);
        while let Some(key) = map.next_key_seed(Key::field(RULES_KEYS))? {
            match key {
                0 => read(&mut map, "capacity", PhantomData::<Permits>, &mut capacity)?,
                _ if classes.is_some() => return Err(de::Error::duplicate_field("classes")),
                // Its errors name the class.
                _ => classes = Some(map.next_value::<Classes<C>>()?),
            }
        }
        let Permits(capacity) = required(capacity, "capacity")?;
        let Classes { rules, count } = required(classes, "classes")?;
        Rules::try_new(capacity, &rules[..count]).map_err(de::Error::custom)
    }
}

/// The rules of a map, in its order, at most one per class: the first `count` elements.
struct Classes<C> {
    rules: [Rule<C>; MAX_CLASSES],
    count: usize,
}

impl<'de, C: Class> Deserialize<'de> for Classes<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClassesVisitor(PhantomData))
    }
}

struct ClassesVisitor<C>(PhantomData<C>);

impl<'de, C: Class> Visitor<'de> for ClassesVisitor<C> {
    type Value = Classes<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from the name of each class to its rule")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Classes<C>, A::Error> {
        // If there are more than `MAX_CLASSES` classes, `Rules::try_new` returns an error.
        let names = C::NAMES.split_at(C::NAMES.len().min(MAX_CLASSES)).0;
        let mut has_rule = [false; MAX_CLASSES];
        let mut rules = [Rule::for_index(0, Share::at_most(0)); MAX_CLASSES];
        let mut count = 0;
        while let Some(index) = map.next_key_seed(Key::class(names))? {
            let class = C::NAMES[index];
            if has_rule[index] {
                return Err(de::Error::custom(RulesError::DuplicateRule { class }));
            }
            has_rule[index] = true;
            let ClassRule { share, curve } = map.next_value().map_err(|error: A::Error| {
                de::Error::custom(format_args!("class `{class}`: {error}"))
            })?;
            rules[count] = Rule::for_index(index, share).shed(curve);
            count += 1;
        }
        Ok(Classes { rules, count })
    }
}

impl<'de> Deserialize<'de> for ClassRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClassRuleVisitor)
    }
}

struct ClassRuleVisitor;

impl<'de> Visitor<'de> for ClassRuleVisitor {
    type Value = ClassRule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the keys `guarantee`, `cap` and `shed`, each optional")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClassRule, A::Error> {
        let (mut guarantee, mut cap, mut shed) = (None, None, None);
        while let Some(key) = map.next_key_seed(Key::field(RULE_KEYS))? {
            match key {
                0 => read(
                    &mut map,
                    "guarantee",
                    PhantomData::<Permits>,
                    &mut guarantee,
                )?,
                1 => read(&mut map, "cap", PhantomData::<Permits>, &mut cap)?,
                _ => read(&mut map, "shed", PhantomData::<Curve>, &mut shed)?,
            }
        }
        let guarantee = guarantee.map_or(0, |Permits(guarantee)| guarantee);
        let cap = cap.map_or(UNLIMITED, |Permits(cap)| cap);
        Ok(ClassRule {
            share: Share::between(guarantee, cap),
            curve: shed.unwrap_or(Curve::NEVER),
        })
    }
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CurveVisitor)
    }
}

struct CurveVisitor;

impl<'de> Visitor<'de> for CurveVisitor {
    type Value = Curve;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`never`, `always`, or a map with one of the keys `step`, `linear` and `cubic`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Curve, E> {
        match name {
            "never" => Ok(Curve::NEVER),
            "always" => Ok(Curve::ALWAYS),
            "step" | "linear" | "cubic" => Err(E::custom(format_args!(
                "a curve `{name}` is a map from `{name}` to its numbers"
            ))),
            _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Curve, A::Error> {
        let Some(shape) = map.next_key_seed(Key::field(SHAPES))? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let keys = [STEP_KEYS, RAMP_KEYS, RAMP_KEYS][shape];
        let mut values = None;
        read(&mut map, SHAPES[shape], ParametersSeed(keys), &mut values)?;
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(de::Error::invalid_length(2, &self));
        }
        let [first, second, third] = values.unwrap_or_default();
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
            .map_err(de::Error::custom)
    }
}

/// Deserializes the parameters of a curve, in the order of their keys.
struct ParametersSeed(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for ParametersSeed {
    type Value = [Option<f64>; 3];

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ParametersSeed {
    type Value = [Option<f64>; 3];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map with the keys ")?;
        write_names(self.0, f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = [None; 3];
        while let Some(key) = map.next_key_seed(Key::field(self.0))? {
            let mut value = values[key].map(Number);
            read(&mut map, self.0[key], PhantomData::<Number>, &mut value)?;
            values[key] = value.map(|Number(value)| value);
        }
        Ok(values)
    }
}

/// Reads the value of a key, which may occur once. An error names the key.
fn read<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
    map: &mut A,
    key: &'static str,
    seed: S,
    value: &mut Option<S::Value>,
) -> Result<(), A::Error> {
    if value.is_some() {
        return Err(de::Error::duplicate_field(key));
    }
    let read = map.next_value_seed(seed);
    *value = Some(read.map_err(|error| de::Error::custom(format_args!("`{key}`: {error}")))?);
    Ok(())
}

fn required<T, E: de::Error>(value: Option<T>, key: &'static str) -> Result<T, E> {
    value.ok_or_else(|| E::missing_field(key))
}

/// Deserializes one of several names as its index.
#[derive(Clone, Copy)]
struct Key {
    /// The kind of name, for errors.
    kind: &'static str,
    names: &'static [&'static str],
}

impl Key {
    fn field(names: &'static [&'static str]) -> Self {
        Key { kind: "key", names }
    }

    fn class(names: &'static [&'static str]) -> Self {
        Key {
            kind: "class",
            names,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of ")?;
        write_names(self.names, f)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        let index = self.names.iter().position(|&known| known == name);
        index.ok_or_else(|| {
            let Key { kind, .. } = self;
            E::custom(format_args!(
                "unknown {kind} `{name}`, expected {}",
                Expected(self)
            ))
        })
    }
}

/// Formats what a [`Key`] expects.
struct Expected(Key);

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

/// A number of permits.
struct Permits(u32);

impl<'de> Deserialize<'de> for Permits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u32(PermitsVisitor)
    }
}

struct PermitsVisitor;

impl Visitor<'_> for PermitsVisitor {
    type Value = Permits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number of permits from 0 to {}", u32::MAX)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Permits, E> {
        let permits = u32::try_from(number).map(Permits);
        permits.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Permits, E> {
        let permits = u32::try_from(number).map(Permits);
        permits.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }
}

/// A parameter of a curve, which its constructor checks.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number from 0 to 1")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }
}
