//! The exact theory of a scenario, if there is one.

use floodwall::Curve;
use floodwall_theory::{
    MAX_STATES, Ramp, Solution, Stream, birth_death, chain, chain_operations, erlang_b,
    product_form, states,
};
use serde_json::Value;

use crate::description::{Admission, Policy, Spacing};
use crate::rules::WallRules;
use crate::scenario::{Arrivals, Class, Scenario};
use crate::wall::{ClassRule, rules_of};

/// What theory says about a scenario.
pub(crate) struct Theory {
    /// By the number of a class: the name of the theory, and the share of the attempts that is admitted.
    pub(crate) admitted: Vec<Option<(&'static str, f64)>>,
    pub(crate) utilization: Option<f64>,
}

/// Multiplications that take about half a second.
const MAX_OPERATIONS: u128 = 500_000_000;

/// Returns what theory says about a scenario under these rules, which must be constant.
///
/// It needs constant Poisson arrivals without retries at one wall, or at several between which chance decides, and threads
/// for all permits, none of which slows another one down.
pub(crate) fn theory(scenario: &Scenario, rules: &WallRules, threads: u32) -> Theory {
    let none = Theory {
        admitted: vec![None; scenario.classes.len()],
        utilization: None,
    };
    let (capacity, rules) = rules_of(rules);
    let loads = scenario
        .classes
        .iter()
        .map(|class| load(class, scenario.instances));
    let Some(loads) = loads.collect::<Option<Vec<f64>>>() else {
        return none;
    };
    let is_loss_system = scenario.is_stationary()
        && (scenario.instances == 1 || scenario.policy == Policy::Random)
        && scenario.server.admission == Admission::Accept
        && scenario.server.sample_every.is_none()
        && scenario.backend.cores.is_none()
        && scenario.backend.limits.iter().all(Option::is_none)
        && threads >= capacity;
    if !is_loss_system {
        return none;
    }
    let classes = scenario.classes.iter().zip(&rules).zip(&loads);
    let alone = classes.map(|((class, rule), &load)| alone(class, rule, load));
    let alone: Vec<Option<f64>> = alone.collect();
    let together = together(scenario, capacity, &rules, &loads);
    let admitted = |(class, alone): (usize, &Option<f64>)| match (alone, &together) {
        (Some(share), _) => Some(("Erlang B", *share)),
        (None, Some((model, solution))) => Some((*model, solution.admitted[class])),
        (None, None) => None,
    };
    let admitted: Vec<_> = alone.iter().enumerate().map(admitted).collect();
    // Permits in use, by the law of J. D. C. Little (1961).
    let in_use = admitted.iter().zip(&loads).zip(&scenario.classes);
    let in_use = in_use.map(|((admitted, load), class)| {
        Some(admitted.as_ref()?.1 * load * f64::from(class.permits))
    });
    Theory {
        utilization: in_use
            .sum::<Option<f64>>()
            .map(|in_use| in_use / f64::from(capacity)),
        admitted,
    }
}

/// Returns the load of a class on each instance, in erlangs, if its arrivals are Poisson at a constant rate.
fn load(class: &Class, instances: u32) -> Option<f64> {
    match &class.arrivals {
        Arrivals::Rate {
            rate,
            spacing: Spacing::Poisson,
            burst: 1,
        } if class.retries.is_none() => {
            Some(rate.constant()? * class.holding.mean() / f64::from(instances))
        }
        _ => None,
    }
}

/// Returns the admitted share of a class whose guarantee is its cap: it has a pool of its own.
fn alone(class: &Class, rule: &ClassRule, load: f64) -> Option<f64> {
    let share = rule.share;
    (share.guarantee() == share.cap() && class.permits == 1).then(|| erlang_b(load, share.cap()))
}

/// Returns the solution for all classes together, and the name of the theory.
fn together(
    scenario: &Scenario,
    capacity: u32,
    rules: &[ClassRule],
    loads: &[f64],
) -> Option<(&'static str, Solution)> {
    let classes = scenario.classes.iter().zip(rules).zip(loads);
    let streams = classes.map(|((class, rule), &load)| {
        let share = rule.share.guarantee()..=rule.share.cap();
        let stream = Stream::new(load, share, ramp(rule.curve)?);
        // A holding time of 0 is no load.
        let holding = class.holding.mean();
        let holding = if holding > 0.0 { holding } else { 1.0 };
        Some(stream.permits(class.permits).holding(holding))
    });
    let streams = streams.collect::<Option<Vec<Stream>>>()?;
    let fits = states(capacity, &streams) <= MAX_STATES;
    if streams.iter().all(|stream| stream.rule.ramp.max == 0) {
        return fits.then(|| ("product form", product_form(capacity, &streams)));
    }
    if !scenario
        .classes
        .iter()
        .all(|class| class.holding.is_exponential())
    {
        return None;
    }
    let is_shared_pool = |stream: &Stream| {
        let rule = stream.rule;
        rule.guarantee == 0
            && rule.cap >= capacity
            && stream.permits == 1
            && stream.holding == streams[0].holding
    };
    if streams.iter().all(is_shared_pool) {
        return Some(("birth-death chain", birth_death(capacity, &streams)));
    }
    (fits && chain_operations(capacity, &streams) <= MAX_OPERATIONS)
        .then(|| ("Markov chain", chain(capacity, &streams)))
}

/// Returns a curve in the terms of the theory, which must not ask the library for a probability.
fn ramp(curve: Curve) -> Option<Ramp> {
    let (shape, parameters) = match serde_json::to_value(curve).ok()? {
        Value::String(name) if name == "never" => return Some(Ramp::NEVER),
        Value::String(name) if name == "always" => return Some(Ramp::step(0.0)),
        Value::Object(map) => map.into_iter().next()?,
        _ => return None,
    };
    let number = |key: &str| parameters.get(key)?.as_f64();
    let max = number("capped").unwrap_or(1.0);
    match shape.as_str() {
        "step" => Ramp::new(0, number("at")?, number("at")?, max),
        "linear" => Ramp::new(1, number("lo")?, number("hi")?, max),
        "cubic" => Ramp::new(3, number("lo")?, number("hi")?, max),
        _ => None,
    }
}
