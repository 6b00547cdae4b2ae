//! One instance of the server: its wall, its queue, its threads and its backend.

use std::collections::VecDeque;

use crate::backend::{Backend, Job};
use crate::description::{Codel, Order};
use crate::rules::WallRules;
use crate::scenario::Scenario;
use crate::times::{Time, to_time};
use crate::wall::{Wall, new_wall};

pub(crate) struct Instance {
    /// Without a wall, every request is admitted.
    pub(crate) wall: Option<Box<dyn Wall>>,
    pub(crate) backend: Backend,
    pub(crate) threads: u32,
    /// Threads that work on a request or wait for the backend.
    pub(crate) busy: u32,
    pub(crate) queue: WaitingJobs,
    /// Requests that it has received and not answered.
    pub(crate) in_flight: u32,
    pub(crate) is_up: bool,
    /// What the balancer thinks.
    pub(crate) is_seen_up: bool,
    /// Counts changes of the backend: an event of an older version is void.
    pub(crate) version: u64,
}

impl Instance {
    pub(crate) fn new(scenario: &Scenario, rules: Option<&WallRules>, threads: u32) -> Instance {
        let server = &scenario.server;
        Instance {
            wall: rules.map(new_wall),
            backend: Backend::new(scenario.backend.cores, &scenario.backend.limits),
            threads,
            busy: 0,
            queue: WaitingJobs::new(server.queue_limit, server.queue_order, server.codel),
            in_flight: 0,
            is_up: true,
            is_seen_up: true,
            version: 0,
        }
    }

    /// Returns the utilization of the wall, or that of the threads without one.
    pub(crate) fn utilization(&self) -> f64 {
        match &self.wall {
            Some(wall) => wall.utilization(),
            None => f64::from(self.busy) / f64::from(self.threads),
        }
    }

    pub(crate) fn has_free_thread(&self) -> bool {
        self.busy < self.threads
    }
}

/// Requests that wait for a thread.
pub(crate) struct WaitingJobs {
    jobs: VecDeque<(Job, Time)>,
    limit: Option<u32>,
    order: Order,
    codel: Option<CodelState>,
}

impl WaitingJobs {
    pub(crate) fn new(limit: Option<u32>, order: Order, codel: Option<Codel>) -> Self {
        WaitingJobs {
            jobs: VecDeque::new(),
            limit,
            order,
            codel: codel.map(CodelState::new),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.jobs.len() >= limit as usize)
    }

    pub(crate) fn push(&mut self, job: Job, now: Time) {
        self.jobs.push_back((job, now));
    }

    /// Takes the next request, and whether it is dropped because it has waited for too long.
    pub(crate) fn take(&mut self, now: Time) -> Option<(Job, bool)> {
        let (job, since) = match self.order {
            Order::Fifo => self.jobs.pop_front()?,
            Order::Lifo => self.jobs.pop_back()?,
        };
        let is_empty = self.jobs.is_empty();
        let is_dropped = self
            .codel
            .as_mut()
            .is_some_and(|codel| codel.drops(now, now - since, is_empty));
        Some((job, is_dropped))
    }
}

/// The control law of RFC 8289, section 5, for requests in place of packets.
struct CodelState {
    target: Time,
    interval: Time,
    /// When the delay has been above the target for an interval.
    first_above: Option<Time>,
    dropping: bool,
    drop_next: Time,
    count: u32,
    last_count: u32,
}

impl CodelState {
    fn new(codel: Codel) -> Self {
        CodelState {
            target: to_time(codel.target.get()),
            interval: to_time(codel.interval.get()),
            first_above: None,
            dropping: false,
            drop_next: 0,
            count: 0,
            last_count: 0,
        }
    }

    /// Returns whether the delay has not been below the target for a whole interval.
    fn is_above(&mut self, now: Time, delay: Time, is_empty: bool) -> bool {
        if delay < self.target || is_empty {
            self.first_above = None;
            return false;
        }
        let since = *self
            .first_above
            .get_or_insert(now.saturating_add(self.interval));
        now >= since
    }

    fn control_law(&self, time: Time) -> Time {
        time.saturating_add((self.interval as f64 / f64::from(self.count).sqrt()) as Time)
    }

    fn drops(&mut self, now: Time, delay: Time, is_empty: bool) -> bool {
        let is_above = self.is_above(now, delay, is_empty);
        if !self.dropping {
            if !is_above {
                return false;
            }
            self.dropping = true;
            // Begins near the rate at which it stopped, if that was a short while ago.
            let recent = self.count - self.last_count;
            let is_recent = now.saturating_sub(self.drop_next) < self.interval.saturating_mul(16);
            self.count = if recent > 1 && is_recent { recent } else { 1 };
            self.last_count = self.count;
            self.drop_next = self.control_law(now);
            return true;
        }
        if !is_above {
            self.dropping = false;
            return false;
        }
        if now < self.drop_next {
            return false;
        }
        self.count += 1;
        self.drop_next = self.control_law(self.drop_next);
        true
    }
}
