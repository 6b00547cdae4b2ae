//! `Bulkhead` against one limit and one count.

use floodwall::Bulkhead;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Call {
    Acquire(u32),
    Release(Index),
    SetLimit(u32),
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => any_permits().prop_map(Call::Acquire),
        3 => any::<Index>().prop_map(Call::Release),
        1 => any_limit().prop_map(Call::SetLimit),
    ]
}

fn any_permits() -> impl Strategy<Value = u32> {
    prop_oneof![5 => Just(1), 3 => 0..8_u32, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn any_limit() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..20_u32, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

proptest! {
    #[test]
    fn bulkhead_matches_its_oracle(limit in any_limit(), calls in vec(any_call(), 1..100)) {
        let bulkhead = Bulkhead::new(limit);
        let mut limit = u64::from(limit);
        let mut held = Vec::new();
        let mut in_use = 0;
        for call in calls {
            match call {
                Call::Acquire(permits) => {
                    let wanted = in_use + u64::from(permits);
                    let result = bulkhead.try_acquire_many(permits);
                    prop_assert_eq!(result.is_ok(), permits == 0 || wanted <= limit);
                    match result {
                        Ok(permit) => {
                            held.push((permit, u64::from(permits)));
                            in_use = wanted;
                        }
                        Err(full) => prop_assert_eq!(
                            (full.requested, u64::from(full.in_use), u64::from(full.limit)),
                            (permits, in_use, limit)
                        ),
                    }
                }
                Call::Release(_) if held.is_empty() => {}
                Call::Release(which) => {
                    let (_permit, permits) = held.swap_remove(which.index(held.len()));
                    in_use -= permits;
                }
                Call::SetLimit(new) => {
                    bulkhead.set_limit(new);
                    limit = new.into();
                }
            }
            prop_assert_eq!(u64::from(bulkhead.in_use()), in_use);
            prop_assert_eq!(u64::from(bulkhead.limit()), limit);
            prop_assert_eq!(u64::from(bulkhead.available_permits()), limit.saturating_sub(in_use));
            let utilization = if limit == 0 { 1.0 } else { in_use as f64 / limit as f64 };
            prop_assert_eq!(bulkhead.utilization(), utilization);
        }
        drop(held);
        prop_assert_eq!(bulkhead.in_use(), 0);
    }
}
