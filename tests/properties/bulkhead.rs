//! One limit.

use floodwall::Bulkhead;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Call {
    Take(u32),
    GiveBack(Index),
    SetLimit(u32),
}

fn any_call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => any_permits().prop_map(Call::Take),
        3 => any::<Index>().prop_map(Call::GiveBack),
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
    fn a_bulkhead_counts_like_its_oracle(limit in any_limit(), calls in vec(any_call(), 1..100)) {
        let room = Bulkhead::new(limit);
        let mut limit = u64::from(limit);
        let mut held = Vec::new();
        let mut in_use = 0;
        for call in calls {
            match call {
                Call::Take(permits) => {
                    let wanted = in_use + u64::from(permits);
                    let answer = room.try_acquire_many(permits);
                    prop_assert_eq!(answer.is_ok(), permits == 0 || wanted <= limit);
                    match answer {
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
                Call::GiveBack(_) if held.is_empty() => {}
                Call::GiveBack(which) => {
                    let (_permit, permits) = held.swap_remove(which.index(held.len()));
                    in_use -= permits;
                }
                Call::SetLimit(changed) => {
                    room.set_limit(changed);
                    limit = changed.into();
                }
            }
            prop_assert_eq!(u64::from(room.in_use()), in_use);
            prop_assert_eq!(u64::from(room.limit()), limit);
            prop_assert_eq!(u64::from(room.available_permits()), limit.saturating_sub(in_use));
            let utilization = if limit == 0 { 1.0 } else { in_use as f64 / limit as f64 };
            prop_assert_eq!(room.utilization(), utilization);
        }
        drop(held);
        prop_assert_eq!(room.in_use(), 0);
    }
}
