//! A wall with its streams, in the terms of its specification.

use crate::spec::{Admission, ClassRule, Mode, Wall};
use crate::{MAX_STATES, Solution, Stream};

/// A state is the permits in use by class: a multiple of the permits of one request.
pub(crate) type State = Vec<u64>;

pub(crate) struct System {
    capacity: u32,
    rules: Vec<ClassRule>,
    /// Permits of one request, by class.
    permits: Vec<u32>,
}

impl System {
    /// # Panics
    /// If the numbers are not those of a wall with Poisson traffic.
    pub(crate) fn new(capacity: u32, streams: &[Stream]) -> Self {
        assert!(capacity > 0, "the capacity is 0");
        let guarantees: u64 = streams.iter().map(|s| u64::from(s.rule.guarantee)).sum();
        assert!(
            guarantees <= capacity.into(),
            "the guarantees exceed the capacity"
        );
        for stream in streams {
            assert!(stream.permits > 0, "a request of 0 permits holds nothing");
            assert!(
                stream.load.is_finite() && stream.load >= 0.0,
                "a load is negative or not finite"
            );
            assert!(
                stream.holding.is_finite() && stream.holding > 0.0,
                "a mean holding time is not above 0 or not finite"
            );
        }
        System {
            capacity,
            rules: streams.iter().map(|stream| stream.rule).collect(),
            permits: streams.iter().map(|stream| stream.permits).collect(),
        }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity.into()
    }

    fn wall<'a>(&'a self, in_use: &'a [u64]) -> Wall<'a> {
        Wall {
            capacity: self.capacity,
            rules: &self.rules,
            mode: Mode::OPEN,
            in_use,
        }
    }

    /// Returns the requests of a class that hold permits.
    pub(crate) fn requests(&self, state: &State, class: usize) -> u64 {
        state[class] / u64::from(self.permits[class])
    }

    /// Returns the most requests of a class that can hold permits at once.
    pub(crate) fn most_requests(&self, class: usize) -> u64 {
        self.wall(&[]).reachable(class) / u64::from(self.permits[class])
    }

    /// Returns an upper bound of the number of states.
    pub(crate) fn states(&self) -> u128 {
        (0..self.rules.len())
            .map(|class| 1 + u128::from(self.most_requests(class)))
            .fold(1, u128::saturating_mul)
    }

    /// Returns the probability that one more request of this class is admitted.
    pub(crate) fn acceptance(&self, state: &[u64], class: usize) -> f64 {
        let wall = self.wall(state);
        let permits = self.permits[class];
        match wall.check_limits(class, permits) {
            Err(_) => 0.0,
            Ok(Admission::Guaranteed) => 1.0,
            Ok(Admission::Borrowed | Admission::DryRun(_)) => {
                1.0 - wall.reject_probability(class, permits)
            }
        }
    }

    /// Returns the states within all limits, in lexicographic order.
    ///
    /// # Panics
    /// If there may be more than [`MAX_STATES`].
    pub(crate) fn legal_states(&self) -> Vec<State> {
        let bound = self.states();
        assert!(
            bound <= MAX_STATES,
            "up to {bound} states are more than {MAX_STATES}"
        );
        let mut states = vec![vec![0; self.rules.len()]];
        for class in 0..self.rules.len() {
            let with_each = |state: State| {
                (0..=self.most_requests(class)).map(move |requests| {
                    let mut state = state.clone();
                    state[class] = requests * u64::from(self.permits[class]);
                    state
                })
            };
            // A state beyond a limit stays beyond it if later classes hold permits as well.
            states = states
                .into_iter()
                .flat_map(with_each)
                .filter(|state| self.wall(state).is_within_limits())
                .collect();
        }
        states
    }

    /// Returns the solution, if the states have these probabilities.
    pub(crate) fn solution(&self, states: &[State], probabilities: &[f64]) -> Solution {
        let mean = |of: &dyn Fn(&State) -> f64| -> f64 {
            states
                .iter()
                .zip(probabilities)
                .map(|(state, probability)| probability * of(state))
                .sum()
        };
        let in_use = |state: &State| state.iter().sum::<u64>() as f64;
        Solution {
            admitted: (0..self.rules.len())
                .map(|class| mean(&|state| self.acceptance(state, class)))
                .collect(),
            utilization: mean(&in_use) / f64::from(self.capacity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ramp;

    #[test]
    fn legal_states_are_those_of_the_specification() {
        let streams = [(2, 9, 1), (0, 6, 2), (3, 12, 3)].map(|(guarantee, cap, permits)| {
            Stream::new(1.0, guarantee..=cap, Ramp::NEVER).permits(permits)
        });
        let system = System::new(12, &streams);
        let mut expected = Vec::new();
        for first in 0..=12 {
            for second in (0..=12).step_by(2) {
                for third in (0..=12).step_by(3) {
                    let state = vec![first, second, third];
                    if system.wall(&state).is_within_limits() {
                        expected.push(state);
                    }
                }
            }
        }
        assert_eq!(system.legal_states(), expected);
        assert!(system.states() >= expected.len() as u128);
    }

    /// So no request leads out of the legal states, and their set is coordinate convex.
    #[test]
    fn requests_are_admitted_if_the_next_state_is_legal() {
        let streams = [(2, 9, 1), (0, 6, 2), (3, 12, 3)].map(|(guarantee, cap, permits)| {
            Stream::new(1.0, guarantee..=cap, Ramp::NEVER).permits(permits)
        });
        let system = System::new(12, &streams);
        let states = system.legal_states();
        for state in &states {
            for (class, stream) in streams.iter().enumerate() {
                let mut next = state.clone();
                next[class] += u64::from(stream.permits);
                let is_legal = f64::from(states.contains(&next));
                assert_eq!(system.acceptance(state, class), is_legal, "{next:?}");
            }
        }
    }
}
