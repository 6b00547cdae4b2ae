//! Walls with the faults that `Floodwall` is designed to avoid. The checker must detect each of them,
//! and must accept the same code without a fault.

use std::array;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::checker::{Model, Subject};
use crate::faulty_bulkheads::SketchPermit;
use crate::floodwall_model::{Answer, COUNT, Call, Config, FloodwallModel};
use crate::recorder::{assert_accepted, assert_detected, widen_race};
use floodwall_theory::spec::{Mode, Ramp, Request};

/// Decides by the model and compare-exchanges one word.
struct Sketch {
    fault: Fault,
    /// The rules and the mode; its permits are those in `in_use`. Takes the place of the epoch: a read
    /// lock keeps the rules from changing.
    settings: RwLock<FloodwallModel>,
    in_use: AtomicU64,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The rules may change between the decision and the exchange.
    NoEpoch,
    /// The curve is evaluated once per call, although other calls borrow before the exchange succeeds.
    CurveOnce,
}

const LANE_BITS: usize = 16;

fn model(settings: FloodwallModel, word: u64) -> FloodwallModel {
    FloodwallModel {
        in_use: array::from_fn(|class| (word >> (LANE_BITS * class)) as u16 as u64),
        ..settings
    }
}

impl Sketch {
    fn admit(&self, request: Request) -> (Answer, Option<SketchPermit<'_>>) {
        let Request { class, permits, .. } = request;
        let unit = u64::from(permits) << (LANE_BITS * class);
        let mut is_evaluated = false;
        loop {
            let guard = self.settings.read().unwrap();
            let mut settings = *guard;
            let _guard = (self.fault != Fault::NoEpoch).then_some(guard);
            if is_evaluated && self.fault == Fault::CurveOnce {
                settings.config.classes[class].ramp = Ramp::NEVER;
            }
            let word = self.in_use.load(SeqCst);
            let answer = model(settings, word).answer(request);
            if answer != Answer::Done {
                return (answer, None);
            }
            is_evaluated = true;
            widen_race();
            let exchanged = self
                .in_use
                .compare_exchange(word, word + unit, SeqCst, SeqCst);
            if exchanged.is_ok() {
                let word = &self.in_use;
                return (answer, Some(SketchPermit { word, unit }));
            }
        }
    }
}

impl Subject for Sketch {
    type Model = FloodwallModel;
    type Permit<'a> = SketchPermit<'a>;

    fn reset(&self, model: &FloodwallModel) {
        *self.settings.write().unwrap() = *model;
        self.in_use.store(0, SeqCst);
    }

    fn answer(&self, call: Call) -> (Answer, Option<SketchPermit<'_>>) {
        let current = |settings: &FloodwallModel| model(*settings, self.in_use.load(SeqCst));
        let answer = match call {
            Call::Admit(request) => return self.admit(request),
            Call::InUse(_) | Call::Capacity | Call::Utilization | Call::Snapshot | Call::Rules => {
                current(&self.settings.read().unwrap()).apply(call)
            }
            update => {
                let mut settings = self.settings.write().unwrap();
                let mut model = current(&settings);
                let answer = model.apply(update);
                *settings = model;
                answer
            }
        };
        (answer, None)
    }
}

fn sketch(fault: Fault) -> impl Fn() -> Sketch {
    move || Sketch {
        fault,
        settings: RwLock::new(FloodwallModel {
            config: Config::NOTHING,
            mode: Mode::OPEN,
            in_use: [0; COUNT],
        }),
        in_use: AtomicU64::new(0),
    }
}

#[test]
fn floodwall_sketch_without_a_fault_is_accepted() {
    assert_accepted(sketch(Fault::None));
}

#[test]
fn rule_update_without_an_epoch_is_detected() {
    assert_detected(sketch(Fault::NoEpoch));
}

#[test]
fn curve_evaluated_once_per_call_is_detected() {
    assert_detected(sketch(Fault::CurveOnce));
}
