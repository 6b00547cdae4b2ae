//! Serialization of curves and rules.
//!
//! Deserialized values are validated by the constructors that code uses, with the same error texts.

use core::fmt;
use core::marker::PhantomData;

use ::serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use ::serde::ser::{SerializeStruct, Serializer};
use ::serde::{Deserialize, Serialize};

use crate::floodwall::class::{Class, MAX_CLASSES};
use crate::floodwall::rules::{Rule, Rules, RulesError, Share};
use crate::shed::curve::{Curve, Shape};

/// The serialized form of a [`Curve`], such as `"never"` or `{"linear": {"lo": 0.6, "hi": 0.8, "capped": 0.95}}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields, expecting = "a curve")]
enum CurveRepr {
    Never,
    Always,
    Step {
        at: f64,
        #[serde(default = "uncapped", skip_serializing_if = "is_uncapped")]
        capped: f64,
    },
    Linear {
        lo: f64,
        hi: f64,
        #[serde(default = "uncapped", skip_serializing_if = "is_uncapped")]
        capped: f64,
    },
    Cubic {
        lo: f64,
        hi: f64,
        #[serde(default = "uncapped", skip_serializing_if = "is_uncapped")]
        capped: f64,
    },
}

fn uncapped() -> f64 {
    1.0
}

fn is_uncapped(capped: &f64) -> bool {
    *capped == uncapped()
}

impl Serialize for Curve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (lo, hi, capped) = (self.lo(), self.hi(), self.max_probability());
        match self.shape() {
            Shape::Never => CurveRepr::Never,
            Shape::Always => CurveRepr::Always,
            Shape::Step => CurveRepr::Step { at: lo, capped },
            Shape::Linear => CurveRepr::Linear { lo, hi, capped },
            Shape::Cubic => CurveRepr::Cubic { lo, hi, capped },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (curve, capped) = match CurveRepr::deserialize(deserializer)? {
            CurveRepr::Never => (Ok(Curve::NEVER), uncapped()),
            CurveRepr::Always => (Ok(Curve::ALWAYS), uncapped()),
            CurveRepr::Step { at, capped } => (Curve::try_step(at), capped),
            CurveRepr::Linear { lo, hi, capped } => (Curve::try_linear(lo, hi), capped),
            CurveRepr::Cubic { lo, hi, capped } => (Curve::try_cubic(lo, hi), capped),
        };
        curve
            .and_then(|curve| curve.try_capped(capped))
            .map_err(de::Error::custom)
    }
}

/// The serialized form of a [`Rule`]: `{"guarantee": 20, "cap": 50, "shed": ...}`. Every field is optional.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "the rule of a class")]
struct RuleRepr {
    #[serde(skip_serializing_if = "Option::is_none")]
    guarantee: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shed: Option<Curve>,
}

impl RuleRepr {
    const UNCAPPED: u32 = Share::at_least(0).cap();

    fn new(share: Share, curve: Curve) -> Self {
        RuleRepr {
            guarantee: Some(share.guarantee()).filter(|&guarantee| guarantee > 0),
            cap: Some(share.cap()).filter(|&cap| cap != Self::UNCAPPED),
            shed: Some(curve).filter(|&curve| curve != Curve::NEVER),
        }
    }

    fn rule<C: Class>(&self, class: usize) -> Rule<C> {
        let guarantee = self.guarantee.unwrap_or(0);
        let cap = self.cap.unwrap_or(Self::UNCAPPED);
        Rule::for_index(class, Share::between(guarantee, cap))
            .shed(self.shed.unwrap_or(Curve::NEVER))
    }
}

impl<C: Class> Serialize for Rules<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut repr = serializer.serialize_struct("Rules", 2)?;
        repr.serialize_field("capacity", &self.capacity)?;
        repr.serialize_field("classes", &RulesByName(self))?;
        repr.end()
    }
}

/// The rules of all classes, keyed by name.
struct RulesByName<'a, C>(&'a Rules<C>);

impl<C: Class> Serialize for RulesByName<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = self.0.shares.iter().zip(&self.0.curves);
        let rules = rules.map(|(&share, &curve)| RuleRepr::new(share, curve));
        serializer.collect_map(C::NAMES.iter().zip(rules))
    }
}

impl<'de, C: Class> Deserialize<'de> for Rules<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            rename = "Rules",
            deny_unknown_fields,
            expecting = "rules",
            bound = "C: Class"
        )]
        struct RulesRepr<C> {
            capacity: u32,
            classes: ParsedRules<C>,
        }
        let RulesRepr { capacity, classes } = RulesRepr::deserialize(deserializer)?;
        Rules::try_new(capacity, &classes.rules[..classes.count]).map_err(de::Error::custom)
    }
}

/// The rules of a map, in its order, at most one per class: the first `count` elements.
struct ParsedRules<C> {
    rules: [Rule<C>; MAX_CLASSES],
    count: usize,
}

impl<'de, C: Class> Deserialize<'de> for ParsedRules<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParsedRulesVisitor(PhantomData))
    }
}

struct ParsedRulesVisitor<C>(PhantomData<C>);

impl<'de, C: Class> Visitor<'de> for ParsedRulesVisitor<C> {
    type Value = ParsedRules<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule for each class, keyed by its name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ParsedRules<C>, A::Error> {
        let mut has_rule = [false; MAX_CLASSES];
        let mut rules = [Rule::for_index(0, Share::at_most(0)); MAX_CLASSES];
        let mut count = 0;
        while let Some(class) = map.next_key_seed(ClassNameSeed::<C>(PhantomData))? {
            if has_rule[class] {
                let class = C::NAMES[class];
                return Err(de::Error::custom(RulesError::DuplicateRule { class }));
            }
            has_rule[class] = true;
            rules[count] = map.next_value::<RuleRepr>()?.rule(class);
            count += 1;
        }
        Ok(ParsedRules { rules, count })
    }
}

/// Deserializes the name of a class as its index.
struct ClassNameSeed<C>(PhantomData<C>);

impl<'de, C: Class> DeserializeSeed<'de> for ClassNameSeed<C> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<C: Class> Visitor<'_> for ClassNameSeed<C> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a class")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        // If there are more than `MAX_CLASSES` classes, `Rules::try_new` returns an error.
        let index = C::NAMES
            .iter()
            .take(MAX_CLASSES)
            .position(|&class| class == name);
        index.ok_or_else(|| E::unknown_field(name, C::NAMES))
    }
}
