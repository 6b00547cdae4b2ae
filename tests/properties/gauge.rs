//! `Gauge` against a list of its guards.

use floodwall::Gauge;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Call {
    Enter,
    Drop(Index),
    SetCapacity(u32),
    TakePeak,
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => Just(Call::Enter),
        3 => any::<Index>().prop_map(Call::Drop),
        1 => any_capacity().prop_map(Call::SetCapacity),
        1 => Just(Call::TakePeak),
    ]
}

fn any_capacity() -> impl Strategy<Value = u32> {
    prop_oneof![0..20_u32, any::<u32>()]
}

proptest! {
    #[test]
    fn gauge_matches_its_oracle(
        capacity in any_capacity(),
        calls in vec(any_call(), 1..100),
    ) {
        let gauge = Gauge::new(capacity);
        let mut capacity = capacity;
        let mut guards = Vec::new();
        let mut peak = 0;
        for call in calls {
            match call {
                Call::Enter => {
                    guards.push(gauge.enter());
                    peak = peak.max(guards.len());
                }
                Call::Drop(_) if guards.is_empty() => {}
                Call::Drop(which) => drop(guards.swap_remove(which.index(guards.len()))),
                Call::SetCapacity(new) => {
                    gauge.set_capacity(new);
                    capacity = new;
                }
                Call::TakePeak => {
                    prop_assert_eq!(gauge.take_peak() as usize, peak);
                    peak = guards.len();
                }
            }
            prop_assert_eq!(gauge.active() as usize, guards.len());
            prop_assert_eq!(gauge.peak() as usize, peak);
            prop_assert_eq!(gauge.capacity(), capacity);
            let utilization = match capacity {
                0 => 1.0,
                _ => guards.len() as f64 / f64::from(capacity),
            };
            prop_assert_eq!(gauge.utilization(), utilization);
        }
        drop(guards);
        prop_assert_eq!(gauge.active(), 0);
    }
}
