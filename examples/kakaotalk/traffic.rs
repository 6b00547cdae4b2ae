//! Open-loop traffic: arrivals do not depend on earlier requests or on the server.

use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::Xoshiro256PlusPlus as Random;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp, Exp1};

/// The mean time that a handler waits for its backend.
pub(crate) const SERVICE: Duration = Duration::from_millis(50);

/// Offered load in erlangs: the mean number of concurrent requests if all were admitted.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) message: f64,
    pub(crate) login: f64,
}

impl Load {
    pub(crate) const NORMAL: Load = Load::new(40.0, 10.0);

    pub(crate) const fn new(message: f64, login: f64) -> Load {
        Load { message, login }
    }
}

/// The durations of normal load, storm and recovery.
#[derive(Clone, Copy)]
pub(crate) struct Timeline {
    pub(crate) normal: Duration,
    storm: Duration,
    recovery: Duration,
}

impl Timeline {
    pub(crate) const FULL: Timeline = Timeline {
        normal: Duration::from_millis(2000),
        storm: Duration::from_millis(6500),
        recovery: Duration::from_millis(2000),
    };
    pub(crate) const QUICK: Timeline = Timeline {
        normal: Duration::from_millis(200),
        storm: Duration::from_millis(700),
        recovery: Duration::from_millis(200),
    };
    /// After five mean service times, fewer than 1 % of earlier requests are still in service.
    const WARM_UP: Duration = SERVICE.saturating_mul(5);

    pub(crate) fn storm(&self) -> Range<Duration> {
        self.normal..self.normal + self.storm
    }

    /// Returns the steady part of the storm, in which shares are measured.
    pub(crate) fn measured(&self) -> Range<Duration> {
        let Range { start, end } = self.storm();
        start + Self::WARM_UP..end
    }

    pub(crate) fn end(&self) -> Duration {
        self.normal + self.storm + self.recovery
    }
}

/// A request to the server.
pub(crate) struct Request {
    /// The arrival time since the start of the run.
    pub(crate) due: Duration,
    pub(crate) cause: Cause,
    /// How long its handler waits for a backend.
    pub(crate) work: Duration,
}

/// The cause of a request.
pub(crate) enum Cause {
    /// A user sent a message.
    Message,
    /// A phone logged in automatically.
    Login(Phone),
}

/// The state of a phone at login.
pub(crate) struct Phone {
    /// The alert woke the phone.
    pub(crate) woke: bool,
    /// The phone was unlocked after it woke.
    pub(crate) unlocked: bool,
    /// How long the phone was used after it was unlocked.
    pub(crate) used: Duration,
}

impl Phone {
    /// The share of phones that were unlocked and used for 3 s or more.
    pub(crate) const IN_USE: f64 = 0.05;

    /// Samples a phone: one in five is unlocked, with a time of use uniform between 0 s and 4 s.
    fn sample(random: &mut Random) -> Phone {
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

/// Returns the requests of one run, sorted by arrival time: Poisson arrivals at the rate of normal
/// load, then of `storm`, then of normal load again.
pub(crate) fn requests(timeline: Timeline, storm: Load, seed: u64) -> Vec<Request> {
    let mut random = Random::seed_from_u64(seed);
    let mut requests = Vec::new();
    let Range { start, end } = timeline.storm();
    for (phase, load) in [
        (Duration::ZERO..start, Load::NORMAL),
        (start..end, storm),
        (end..timeline.end(), Load::NORMAL),
    ] {
        let Load { message, login } = load;
        let gaps = Exp::new(message + login).expect("loads are positive");
        // Exponential gaps are memoryless, so a phase may start with a new gap.
        let mut due = phase.start;
        loop {
            due += SERVICE.mul_f64(gaps.sample(&mut random));
            if due >= phase.end {
                break;
            }
            let cause = if random.random_bool(message / (message + login)) {
                Cause::Message
            } else {
                Cause::Login(Phone::sample(&mut random))
            };
            let work = SERVICE.mul_f64(Exp1.sample(&mut random));
            requests.push(Request { due, cause, work });
        }
    }
    requests
}

/// Waits for an instant. Sleeps until shortly before it, then yields, because sleeping overruns.
/// Returns at once if the instant has passed, so a late sender catches up.
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
