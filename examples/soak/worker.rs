//! What one thread does: all there is, in random order.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crossbeam_channel::{Receiver, Sender};
use floodwall::{GaugeGuard, Permit};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::shadow::{Counted, violation};
use crate::site::{Answer, Job, Request};
use crate::tally::Tally;
use crate::world::{Watched, World};

/// Something that is held, and counted as held.
pub(crate) struct Held<'a> {
    counted: Counted<'a>,
    hold: Hold<'a>,
}

enum Hold<'a> {
    Permit(Permit<'a>),
    Active(GaugeGuard<'a>),
    Job(Job),
}

/// What is held, on its way from any thread to any other.
pub(crate) type Post<'a> = (Sender<Held<'a>>, Receiver<Held<'a>>);

/// The most that a thread holds.
const HAND: usize = 4;

pub(crate) struct Worker<'a, 'post> {
    world: &'a World,
    post: &'post Post<'a>,
    random: SmallRng,
    hand: Vec<Held<'a>>,
    tally: Tally,
}

/// Panics, without a word.
fn fail() {
    resume_unwind(Box::new(()));
}

impl<'a, 'post> Worker<'a, 'post> {
    pub(crate) fn new(world: &'a World, post: &'post Post<'a>, seed: u64) -> Self {
        Worker {
            world,
            post,
            random: SmallRng::seed_from_u64(seed),
            hand: Vec::with_capacity(HAND),
            tally: Tally::new(world.sites.len()),
        }
    }

    pub(crate) fn act(&mut self) {
        let mut dice = Dice(self.random.next_u64());
        let what = dice.roll(64);
        let at = dice.roll(self.world.sites.len());
        let mut request = Request {
            class: dice.roll(self.world.sites[at].site.classes()),
            permits: 1,
            key: None,
            pressure: 0.0,
        };
        match what {
            0..20 => self.take(at, request),
            20..26 => {
                request.permits = dice.roll(4) as u32;
                request.key = (what % 2 == 0).then_some(dice.0);
                request.pressure = dice.roll(16) as f64 / 15.0;
                self.take(at, request);
            }
            26..29 => self.take_owned(at, request.class, || ()),
            29 => self.take_owned(at, request.class, fail),
            30..40 => self.call(at, request.class, &|| ()),
            40 => self.call(at, request.class, &fail),
            41..46 => self.enter(),
            46..50 => self.exchange(&mut dice),
            50 => self.look(&self.world.sites[at]),
            51 => {
                let changed = self.world.sites[at].change(dice.roll(1 << 20));
                self.tally.changes += u64::from(changed);
            }
            _ => self.give_one_back(&mut dice),
        }
    }

    fn take(&mut self, at: usize, request: Request) {
        let Watched { site, shadow, .. } = &self.world.sites[at];
        let Request { class, permits, .. } = request;
        let law = shadow.law();
        let answer = site.take(request).map(|permit| {
            let counted = shadow.count(law, class, permits);
            self.keep(counted, Hold::Permit(permit));
        });
        self.note(at, class, answer);
    }

    fn take_owned(&mut self, at: usize, class: usize, job: fn()) {
        let Watched { site, shadow, .. } = &self.world.sites[at];
        let law = shadow.law();
        let answer = site.take_owned(class, job).map(|job| {
            let counted = shadow.count(law, class, 1);
            self.keep(counted, Hold::Job(job));
        });
        self.note(at, class, answer);
    }

    fn call(&mut self, at: usize, class: usize, handler: &dyn Fn()) {
        let Watched { site, shadow, .. } = &self.world.sites[at];
        let law = shadow.law();
        let mut handler = || {
            let _counted = shadow.count(law, class, 1);
            handler();
        };
        let call = AssertUnwindSafe(|| site.call(class, &mut handler));
        let answer = catch_unwind(call).unwrap_or_else(|_| {
            self.tally.panics += 1;
            Ok(())
        });
        self.tally.given_back += u64::from(answer.is_ok());
        self.note(at, class, answer);
    }

    fn note(&mut self, at: usize, class: usize, answer: Result<(), Answer>) {
        let answer = answer.err().unwrap_or(Answer::Admitted);
        self.tally.answers[at][class][answer as usize] += 1;
    }

    fn enter(&mut self) {
        let World { gauge, active, .. } = self.world;
        let guard = gauge.enter();
        let (counted, now) = Counted::one(active);
        if gauge.active() == 0 || u64::from(gauge.peak()) < now {
            violation("gauge", "it shows less than were active", (gauge, now));
        }
        self.tally.entered += 1;
        self.keep(counted, Hold::Active(guard));
    }

    fn look(&mut self, Watched { site, shadow, .. }: &Watched) {
        let law = shadow.law();
        shadow.check(law, site.in_use());
        self.tally.looks += 1;
    }

    /// Sends one off, and gets one that anybody sent.
    fn exchange(&mut self, dice: &mut Dice) {
        if let Some(held) = self.pick(dice)
            && let Err(unsent) = self.post.0.try_send(held)
        {
            self.give_back(unsent.into_inner());
        }
        if let Ok(held) = self.post.1.try_recv() {
            self.keep(held.counted, held.hold);
        }
    }

    /// Takes it in hand, where it may have to replace another.
    fn keep(&mut self, counted: Counted<'a>, hold: Hold<'a>) {
        if self.hand.len() == HAND {
            let mut dice = Dice(self.random.next_u64());
            self.give_one_back(&mut dice);
        }
        self.hand.push(Held { counted, hold });
    }

    fn pick(&mut self, dice: &mut Dice) -> Option<Held<'a>> {
        let place = dice.roll(self.hand.len());
        (!self.hand.is_empty()).then(|| self.hand.swap_remove(place))
    }

    fn give_one_back(&mut self, dice: &mut Dice) {
        if let Some(held) = self.pick(dice) {
            self.give_back(held);
        }
    }

    fn give_back(&mut self, Held { counted, hold }: Held<'_>) {
        self.tally.given_back += 1;
        drop(counted);
        match hold {
            Hold::Permit(permit) => drop(permit),
            Hold::Active(guard) => drop(guard),
            // Of jobs, every other one or so is dropped unrun.
            Hold::Job(job) if self.tally.given_back % 2 == 0 => drop(job),
            Hold::Job(job) => {
                let panicked = catch_unwind(AssertUnwindSafe(job)).is_err();
                self.tally.panics += u64::from(panicked);
            }
        }
    }

    /// Gives back all that is in hand and in the post; the last one to finish finds all of it.
    pub(crate) fn finish(mut self) -> Tally {
        while let Some(held) = self.hand.pop() {
            self.give_back(held);
        }
        while let Ok(held) = self.post.1.try_recv() {
            self.give_back(held);
        }
        self.tally
    }
}

/// One random number, for many small ones.
struct Dice(u64);

impl Dice {
    /// One of so many, all nearly as likely.
    fn roll(&mut self, sides: usize) -> usize {
        let product = u128::from(self.0) * sides as u128;
        self.0 = product as u64;
        (product >> u64::BITS) as usize
    }
}
