//! One thread, which performs all operations in random order.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crossbeam_channel::{Receiver, Sender};
use floodwall::{GaugeGuard, Permit};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::counts::Counts;
use crate::fixture::{Checked, Fixture};
use crate::reference::{Counted, violation};
use crate::target::{Answer, Job, Request};

/// A guard that is counted as held.
pub(crate) struct Held<'a> {
    counted: Counted<'a>,
    guard: Guard<'a>,
}

enum Guard<'a> {
    Permit(Permit<'a>),
    Gauge(GaugeGuard<'a>),
    Job(Job),
}

/// Transfers guards between threads.
pub(crate) type Channel<'a> = (Sender<Held<'a>>, Receiver<Held<'a>>);

/// Most guards that a thread holds.
const MAX_HELD: usize = 4;

pub(crate) struct Worker<'a, 'channel> {
    fixture: &'a Fixture,
    channel: &'channel Channel<'a>,
    random: SmallRng,
    held: Vec<Held<'a>>,
    counts: Counts,
}

/// Panics without a message.
fn panic_silently() {
    resume_unwind(Box::new(()));
}

impl<'a, 'channel> Worker<'a, 'channel> {
    pub(crate) fn new(fixture: &'a Fixture, channel: &'channel Channel<'a>, seed: u64) -> Self {
        Worker {
            fixture,
            channel,
            random: SmallRng::seed_from_u64(seed),
            held: Vec::with_capacity(MAX_HELD),
            counts: Counts::new(fixture.targets.len()),
        }
    }

    /// Performs one random operation.
    pub(crate) fn step(&mut self) {
        let mut choice = Choice(self.random.next_u64());
        let operation = choice.below(64);
        let target = choice.below(self.fixture.targets.len());
        let mut request = Request {
            class: choice.below(self.fixture.targets[target].target.classes()),
            permits: 1,
            key: None,
            pressure: 0.0,
        };
        match operation {
            0..20 => self.admit(target, request),
            20..26 => {
                request.permits = choice.below(4) as u32;
                request.key = (operation % 2 == 0).then_some(choice.0);
                request.pressure = choice.below(16) as f64 / 15.0;
                self.admit(target, request);
            }
            26..29 => self.admit_owned(target, request.class, || ()),
            29 => self.admit_owned(target, request.class, panic_silently),
            30..40 => self.call(target, request.class, &|| ()),
            40 => self.call(target, request.class, &panic_silently),
            41..46 => self.enter_gauge(),
            46..50 => self.exchange(&mut choice),
            50 => self.read(&self.fixture.targets[target]),
            51 => {
                let updated = self.fixture.targets[target].update(choice.below(1 << 20));
                self.counts.updates += u64::from(updated);
            }
            _ => self.release_one(&mut choice),
        }
    }

    fn admit(&mut self, index: usize, request: Request) {
        let Checked {
            target, reference, ..
        } = &self.fixture.targets[index];
        let Request { class, permits, .. } = request;
        let before = reference.version();
        let answer = target.admit(request).map(|permit| {
            let counted = reference.count(before, class, permits);
            self.hold(counted, Guard::Permit(permit));
        });
        self.count_answer(index, class, answer);
    }

    fn admit_owned(&mut self, index: usize, class: usize, job: fn()) {
        let Checked {
            target, reference, ..
        } = &self.fixture.targets[index];
        let before = reference.version();
        let answer = target.admit_owned(class, job).map(|job| {
            let counted = reference.count(before, class, 1);
            self.hold(counted, Guard::Job(job));
        });
        self.count_answer(index, class, answer);
    }

    fn call(&mut self, index: usize, class: usize, handler: &dyn Fn()) {
        let Checked {
            target, reference, ..
        } = &self.fixture.targets[index];
        let before = reference.version();
        let mut handler = || {
            let _counted = reference.count(before, class, 1);
            handler();
        };
        let call = AssertUnwindSafe(|| target.call(class, &mut handler));
        let answer = catch_unwind(call).unwrap_or_else(|_| {
            self.counts.panics += 1;
            Ok(())
        });
        self.counts.released += u64::from(answer.is_ok());
        self.count_answer(index, class, answer);
    }

    fn count_answer(&mut self, index: usize, class: usize, answer: Result<(), Answer>) {
        let answer = answer.err().unwrap_or(Answer::Admitted);
        self.counts.answers[index][class][answer as usize] += 1;
    }

    fn enter_gauge(&mut self) {
        let Fixture { gauge, active, .. } = self.fixture;
        let guard = gauge.enter();
        let (counted, now) = Counted::one(active);
        if gauge.active() == 0 || u64::from(gauge.peak()) < now {
            violation("gauge", "shows fewer than were active", (gauge, now));
        }
        self.counts.entered += 1;
        self.hold(counted, Guard::Gauge(guard));
    }

    fn read(&mut self, checked: &Checked) {
        let before = checked.reference.version();
        checked.reference.check(before, checked.target.in_use());
        self.counts.reads += 1;
    }

    /// Sends a random guard to any thread and receives one from any thread.
    fn exchange(&mut self, choice: &mut Choice) {
        let sent = self.pick(choice).map(|held| self.channel.0.try_send(held));
        if let Some(Err(unsent)) = sent {
            self.release(unsent.into_inner());
        }
        if let Ok(held) = self.channel.1.try_recv() {
            self.hold(held.counted, held.guard);
        }
    }

    /// Holds a guard. Releases a random one first if the thread holds [`MAX_HELD`].
    fn hold(&mut self, counted: Counted<'a>, guard: Guard<'a>) {
        if self.held.len() == MAX_HELD {
            let mut choice = Choice(self.random.next_u64());
            self.release_one(&mut choice);
        }
        self.held.push(Held { counted, guard });
    }

    fn pick(&mut self, choice: &mut Choice) -> Option<Held<'a>> {
        let index = choice.below(self.held.len());
        (!self.held.is_empty()).then(|| self.held.swap_remove(index))
    }

    fn release_one(&mut self, choice: &mut Choice) {
        if let Some(held) = self.pick(choice) {
            self.release(held);
        }
    }

    fn release(&mut self, Held { counted, guard }: Held<'_>) {
        self.counts.released += 1;
        drop(counted);
        match guard {
            Guard::Permit(permit) => drop(permit),
            Guard::Gauge(guard) => drop(guard),
            // About half of the jobs are dropped without having run.
            Guard::Job(job) if self.counts.released % 2 == 0 => drop(job),
            Guard::Job(job) => {
                let panicked = catch_unwind(AssertUnwindSafe(job)).is_err();
                self.counts.panics += u64::from(panicked);
            }
        }
    }

    /// Releases all guards that the thread holds or that the channel contains. The last thread to finish
    /// leaves the channel empty.
    pub(crate) fn finish(mut self) -> Counts {
        while let Some(held) = self.held.pop() {
            self.release(held);
        }
        while let Ok(held) = self.channel.1.try_recv() {
            self.release(held);
        }
        self.counts
    }
}

/// One random number, split into several small ones.
struct Choice(u64);

impl Choice {
    /// Returns a number below `end`, nearly uniform.
    fn below(&mut self, end: usize) -> usize {
        let product = u128::from(self.0) * end as u128;
        self.0 = product as u64;
        (product >> u64::BITS) as usize
    }
}
