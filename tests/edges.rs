//! The largest numbers that there are room for, and the fewest and the most classes: what lies beside
//! is not touched.

mod common;

use std::array;

use floodwall::{AdmitOptions, Bulkhead, Curve, Floodwall, Reason, Rule, Rules, RulesError, Share};

use common::{Of, for_each_count};

/// The most that a class can hold, by the number of classes.
const fn most(count: usize) -> u32 {
    match count {
        1 | 2 => (1 << 24) - 1,
        _ => (1 << (56 / count)) - 1,
    }
}

fn everyone<const COUNT: usize>(share: Share) -> [Rule<Of<COUNT>>; COUNT] {
    array::from_fn(|class| Rule::for_index(class, share))
}

fn in_use<const COUNT: usize>(wall: &Floodwall<Of<COUNT>>) -> [u32; COUNT] {
    array::from_fn(|class| wall.in_use(Of(class)))
}

fn many(permits: u32) -> AdmitOptions {
    AdmitOptions::new().permits(permits)
}

#[test]
fn a_bulkhead_fills_up_to_the_largest_number() {
    const MAX: u32 = u32::MAX;
    let room = Bulkhead::new(MAX);
    for first in [MAX, MAX - 1, 1 << 31, 1] {
        let _first = room.try_acquire_many(first).unwrap();
        let _second = room.try_acquire_many(MAX - first).unwrap();
        assert_eq!((room.in_use(), room.available_permits()), (MAX, 0));
        for permits in [1, 2, 1 << 31, MAX] {
            let full = room.try_acquire_many(permits).unwrap_err();
            assert_eq!((full.in_use, full.limit), (MAX, MAX));
        }
        assert!(room.call(|| panic!("it ran")).is_err());
        for limit in [0, MAX - 1, MAX] {
            room.set_limit(limit);
            assert!(room.try_acquire().is_err());
            let (in_use, available) = (room.in_use(), room.available_permits());
            assert_eq!((in_use, available, room.limit()), (MAX, 0, limit));
        }
        assert_eq!(room.utilization(), 1.0);
    }
    assert_eq!((room.in_use(), room.available_permits()), (0, MAX));
}

/// Whatever a class has in use and asks for: it gets that or nothing, and the others keep what they have.
#[test]
fn no_ask_reaches_beyond_its_lane() {
    fn check<const COUNT: usize>() {
        let most = most(COUNT);
        let wall = Floodwall::new(u32::MAX, &everyone::<COUNT>(Share::at_most(most)));
        for class in 0..COUNT {
            for others in [0, 1, most] {
                let others = (0..COUNT)
                    .filter(|&other| other != class)
                    .map(|other| wall.admit_with(Of(other), many(others)).unwrap());
                let _others: Vec<_> = others.collect();
                for used in [0, 1, most / 2, most - 1, most] {
                    let _used = wall.admit_with(Of(class), many(used)).unwrap();
                    let before = in_use(&wall);
                    for asked in [1, most - used, most - used + 1, most, most + 1]
                        .into_iter()
                        .chain([most + 2, 2 * most + 2, 1 << 31, u32::MAX - most, u32::MAX])
                    {
                        let mut after = before;
                        let answer = wall.admit_with(Of(class), many(asked));
                        if u64::from(used) + u64::from(asked) <= most.into() {
                            after[class] += asked;
                            assert!(answer.is_ok());
                        } else {
                            let reason = answer.as_ref().unwrap_err().reason;
                            let expected = (used, most);
                            assert!(matches!(
                                reason,
                                Reason::ClassFull { in_use, cap, .. } if (in_use, cap) == expected
                            ));
                        }
                        assert_eq!(in_use(&wall), after);
                        drop(answer);
                        assert_eq!(in_use(&wall), before);
                    }
                }
            }
        }
        assert_eq!(wall.capacity(), u32::MAX);
    }
    for_each_count!(check);
}

/// Shares as large as lanes, and a capacity for exactly all of them, or for one permit less.
#[test]
fn full_lanes_add_up() {
    fn check<const COUNT: usize>() {
        let (most, count) = (most(COUNT), COUNT as u32);
        let all = most * count;
        let wall = Floodwall::new(all, &everyone::<COUNT>(Share::exactly(most)));
        let mut held = Vec::new();
        for class in 0..COUNT {
            held.push(wall.admit_with(Of(class), many(most - 127)).unwrap());
            held.extend((0..127).map(|_| wall.admit(Of(class)).unwrap()));
            assert!(wall.admit(Of(class)).is_err());
        }
        assert_eq!((in_use(&wall), wall.utilization()), ([most; COUNT], 1.0));

        wall.set_rules(Rules::new(all - 1, &everyone(Share::at_most(most))));
        assert!(wall.utilization() > 1.0);
        drop(held.pop());
        let reason = wall.admit(Of(COUNT - 1)).unwrap_err().reason;
        let Reason::PoolFull {
            in_use: in_all,
            capacity,
            ..
        } = reason
        else {
            panic!("{reason:?}");
        };
        assert_eq!((in_all, capacity), (all - 1, all - 1));
        drop(held);
        assert_eq!(in_use(&wall), [0; COUNT]);
    }
    for_each_count!(check);
}

#[test]
fn a_closed_wall_keeps_the_largest_shares() {
    let shares = everyone::<8>(Share::exactly(u32::MAX));
    let rules = Rules::new(0, &shares);
    let wall = Floodwall::from_rules(rules);
    assert_eq!(wall.rules(), rules);
    let error = RulesError::GuaranteesOverCapacity {
        class: "a",
        guarantee: u32::MAX,
        guarantees: u32::MAX.into(),
        capacity: 127,
    };
    assert_eq!(wall.set_capacity(127), Err(error));
    wall.update_rules(&[Rule::for_index(7, Share::exactly(u32::MAX - 1))])
        .unwrap();
    assert_eq!(wall.rules().share(Of(6)), Share::exactly(u32::MAX));
    assert_eq!(wall.rules().share(Of(7)), Share::exactly(u32::MAX - 1));
}

#[test]
fn a_static_wall_can_be_of_one_class_or_of_eight() {
    floodwall::classes! { enum One { Only } }
    floodwall::classes! { enum Eight { A, B, C, D, E, F, G, H } }
    use Eight::*;

    static ONE: Floodwall<One> = Floodwall::new(1, &[One::Only.rule(Share::exactly(1))]);
    const RULES: Rules<Eight> = Rules::new(
        36,
        &[
            A.rule(Share::exactly(1)),
            B.rule(Share::exactly(2)),
            C.rule(Share::exactly(3)),
            D.rule(Share::exactly(4)),
            E.rule(Share::exactly(5)),
            F.rule(Share::exactly(6)),
            G.rule(Share::exactly(7)),
            H.rule(Share::exactly(8)).shed(Curve::ALWAYS),
        ],
    );
    static EIGHT: Floodwall<Eight> = Floodwall::from_rules(RULES);

    let _all = ONE.admit(One::Only).unwrap();
    assert!(ONE.admit(One::Only).is_err());
    let mut held = Vec::new();
    for (class, share) in [A, B, C, D, E, F, G, H].into_iter().zip(1..) {
        held.push(EIGHT.admit_with(class, many(share)).unwrap());
        assert!(EIGHT.admit(class).is_err());
    }
    assert_eq!((EIGHT.utilization(), EIGHT.rules()), (1.0, RULES));
}
