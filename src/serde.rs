//! The written form of curves and rules, through serde.
//!
//! What is read is checked by the same functions that check what is written in code, and refused in
//! the same words.

use core::fmt;
use core::marker::PhantomData;

use ::serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use ::serde::ser::{SerializeStruct, Serializer};
use ::serde::{Deserialize, Serialize};

use crate::floodwall::class::{Class, MAX_CLASSES};
use crate::floodwall::rules::{Rule, Rules, RulesError, Share};
use crate::shed::curve::{Curve, Shape};

/// `"never"`, or `{"linear": {"lo": 0.6, "hi": 0.8, "capped": 0.95}}`, and so on.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum CurveForm {
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
        let (lo, hi, capped) = (self.foot(), self.head(), self.ceiling());
        match self.shape() {
            Shape::Never => CurveForm::Never,
            Shape::Always => CurveForm::Always,
            Shape::Step => CurveForm::Step { at: lo, capped },
            Shape::Linear => CurveForm::Linear { lo, hi, capped },
            Shape::Cubic => CurveForm::Cubic { lo, hi, capped },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (curve, capped) = match CurveForm::deserialize(deserializer)? {
            CurveForm::Never => (Ok(Curve::NEVER), uncapped()),
            CurveForm::Always => (Ok(Curve::ALWAYS), uncapped()),
            CurveForm::Step { at, capped } => (Curve::try_step(at), capped),
            CurveForm::Linear { lo, hi, capped } => (Curve::try_linear(lo, hi), capped),
            CurveForm::Cubic { lo, hi, capped } => (Curve::try_cubic(lo, hi), capped),
        };
        curve
            .and_then(|curve| curve.try_capped(capped))
            .map_err(de::Error::custom)
    }
}

/// `{"guarantee": 20, "cap": 50, "shed": ...}`; each of them may be left out.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RuleForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    guarantee: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cap: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shed: Option<Curve>,
}

impl RuleForm {
    const UNCAPPED: u32 = Share::at_least(0).cap();

    fn new(share: Share, curve: Curve) -> Self {
        RuleForm {
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
        let mut form = serializer.serialize_struct("Rules", 2)?;
        form.serialize_field("capacity", &self.capacity)?;
        form.serialize_field("classes", &ByName(self))?;
        form.end()
    }
}

/// The rules of all classes, keyed by name.
struct ByName<'a, C>(&'a Rules<C>);

impl<C: Class> Serialize for ByName<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = self.0.shares.iter().zip(&self.0.curves);
        let forms = rules.map(|(&share, &curve)| RuleForm::new(share, curve));
        serializer.collect_map(C::NAMES.iter().zip(forms))
    }
}

impl<'de, C: Class> Deserialize<'de> for Rules<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename = "Rules", deny_unknown_fields, bound = "C: Class")]
        struct Form<C> {
            capacity: u32,
            classes: Named<C>,
        }
        let Form { capacity, classes } = Form::deserialize(deserializer)?;
        Rules::try_new(capacity, &classes.rules[..classes.count]).map_err(de::Error::custom)
    }
}

/// Rules as they were read, each of another class.
struct Named<C> {
    rules: [Rule<C>; MAX_CLASSES],
    count: usize,
}

impl<'de, C: Class> Deserialize<'de> for Named<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor(PhantomData))
    }
}

struct NamedVisitor<C>(PhantomData<C>);

impl<'de, C: Class> Visitor<'de> for NamedVisitor<C> {
    type Value = Named<C>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rule for each class, keyed by its name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<C>, A::Error> {
        let mut given = [false; MAX_CLASSES];
        let mut rules = [Rule::for_index(0, Share::at_most(0)); MAX_CLASSES];
        let mut count = 0;
        while let Some(class) = map.next_key_seed(ClassName::<C>(PhantomData))? {
            if given[class] {
                let class = C::NAMES[class];
                return Err(de::Error::custom(RulesError::DuplicateRule { class }));
            }
            given[class] = true;
            rules[count] = map.next_value::<RuleForm>()?.rule(class);
            count += 1;
        }
        Ok(Named { rules, count })
    }
}

/// Reads a class's name as its index.
struct ClassName<C>(PhantomData<C>);

impl<'de, C: Class> DeserializeSeed<'de> for ClassName<C> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<C: Class> Visitor<'_> for ClassName<C> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a class")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        // A class beyond the most that a wall holds is refused with the rules.
        let index = C::NAMES
            .iter()
            .take(MAX_CLASSES)
            .position(|&class| class == name);
        index.ok_or_else(|| E::unknown_field(name, C::NAMES))
    }
}
