//! Rules that the search tries, and the few numbers that describe them.

use std::fmt::Write;

use floodwall_theory::erlang_b;
use rand::RngExt;

use super::loads::{Class, Loads};
use crate::rules::WallRules;
use crate::times::Random;

/// Returns the fewest permits, up to a limit, with which a pool loses at most a fraction.
fn permits_for(load: f64, most_lost: f64, limit: u32) -> u32 {
    let (mut permits, mut lost) = (0, 1.0);
    while lost > most_lost && permits < limit {
        permits += 1;
        lost = load * lost / (f64::from(permits) + load * lost);
    }
    permits
}

/// A proposal of the search, independent of the capacity.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// By rank: the guarantee as a part of the one that keeps the targets by itself.
    guarantees: Vec<f64>,
    /// Permits that the step of the lowest priority leaves free, below the highest utilization that the storm can
    /// reach.
    /// `None` without steps.
    free: Option<f64>,
    /// `free` of a priority, as a part of `free` of the next lower one. 0 if only the lowest priority has a step.
    spacing: f64,
    /// The normal loss of a storming class under its cap alone. `None` without caps.
    cap_loss: Option<f64>,
}

/// The rule of a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rule {
    pub(super) guarantee: u32,
    pub(super) cap: Option<u32>,
    /// The utilization from which a curve sheds everything beyond the guarantee.
    ///
    /// A step, because it needs no random numbers and is the best curve for a sum of losses if holding times are alike
    /// (B. L. Miller, 1969).
    pub(super) step: Option<f64>,
}

const CAP_LOSSES: [Option<f64>; 6] = [None, None, Some(0.001), Some(0.005), Some(0.02), Some(0.05)];
const SPACINGS: [f64; 4] = [0.0, 0.0, 0.35, 0.65];

impl Candidate {
    /// Returns the candidate in which each class has a pool of its own, as far as there are permits. If there are
    /// enough, it meets all targets.
    pub(super) fn separate_pools(loads: &Loads) -> Candidate {
        Candidate {
            guarantees: vec![1.0; loads.ranks],
            free: None,
            spacing: 0.0,
            cap_loss: None,
        }
    }

    /// Returns the simplest candidates: a guarantee for the first priority or none, a step and a cap for the lowest
    /// one.
    pub(super) fn simple(loads: &Loads) -> Vec<Candidate> {
        let mut all = Vec::new();
        for first in [1.0, 0.0] {
            for free in [
                None,
                Some(2.0),
                Some(4.0),
                Some(7.0),
                Some(12.0),
                Some(20.0),
            ] {
                for cap_loss in [None, Some(0.005), Some(0.02)] {
                    let mut guarantees = vec![0.0; loads.ranks];
                    guarantees[0] = first;
                    all.push(Candidate {
                        guarantees,
                        free,
                        spacing: 0.0,
                        cap_loss,
                    });
                }
            }
        }
        all
    }

    /// Returns a random candidate. Random points find good values of the few numbers that matter sooner than a grid (J.
    /// Bergstra and Y. Bengio, 2012).
    pub(super) fn random(loads: &Loads, random: &mut Random) -> Candidate {
        let mut guarantee = |rank: usize| match random.random::<f64>() {
            below if rank == 0 && below < 0.6 => 1.0,
            below if below < 0.3 || rank == 0 && below < 0.85 => 0.0,
            below if below > 0.9 => 1.0,
            _ => 0.3 + 0.7 * random.random::<f64>(),
        };
        let guarantees = (0..loads.ranks).map(&mut guarantee).collect();
        let most = loads.normal_permits().max(8.0) / 3.0;
        let free = (random.random::<f64>() < 0.9).then(|| most.powf(random.random()));
        Candidate {
            guarantees,
            free,
            spacing: pick(&SPACINGS, random),
            cap_loss: pick(&CAP_LOSSES, random),
        }
    }

    /// Returns a candidate that differs a little.
    pub(super) fn neighbor(&self, random: &mut Random) -> Candidate {
        let mut next = self.clone();
        // The first guarantee is a promise, and the search compares candidates with it and without it.
        for guarantee in next.guarantees.iter_mut().skip(1) {
            if random.random() {
                let near = *guarantee + 0.3 * (random.random::<f64>() - 0.5);
                // A few permits are not worth a rule.
                *guarantee = if near < 0.2 { 0.0 } else { near.min(1.0) };
            }
        }
        next.free = next
            .free
            .map(|free| free * (random.random::<f64>() - 0.5).exp());
        match random.random_range(0..5) {
            0 => next.spacing = pick(&SPACINGS, random),
            1 => next.cap_loss = pick(&CAP_LOSSES, random),
            _ => {}
        }
        next
    }

    /// Returns the rules for a capacity. They are valid.
    pub(super) fn rules(&self, loads: &Loads, capacity: u32) -> Vec<Rule> {
        let classes = &loads.classes;
        let most_held = WallRules::most_permits(classes.len());
        if let [_] = classes.as_slice() {
            let cap = (capacity > most_held).then_some(most_held);
            return vec![Rule {
                guarantee: 0,
                cap,
                step: None,
            }];
        }
        let guarantees = self.guarantees_for(loads, capacity, most_held);
        let guaranteed: u32 = guarantees.iter().sum();
        let all = f64::from(capacity);
        let idle: f64 = classes
            .iter()
            .zip(&guarantees)
            .map(|(class, &guarantee)| {
                let held = class.storm.erlangs() * f64::from(class.permits);
                (f64::from(guarantee) - held).max(0.0)
            })
            .sum();
        let step = |rank: usize| {
            let lowest = loads.ranks - 1;
            let part = self.spacing.powi((lowest - rank) as i32);
            let free = self.free.filter(|_| rank > 0 && part > 0.0)? * part;
            let at = (1.0 - (idle + free) / all).max(0.02);
            Some((at * 1000.0).round() / 1000.0)
        };
        let rule = |(class, &guarantee): (&Class, &u32)| {
            let reachable = (capacity - (guaranteed - guarantee)).min(most_held);
            let is_capped = class.storms() && (class.rank > 0 || loads.ranks == 1);
            let cap = self.cap_loss.filter(|_| is_capped).map(|lost| {
                let requests = permits_for(class.normal.erlangs(), lost, capacity);
                (requests.max(1).saturating_mul(class.permits)).max(guarantee)
            });
            let needed = (capacity > most_held).then_some(most_held);
            Rule {
                guarantee,
                cap: cap.filter(|&cap| cap < reachable).or(needed),
                step: step(class.rank),
            }
        };
        classes.iter().zip(&guarantees).map(rule).collect()
    }

    /// Returns the guarantees: of each class as many permits as it needs, and of the lower priorities first as many
    /// fewer as the capacity makes necessary.
    fn guarantees_for(&self, loads: &Loads, capacity: u32, most_held: u32) -> Vec<u32> {
        let classes = &loads.classes;
        let mut guarantees = vec![0; classes.len()];
        // A class without a guarantee must be able to acquire permits.
        let mut left = capacity - classes.iter().map(|class| class.permits).max().unwrap_or(0);
        for (rank, part) in self.guarantees.iter().enumerate() {
            let wanted = |class: &Class| {
                let requests = (part * f64::from(full_guarantee(class, loads, capacity))).round();
                (requests * f64::from(class.permits)).min(f64::from(most_held))
            };
            let of_rank = || classes.iter().filter(|class| class.rank == rank);
            let all: f64 = of_rank().map(wanted).sum();
            let scale = (f64::from(left) / all).min(1.0);
            for (class, guarantee) in classes.iter().zip(&mut guarantees) {
                if class.rank == rank && all > 0.0 {
                    // Rounded down to whole requests.
                    let permits = (wanted(class) * scale) as u32;
                    *guarantee = permits - permits % class.permits;
                    left -= *guarantee;
                }
            }
        }
        guarantees
    }
}

/// Returns the requests for which a guarantee keeps the targets of a class by itself, whatever the other classes do.
fn full_guarantee(class: &Class, loads: &Loads, limit: u32) -> u32 {
    let of = |load: f64, target: Option<f64>| match target {
        Some(target) if load > 0.0 => permits_for(load, target, limit),
        _ => 0,
    };
    let (normal, storm) = (class.normal.erlangs(), class.storm.erlangs());
    match (class.normal_target, class.storm_target) {
        (None, None) if class.rank == 0 || class.rank + 1 < loads.ranks => of(normal, Some(0.01)),
        targets => of(normal, targets.0).max(of(storm, targets.1)),
    }
}

/// Returns the most that a class loses, whatever the other classes do: its guarantee as a pool of its own. The first
/// number is for the normal load.
pub(super) fn loss_within_guarantee(class: &Class, guarantee: u32) -> (f64, f64) {
    let of = |load: f64| match load {
        0.0 => 0.0,
        load => 1.0 - erlang_b(load, guarantee / class.permits),
    };
    (of(class.normal.erlangs()), of(class.storm.erlangs()))
}

/// Returns the capacity with which [`Candidate::separate_pools`] meets all targets.
pub(super) fn capacity_of_separate_pools(loads: &Loads) -> u32 {
    const LIMIT: u32 = 1_000_000;
    let of_class = |class: &Class| {
        let requests = full_guarantee(class, loads, LIMIT);
        u64::from(requests) * u64::from(class.permits)
    };
    let all: u64 = loads.classes.iter().map(of_class).sum();
    let one = loads
        .classes
        .iter()
        .map(|class| class.permits)
        .max()
        .unwrap_or(1);
    (all + u64::from(one)).min(u64::from(LIMIT)) as u32
}

/// Returns whether [`Candidate::separate_pools`] meets all targets by Erlang's B formula.
pub(super) fn separate_pools_suffice(loads: &Loads, capacity: u32) -> bool {
    let rules = Candidate::separate_pools(loads).rules(loads, capacity);
    let mut classes = loads.classes.iter().zip(rules);
    classes.all(|(class, rule)| {
        let (normal, storm) = loss_within_guarantee(class, rule.guarantee);
        // Retries are a load that the formula does not know.
        class.retries == 0
            && class.normal_target.is_none_or(|target| normal <= target)
            && class.storm_target.is_none_or(|target| storm <= target)
    })
}

/// Returns rules in the form that `floodwall` reads.
pub(super) fn to_toml(loads: &Loads, capacity: u32, rules: &[Rule]) -> String {
    let mut text = format!("capacity = {capacity}\n");
    for (class, rule) in loads.classes.iter().zip(rules) {
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("a String takes every text");
        };
        line(format_args!("\n[classes.{}]\n", key(&class.name)));
        if rule.guarantee > 0 {
            line(format_args!("guarantee = {}\n", rule.guarantee));
        }
        if let Some(cap) = rule.cap {
            line(format_args!("cap = {cap}\n"));
        }
        if let Some(at) = rule.step {
            line(format_args!("shed = {{ step = {{ at = {at:?} }} }}\n"));
        }
    }
    text
}

/// Returns a name as a key of TOML.
pub(super) fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    quoted(name)
}

/// Returns a name as a string of TOML.
pub(super) fn quoted(name: &str) -> String {
    // A JSON string is a basic string of TOML, except for the character that TOML wants escaped and JSON does not.
    let quoted = serde_json::to_string(name).expect("a text can be written");
    quoted.replace('\u{7f}', "\\u007F")
}

fn pick<T: Copy>(values: &[T], random: &mut Random) -> T {
    values[random.random_range(..values.len())]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::rules::RuleSet;

    #[test]
    fn rules_are_valid_with_every_capacity() {
        let text = "
            [class.\"a \\\"b\\u007f\"]
            normal = 35
            permits = 3
            loss = 0.1
            [class.B]
            normal = 5
            storm = 500
            loss = { normal = 0.01, storm = 0.5 }
            [class.C]
            normal = 2
            storm = 30
            priority = 2
            [class.D]
            normal = 0
            permits = 7
            priority = 3";
        let more: String = (0..4)
            .map(|class| format!("\n[class.c{class}]\nnormal = 20"))
            .collect();
        let random = &mut Random::seed_from_u64(1);
        for text in [text.to_owned(), format!("{text}{more}")] {
            let loads = Loads::from_toml(&text).unwrap();
            let names: Vec<String> = loads.classes().map(str::to_owned).collect();
            let mut candidates = Candidate::simple(&loads);
            candidates.push(Candidate::separate_pools(&loads));
            candidates.extend((0..50).map(|_| Candidate::random(&loads, random)));
            for capacity in [7, 8, 20, 128, 140, 1_000, 1_000_000] {
                for candidate in &candidates {
                    let candidate = candidate.neighbor(random);
                    let rules = candidate.rules(&loads, capacity);
                    let set = RuleSet::from_toml("rules", &to_toml(&loads, capacity, &rules));
                    set.unwrap().for_classes(&names).unwrap();
                    for (class, rule) in loads.classes.iter().zip(&rules) {
                        assert_eq!(
                            rule.guarantee % class.permits,
                            0,
                            "{capacity} {candidate:?}"
                        );
                        assert!(rule.cap.is_none_or(|cap| cap >= class.permits), "{rules:?}");
                        assert!(class.rank > 0 || rule.step.is_none(), "{rules:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn separate_pools_keep_all_targets() {
        let loads = Loads::from_toml(
            "[class.A]\nnormal = 30\nloss = 0.005\n[class.B]\nnormal = 4\npermits = 2\nloss = 0.01\npriority = 2",
        )
        .unwrap();
        // 44, twice 10, and one request.
        assert_eq!(capacity_of_separate_pools(&loads), 66);
        assert!(separate_pools_suffice(&loads, 66));
        assert!(!separate_pools_suffice(&loads, 65));
    }
}
