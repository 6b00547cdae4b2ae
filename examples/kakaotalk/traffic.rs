//! Open-loop traffic: phones do not wait for one another, nor for the server.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp, Exp1};

/// How long a handler waits for its backend, in the mean.
pub(crate) const SERVICE: Duration = Duration::from_millis(50);

/// Erlangs: requests that would be inside at once, in the mean, if all were let in.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) message: f64,
    pub(crate) login: f64,
}

impl Load {
    pub(crate) const CALM: Load = Load::new(40.0, 10.0);

    pub(crate) const fn new(message: f64, login: f64) -> Load {
        Load { message, login }
    }
}

/// Calm, storm, recovery: how long each takes.
#[derive(Clone, Copy)]
pub(crate) struct Timeline {
    pub(crate) calm: Duration,
    storm: Duration,
    recovery: Duration,
}

impl Timeline {
    pub(crate) const FULL: Timeline = Timeline {
        calm: Duration::from_millis(2000),
        storm: Duration::from_millis(6500),
        recovery: Duration::from_millis(2000),
    };
    pub(crate) const QUICK: Timeline = Timeline {
        calm: Duration::from_millis(200),
        storm: Duration::from_millis(700),
        recovery: Duration::from_millis(200),
    };
    /// After five service times, hardly anybody is inside who came before.
    const WARM_UP: Duration = SERVICE.saturating_mul(5);

    pub(crate) fn storm(&self) -> Range<Duration> {
        self.calm..self.calm + self.storm
    }

    /// What shares are measured over: the storm, once it is steady.
    pub(crate) fn measured(&self) -> Range<Duration> {
        let Range { start, end } = self.storm();
        start + Self::WARM_UP..end
    }

    pub(crate) fn end(&self) -> Duration {
        self.calm + self.storm + self.recovery
    }
}

/// What arrives at the server.
pub(crate) struct Request {
    /// When, since the beginning.
    pub(crate) due: Duration,
    pub(crate) cause: Cause,
    /// How long its handler will wait for a backend.
    pub(crate) work: Duration,
}

/// Why somebody asks.
pub(crate) enum Cause {
    /// A person wrote a message.
    Message,
    /// A phone logs in by itself.
    Login(Phone),
}

/// What a phone that logs in knows of its owner.
pub(crate) struct Phone {
    /// It was asleep until the alert.
    pub(crate) woke: bool,
    /// Somebody unlocked it since.
    pub(crate) unlocked: bool,
    /// And used it for so long.
    pub(crate) used: Duration,
}

impl Phone {
    /// The share of phones that woke, were unlocked, and were used for 3 s or more.
    pub(crate) const WANTED: f64 = 0.05;

    /// One in five was unlocked, and used for up to 4 s since, any time as likely as another.
    fn any(random: &mut Random) -> Phone {
        let unlocked = random.random_bool(0.2);
        let used = if unlocked {
            random.random_range(Duration::ZERO..Duration::from_secs(4))
        } else {
            Duration::ZERO
        };
        Phone {
            woke: true,
            unlocked,
            used,
        }
    }
}

/// All requests of one incident in the order in which they are due: Poisson arrivals, their rate
/// raised from calm to `storm` and back.
pub(crate) fn requests(timeline: Timeline, storm: Load, seed: u64) -> Vec<Request> {
    let mut random = Random::seed_from_u64(seed);
    let mut requests = Vec::new();
    let Range { start, end } = timeline.storm();
    for (phase, load) in [
        (Duration::ZERO..start, Load::CALM),
        (start..end, storm),
        (end..timeline.end(), Load::CALM),
    ] {
        let Load { message, login } = load;
        let gaps = Exp::new(message + login).expect("loads are positive");
        // What is left of a gap when a phase ends may be drawn anew: the gap does not remember.
        let mut due = phase.start;
        loop {
            due += SERVICE.mul_f64(gaps.sample(&mut random));
            if due >= phase.end {
                break;
            }
            let cause = if random.random_bool(message / (message + login)) {
                Cause::Message
            } else {
                Cause::Login(Phone::any(&mut random))
            };
            let work = SERVICE.mul_f64(Exp1.sample(&mut random));
            requests.push(Request { due, cause, work });
        }
    }
    requests
}

/// Waits for an instant: asleep while it is far, awake when it is near, for sleep ends late. Does
/// not wait at all if it has passed, so whoever is late catches up.
pub(crate) fn wait_until(instant: Instant) {
    const NEAR: Duration = Duration::from_micros(200);
    loop {
        let left = instant.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        } else if left > NEAR {
            thread::sleep(left - NEAR);
        } else {
            thread::yield_now();
        }
    }
}
