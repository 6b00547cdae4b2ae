//! What handlers wait for: independent calls, or cores that all requests share.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::times::{Time, to_time};

/// A request's number in the simulation.
pub(crate) type Job = usize;

/// The backend of one instance. It says when the next request is done; it has no events of its own.
pub(crate) struct Backend {
    sharing: Option<Sharing>,
    classes: Vec<ClassLimit>,
}

/// Most requests of a class at once, and those that wait.
struct ClassLimit {
    limit: u32,
    running: u32,
    waiting: VecDeque<(Job, f64)>,
}

/// What happens to a request that begins.
pub(crate) enum Begun {
    /// It is done at this time.
    Until(Time),
    /// It shares the cores: [`Backend::next_done`] has changed.
    Shared,
    /// It waits for another one of its class.
    Waits,
}

impl Backend {
    pub(crate) fn new(cores: Option<u32>, limits: &[Option<u32>]) -> Backend {
        let classes = limits.iter().map(|limit| ClassLimit {
            limit: limit.unwrap_or(u32::MAX),
            running: 0,
            waiting: VecDeque::new(),
        });
        Backend {
            sharing: cores.map(Sharing::new),
            classes: classes.collect(),
        }
    }

    /// Begins a request that needs this number of seconds if it runs alone.
    pub(crate) fn begin(&mut self, now: Time, job: Job, class: usize, seconds: f64) -> Begun {
        let of_class = &mut self.classes[class];
        if of_class.running == of_class.limit {
            of_class.waiting.push_back((job, seconds));
            return Begun::Waits;
        }
        of_class.running += 1;
        match &mut self.sharing {
            None => Begun::Until(now.saturating_add(to_time(seconds))),
            Some(sharing) => {
                sharing.begin(now, job, seconds);
                Begun::Shared
            }
        }
    }

    /// Ends a request of a class. Returns the one that waited for it, to begin now.
    pub(crate) fn end(&mut self, class: usize) -> Option<(Job, f64)> {
        let of_class = &mut self.classes[class];
        of_class.running -= 1;
        of_class.waiting.pop_front()
    }

    /// Returns when the next of the requests that share the cores is done, if nothing changes before.
    pub(crate) fn next_done(&self, now: Time) -> Option<Time> {
        self.sharing.as_ref()?.next_done(now)
    }

    /// Takes a request that shares the cores and is done.
    pub(crate) fn take_done(&mut self, now: Time) -> Option<Job> {
        self.sharing.as_mut()?.take_done(now)
    }
}

/// Processor sharing: n requests on k cores each run at the rate min(1, k / n).
///
/// Each request is done when the work that a request would have got since the beginning reaches its own target, so a
/// change of the rate changes no order.
struct Sharing {
    cores: f64,
    /// Seconds of work that a request that was always there would have got.
    attained: f64,
    since: Time,
    /// Targets, in nanoseconds of attained work.
    targets: BinaryHeap<Reverse<(Time, Job)>>,
}

impl Sharing {
    fn new(cores: u32) -> Sharing {
        Sharing {
            cores: f64::from(cores),
            attained: 0.0,
            since: 0,
            targets: BinaryHeap::new(),
        }
    }

    fn rate(&self) -> f64 {
        (self.cores / self.targets.len() as f64).min(1.0)
    }

    fn advance(&mut self, now: Time) {
        if !self.targets.is_empty() {
            self.attained += (now - self.since) as f64 * self.rate();
        }
        self.since = now;
    }

    fn begin(&mut self, now: Time, job: Job, seconds: f64) {
        self.advance(now);
        let target = (self.attained as Time).saturating_add(to_time(seconds));
        self.targets.push(Reverse((target, job)));
    }

    fn next_done(&self, now: Time) -> Option<Time> {
        let Reverse((target, _)) = self.targets.peek()?;
        let attained = self.attained + (now - self.since) as f64 * self.rate();
        let left = (*target as f64 - attained).max(0.0) / self.rate();
        Some(now.saturating_add(left.ceil() as Time))
    }

    fn take_done(&mut self, now: Time) -> Option<Job> {
        self.advance(now);
        let Reverse((target, job)) = *self.targets.peek()?;
        // Half a nanosecond for what rounding has lost.
        (target as f64 <= self.attained + 0.5).then(|| {
            self.targets.pop();
            job
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_share_cores_slow_each_other_down() {
        let second = to_time(1.0);
        let mut backend = Backend::new(Some(2), &[None]);
        for job in 0..4 {
            assert!(matches!(backend.begin(0, job, 0, 1.0), Begun::Shared));
        }
        // Four on two cores take twice as long.
        assert_eq!(backend.next_done(0), Some(2 * second));
        // After one second each has half a second of work left, and a fifth begins.
        backend.begin(second, 4, 0, 0.1);
        assert_eq!(backend.next_done(second), Some(second + second / 4));
        assert_eq!(backend.take_done(second + second / 4), Some(4));
        assert_eq!(backend.take_done(second + second / 4), None);
        // 0.4 seconds of work are left for each of four.
        let end = second + second / 4 + second * 8 / 10;
        assert_eq!(backend.next_done(second + second / 4), Some(end));
        for job in 0..4 {
            assert_eq!(backend.take_done(end), Some(job));
        }
        assert_eq!(backend.next_done(end), None);
    }

    #[test]
    fn requests_beyond_the_limit_of_a_class_wait() {
        let mut backend = Backend::new(None, &[Some(1), None]);
        assert!(matches!(backend.begin(5, 0, 0, 2e-9), Begun::Until(7)));
        assert!(matches!(backend.begin(5, 1, 0, 3e-9), Begun::Waits));
        assert!(matches!(backend.begin(5, 2, 1, 2e-9), Begun::Until(7)));
        assert_eq!(backend.end(1), None);
        assert_eq!(backend.end(0), Some((1, 3e-9)));
        assert!(matches!(backend.begin(7, 1, 0, 3e-9), Begun::Until(10)));
    }
}
