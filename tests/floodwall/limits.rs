//! The largest numbers that lanes hold, and the smallest and largest class counts: adjacent lanes keep
//! their values.

use std::array;

use floodwall::{Curve, Floodwall, Reason, Rules, Share};

use crate::common::{LANE_MAX, NthClass, equal_rules, for_each_count, permits};

fn in_use<const COUNT: usize>(wall: &Floodwall<NthClass<COUNT>>) -> [u32; COUNT] {
    array::from_fn(|class| wall.in_use(NthClass(class)))
}

#[test]
fn class_can_hold_exactly_its_lane_maximum() {
    fn check<const COUNT: usize>() {
        let max = LANE_MAX[COUNT];
        let wall = Floodwall::new(u32::MAX, &equal_rules::<COUNT>(Share::at_most(max)));
        let classes = || (0..COUNT).map(NthClass);
        for first in [max, max - 1] {
            let held: Vec<_> = classes()
                .map(|class| wall.admit_with(class, permits(first)).unwrap())
                .collect();
            assert_eq!(in_use(&wall), [first; COUNT]);
            for class in classes() {
                let _rest = wall.admit_with(class, permits(max - first)).unwrap();
                let Reason::ClassFull { in_use, cap, .. } = wall.admit(class).unwrap_err().reason()
                else {
                    panic!("the class is full");
                };
                assert_eq!((in_use, cap), (max, max));
            }
            drop(held);
            assert_eq!(in_use(&wall), [0; COUNT]);
        }
    }
    for_each_count!(check);
}

/// An admission acquires all requested permits or none, and changes no other class.
#[test]
fn request_never_changes_another_lane() {
    fn check<const COUNT: usize>() {
        let max = LANE_MAX[COUNT];
        let wall = Floodwall::new(u32::MAX, &equal_rules::<COUNT>(Share::at_most(max)));
        for class in 0..COUNT {
            for others in [0, 1, max] {
                let others = (0..COUNT)
                    .filter(|&other| other != class)
                    .map(|other| wall.admit_with(NthClass(other), permits(others)).unwrap());
                let _others: Vec<_> = others.collect();
                for used in [0, 1, max / 2, max - 1, max] {
                    let _used = wall.admit_with(NthClass(class), permits(used)).unwrap();
                    let before = in_use(&wall);
                    for requested in [1, max - used, max - used + 1, max, max + 1]
                        .into_iter()
                        .chain([max + 2, 2 * max + 2, 1 << 31, u32::MAX - max, u32::MAX])
                    {
                        let mut after = before;
                        let answer = wall.admit_with(NthClass(class), permits(requested));
                        if u64::from(used) + u64::from(requested) <= max.into() {
                            after[class] += requested;
                            assert!(answer.is_ok());
                        } else {
                            match answer.as_ref().unwrap_err().reason() {
                                Reason::TooLarge { reachable, .. } => {
                                    assert!(requested > max && reachable == max);
                                }
                                Reason::ClassFull { in_use, cap, .. } => {
                                    assert!(requested <= max && (in_use, cap) == (used, max));
                                }
                                other => panic!("{other:?}"),
                            }
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

/// Shares as large as lanes, with a capacity for all of them, and then for one permit less.
#[test]
fn full_lanes_add_up_to_the_capacity() {
    fn check<const COUNT: usize>() {
        let (max, count) = (LANE_MAX[COUNT], COUNT as u32);
        let all = max * count;
        let wall = Floodwall::new(all, &equal_rules::<COUNT>(Share::exactly(max)));
        let mut held = Vec::new();
        for class in (0..COUNT).map(NthClass) {
            held.push(wall.admit_with(class, permits(max - 127)).unwrap());
            held.extend((0..127).map(|_| wall.admit(class).unwrap()));
            assert!(wall.admit(class).is_err());
        }
        assert_eq!((in_use(&wall), wall.utilization()), ([max; COUNT], 1.0));

        wall.set_rules(Rules::new(all - 1, &equal_rules(Share::at_most(max))));
        assert!(wall.utilization() > 1.0);
        drop(held.pop());
        let reason = wall.admit(NthClass(COUNT - 1)).unwrap_err().reason();
        let Reason::PoolFull {
            in_use: total,
            capacity,
            ..
        } = reason
        else {
            panic!("{reason:?}");
        };
        assert_eq!((total, capacity), (all - 1, all - 1));
        drop(held);
        assert_eq!(in_use(&wall), [0; COUNT]);
    }
    for_each_count!(check);
}

#[test]
fn static_wall_can_have_one_or_eight_classes() {
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
        held.push(EIGHT.admit_with(class, permits(share)).unwrap());
        assert!(EIGHT.admit(class).is_err());
    }
    assert_eq!((EIGHT.utilization(), EIGHT.rules()), (1.0, RULES));
}
