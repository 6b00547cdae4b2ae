//! The event loop: clients, the balancer and the instances.

use floodwall::Draw;
use rand::{RngExt, SeedableRng};
use slab::Slab;

use crate::backend::{Begun, Job};
use crate::description::{Admission, Policy};
use crate::events::Events;
use crate::instance::Instance;
use crate::record::{Failure, Record};
use crate::rules::WallRules;
use crate::scenario::{Arrivals, Scenario};
use crate::times::{Random, Time, next_arrival, to_seconds, to_time};
use crate::wall::{ClassRule, PermitKey, rules_of};

/// Something that happens at a time.
enum Event {
    /// The next requests of a class arrive.
    Arrival {
        class: usize,
    },
    /// A user of a class has thought.
    Thought {
        class: usize,
    },
    /// A client sends its request, again or for the first time.
    Send {
        request: usize,
    },
    /// A client stops waiting for the answer to an attempt.
    Patience {
        request: usize,
        id: u64,
        attempt: u32,
    },
    /// A request is done.
    Done {
        job: Job,
        id: u64,
    },
    /// A request that shares the cores of an instance may be done.
    SharedDone {
        instance: usize,
        version: u64,
    },
    /// The curves see the utilization of this time.
    Sample,
    /// Rules or pressure change.
    Change {
        number: usize,
    },
    Outage {
        number: usize,
        step: OutageStep,
    },
}

#[derive(Clone, Copy)]
enum OutageStep {
    Begins,
    IsNoticed,
    Ends,
}

/// What a client waits for.
struct Request {
    /// Differs for each request, also for those with the same key.
    id: u64,
    class: usize,
    level: u32,
    since: Time,
    /// Seconds that it needs of a thread.
    holding: f64,
    /// Attempts so far.
    attempt: u32,
    /// Whether the client waits for an answer to the last attempt.
    is_waiting: bool,
}

/// What an instance works on.
struct Work {
    id: u64,
    instance: usize,
    class: usize,
    level: u32,
    since: Time,
    holding: f64,
    request: usize,
    request_id: u64,
    attempt: u32,
    permit: Option<PermitKey>,
    /// When a thread has begun.
    began: Option<Time>,
}

/// The random numbers of a class, one source for each purpose: with other rules, the same requests arrive.
struct Randoms {
    arrivals: Random,
    holding: Random,
    clients: Random,
}

/// A run of a scenario under rules, or without a wall.
pub(crate) struct Simulation<'a> {
    scenario: &'a Scenario,
    /// The rules with which an instance starts.
    rules: Option<WallRules>,
    /// The pressure with which an instance starts.
    pressure: f64,
    threads: u32,
    events: Events<Event>,
    requests: Slab<Request>,
    work: Slab<Work>,
    instances: Vec<Instance>,
    randoms: Vec<Randoms>,
    /// For the balancer, failures and sampled curves.
    random: Random,
    /// Retries that the budget of each class allows now.
    budgets: Vec<f64>,
    /// Rows of each trace that have arrived.
    rows: Vec<usize>,
    sampled: Option<Sampled>,
    next_id: u64,
    next_instance: usize,
    record: Record,
    /// Is called with the fraction of the run since the last call.
    progress: &'a Progress<'a>,
}

pub(crate) type Progress<'a> = dyn Fn(f64) + Sync + 'a;

/// Events between two calls.
const EVENTS_PER_PROGRESS: u64 = 1 << 16;

/// Curves that see the utilization as it was sampled.
struct Sampled {
    rules: Vec<ClassRule>,
    /// By instance.
    utilization: Vec<f64>,
}

/// Most requests, queued attempts and coming events at once. A queue of this length has needed 350 MiB.
const MOST_AT_ONCE: usize = 2_000_000;

impl<'a> Simulation<'a> {
    pub(crate) fn new(
        scenario: &'a Scenario,
        rules: Option<&WallRules>,
        threads: u32,
        seed: u64,
        progress: &'a Progress<'a>,
    ) -> Self {
        // Each source is seeded from its own number, so another class changes none of them.
        let source = |number: u64| {
            let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Random::seed_from_u64(seed.wrapping_add(number))
        };
        let randoms = (0..scenario.classes.len() as u64).map(|class| Randoms {
            arrivals: source(3 * class + 1),
            holding: source(3 * class + 2),
            clients: source(3 * class + 3),
        });
        let is_sampled = scenario.server.sample_every.is_some();
        let sampled = rules.filter(|_| is_sampled).map(|rules| Sampled {
            rules: rules_of(rules).1,
            utilization: vec![0.0; scenario.instances as usize],
        });
        let rules = match rules {
            // The simulation evaluates the curves.
            Some(rules) if is_sampled => Some(rules.without_curves()),
            rules => rules.cloned(),
        };
        let new_instance = |_| Instance::new(scenario, rules.as_ref(), threads);
        let initial_budget = |class: &crate::scenario::Class| {
            class
                .retries
                .as_ref()
                .map_or(0.0, |retries| retries.initial_budget())
        };
        Simulation {
            scenario,
            threads,
            events: Events::until(to_time(scenario.end() + scenario.cool_down)),
            requests: Slab::new(),
            work: Slab::new(),
            instances: (0..scenario.instances).map(new_instance).collect(),
            rules,
            pressure: 0.0,
            randoms: randoms.collect(),
            random: source(0),
            budgets: scenario.classes.iter().map(initial_budget).collect(),
            rows: vec![0; scenario.classes.len()],
            sampled,
            next_id: 0,
            next_instance: 0,
            record: Record::new(scenario),
            progress,
        }
    }

    /// Runs until the requests of the measured time have ended, or to a limit.
    pub(crate) fn run(mut self) -> Record {
        self.add_first_events();
        let end = to_time(self.scenario.end());
        let mut handled = 0_u64;
        let mut reported = 0.0;
        while self.events.now() < end || self.record.open > 0 {
            let Some(event) = self.events.next() else {
                break;
            };
            self.handle(event);
            handled += 1;
            self.record.events += 1;
            if handled.is_multiple_of(EVENTS_PER_PROGRESS) {
                let done = self.fraction_done(end);
                (self.progress)(done - reported);
                reported = done;
            }
            let stop = if self.record.events > self.scenario.max_events {
                "max_events"
            } else if self
                .requests
                .len()
                .max(self.work.len())
                .max(self.events.len())
                > MOST_AT_ONCE
            {
                "requests at once"
            } else {
                continue;
            };
            self.record.stopped = Some((stop, to_seconds(self.events.now())));
            break;
        }
        (self.progress)(1.0 - reported);
        let now = self.events.now();
        self.record.finish(if self.record.stopped.is_some() {
            now
        } else {
            now.max(end)
        });
        self.record
    }

    /// Returns the fraction of the run that is done, by its time or by the limit that ends it before.
    fn fraction_done(&self, end: Time) -> f64 {
        let time = self.events.now() as f64 / end as f64;
        let events = self.record.events as f64 / self.scenario.max_events as f64;
        time.max(events).min(1.0)
    }

    fn add_first_events(&mut self) {
        for (class, plan) in self.scenario.classes.iter().enumerate() {
            match plan.arrivals {
                Arrivals::Users { users, .. } => (0..users).for_each(|_| self.think(class)),
                _ => self.add_next_arrival(class),
            }
        }
        for (number, change) in self.scenario.changes.iter().enumerate() {
            self.events
                .add(to_time(change.at), Event::Change { number });
        }
        for (number, outage) in self.scenario.outages.iter().enumerate() {
            let mut add = |seconds, step| {
                let event = Event::Outage { number, step };
                self.events.add(to_time(seconds), event);
            };
            let (from, noticed_after) = (outage.from.get(), outage.noticed_after.get());
            add(from, OutageStep::Begins);
            add(from + noticed_after, OutageStep::IsNoticed);
            if let Some(to) = outage.to {
                add(to.get(), OutageStep::Ends);
            }
        }
        self.add_next_sample();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival { class } => {
                self.arrive(class);
                self.add_next_arrival(class);
            }
            Event::Thought { class } => self.new_request(class, None),
            Event::Send { request } => self.send(request),
            Event::Patience {
                request,
                id,
                attempt,
            } => {
                let is_waiting = |request: &Request| {
                    request.id == id && request.attempt == attempt && request.is_waiting
                };
                if self.requests.get(request).is_some_and(is_waiting) {
                    self.fail(request, Failure::TimedOut);
                }
            }
            Event::Done { job, id } => {
                // The instance may have crashed in the meantime.
                if self.work.get(job).is_some_and(|work| work.id == id) {
                    self.done(job);
                }
            }
            Event::SharedDone { instance, version } => {
                if self.instances[instance].version == version {
                    self.shared_done(instance);
                }
            }
            Event::Sample => {
                if let Some(sampled) = &mut self.sampled {
                    sampled.utilization =
                        self.instances.iter().map(Instance::utilization).collect();
                }
                self.add_next_sample();
            }
            Event::Change { number } => self.change(number),
            Event::Outage { number, step } => self.outage(number, step),
        }
    }
}

// Clients

impl Simulation<'_> {
    fn add_next_arrival(&mut self, class: usize) {
        let now = self.events.now();
        let at = match &self.scenario.classes[class].arrivals {
            Arrivals::Rate { rate, spacing, .. } => {
                let random = &mut self.randoms[class].arrivals;
                next_arrival(rate, *spacing, to_seconds(now), random)
            }
            Arrivals::Trace(rows) => rows.get(self.rows[class]).map(|row| row.time),
            Arrivals::Users { .. } => None,
        };
        if let Some(at) = at {
            self.events
                .add(to_time(at).max(now), Event::Arrival { class });
        }
    }

    fn arrive(&mut self, class: usize) {
        match &self.scenario.classes[class].arrivals {
            Arrivals::Rate { burst, .. } => (0..*burst).for_each(|_| self.new_request(class, None)),
            Arrivals::Trace(rows) => {
                let row = rows[self.rows[class]];
                self.rows[class] += 1;
                self.new_request(class, row.holding);
            }
            Arrivals::Users { .. } => unreachable!("users think"),
        }
    }

    fn think(&mut self, class: usize) {
        let Arrivals::Users { think, .. } = &self.scenario.classes[class].arrivals else {
            return;
        };
        let seconds = think.sample(&mut self.randoms[class].arrivals);
        self.events
            .add_in(to_time(seconds), Event::Thought { class });
    }

    fn new_request(&mut self, class: usize, holding: Option<f64>) {
        let plan = &self.scenario.classes[class];
        let random = &mut self.randoms[class].holding;
        let holding = holding.unwrap_or_else(|| plan.holding.sample(random));
        let level = match plan.levels {
            1 => 0,
            levels => random.random_range(0..levels),
        };
        if let Some(retries) = &plan.retries {
            self.budgets[class] = retries.deposited(self.budgets[class]);
        }
        let since = self.events.now();
        let request = self.requests.insert(Request {
            id: self.next_id,
            class,
            level,
            since,
            holding,
            attempt: 0,
            is_waiting: false,
        });
        self.next_id += 1;
        self.record.offered(class, level, since);
        self.send(request);
    }

    fn send(&mut self, request: usize) {
        let now = self.events.now();
        let sent = &mut self.requests[request];
        sent.attempt += 1;
        sent.is_waiting = true;
        let Request {
            id,
            class,
            since,
            attempt,
            ..
        } = *sent;
        self.record.attempt(class, since, now);
        if let Some(patience) = self.scenario.classes[class].patience {
            let event = Event::Patience {
                request,
                id,
                attempt,
            };
            self.events.add_in(to_time(patience), event);
        }
        match self.choose_instance() {
            Some(instance) if self.instances[instance].is_up => self.receive(instance, request),
            _ => self.fail(request, Failure::Down),
        }
    }

    /// A client has an answer that is no good one, or has stopped waiting.
    fn fail(&mut self, request: usize, failure: Failure) {
        let failed = &mut self.requests[request];
        failed.is_waiting = false;
        let (class, since) = (failed.class, failed.since);
        self.record.failed(class, failure, since);
        if let Some(retries) = &self.scenario.classes[class].retries
            && failed.attempt <= retries.most
            && self.budgets[class] >= 1.0
        {
            self.budgets[class] -= 1.0;
            let random = &mut self.randoms[class].clients;
            let mut delay = retries.delay(failed.attempt, random);
            if let (Failure::Rejected(_), true, Some(range)) = (
                failure,
                retries.honors_retry_after,
                self.scenario.server.retry_after,
            ) {
                delay = delay.max(random.random_range(range.from..=range.to));
            }
            self.events.add_in(to_time(delay), Event::Send { request });
            return;
        }
        self.record.lost(class, since);
        self.leave(request);
    }

    /// A request has ended. Its user thinks of the next one.
    fn leave(&mut self, request: usize) {
        let class = self.requests.remove(request).class;
        self.think(class);
    }

    /// Returns whether a client waits for the answer to this work.
    fn is_awaited(&self, work: &Work) -> bool {
        let request = self.requests.get(work.request);
        request.is_some_and(|request| {
            request.id == work.request_id && request.attempt == work.attempt && request.is_waiting
        })
    }
}

// Servers

impl Simulation<'_> {
    fn choose_instance(&mut self) -> Option<usize> {
        let instances = &self.instances;
        let up = || (0..instances.len()).filter(|&index| instances[index].is_seen_up);
        let count = up().count();
        if count <= 1 {
            return up().next();
        }
        let random = &mut self.random;
        let mut any = || up().nth(random.random_range(..count));
        match self.scenario.policy {
            Policy::Random => any(),
            Policy::BestOfTwo => {
                let (one, other) = (any()?, any()?);
                let is_better = instances[other].in_flight < instances[one].in_flight;
                Some(if is_better { other } else { one })
            }
            Policy::LeastInFlight => up().min_by_key(|&index| instances[index].in_flight),
            Policy::RoundRobin => {
                let next = self.next_instance % count;
                self.next_instance += 1;
                up().nth(next)
            }
        }
    }

    fn receive(&mut self, instance: usize, request: usize) {
        let Request {
            id,
            class,
            level,
            since,
            holding,
            attempt,
            ..
        } = self.requests[request];
        let job = self.work.insert(Work {
            id: self.next_id,
            instance,
            class,
            level,
            since,
            holding,
            request,
            request_id: id,
            attempt,
            permit: None,
            began: None,
        });
        self.next_id += 1;
        self.instances[instance].in_flight += 1;
        let is_admitted_first = self.scenario.server.admission == Admission::Accept;
        if is_admitted_first && !self.admit(job) {
            return;
        }
        if self.instances[instance].has_free_thread() {
            if is_admitted_first || self.admit(job) {
                self.start(job);
            }
        } else if self.instances[instance].queue.is_full() {
            self.answer(job, Some(Failure::QueueFull));
        } else {
            let now = self.events.now();
            self.instances[instance].queue.push(job, now);
        }
    }

    /// Admits a request, or answers its rejection.
    fn admit(&mut self, job: Job) -> bool {
        let Work {
            class,
            level,
            instance,
            since,
            ..
        } = self.work[job];
        match self.try_admit(class, level, instance) {
            Ok(permit) => self.work[job].permit = permit,
            Err(reason) => {
                self.answer(job, Some(Failure::Rejected(reason)));
                return false;
            }
        }
        self.record.admitted(class, since, self.events.now());
        self.note_utilization(instance);
        true
    }

    fn try_admit(
        &mut self,
        class: usize,
        level: u32,
        instance: usize,
    ) -> Result<Option<PermitKey>, &'static str> {
        let Some(wall) = &mut self.instances[instance].wall else {
            return Ok(None);
        };
        let plan = &self.scenario.classes[class];
        // Not the wall's own samples, which depend on the thread. Those of the lowest level are the lowest, and a curve
        // sheds them first.
        let uniform: f64 = self.random.random();
        let sample = (f64::from(level) + uniform) / f64::from(plan.levels);
        let draw = Draw::from((sample * 2_f64.powi(32)) as u32);
        if let Some(sampled) = &self.sampled {
            let rule = sampled.rules[class];
            let probability = rule.curve.probability(sampled.utilization[instance]);
            let in_use = wall.in_use(class).saturating_add(plan.permits);
            let borrows = in_use > rule.share.guarantee();
            if borrows && sample < probability {
                return Err("shed");
            }
        }
        match wall.admit(class, plan.permits, draw) {
            Ok(permit) => Ok(Some(permit)),
            Err(reason) => Err(reason.name()),
        }
    }

    fn start(&mut self, job: Job) {
        let now = self.events.now();
        let work = &mut self.work[job];
        work.began = Some(now);
        let (instance, class) = (work.instance, work.class);
        self.record.begun(work.since);
        let seconds = work.holding * self.scenario.backend.slowness(class, to_seconds(now));
        self.instances[instance].busy += 1;
        self.note_utilization(instance);
        self.begin(instance, job, class, seconds);
    }

    fn note_utilization(&mut self, instance: usize) {
        let utilization = self.instances[instance].utilization();
        self.record
            .utilization(instance, utilization, self.events.now());
    }

    fn add_next_sample(&mut self) {
        if let (Some(seconds), Some(_)) = (self.scenario.server.sample_every, &self.sampled) {
            self.events.add_in(to_time(seconds).max(1), Event::Sample);
        }
    }

    fn begin(&mut self, instance: usize, job: Job, class: usize, seconds: f64) {
        let now = self.events.now();
        let id = self.work[job].id;
        match self.instances[instance]
            .backend
            .begin(now, job, class, seconds)
        {
            Begun::Until(at) => self.events.add(at, Event::Done { job, id }),
            Begun::Shared => self.add_shared_done(instance),
            Begun::Waits => {}
        }
    }

    fn add_shared_done(&mut self, instance: usize) {
        let now = self.events.now();
        let changed = &mut self.instances[instance];
        changed.version += 1;
        if let Some(at) = changed.backend.next_done(now) {
            let version = changed.version;
            self.events.add(at, Event::SharedDone { instance, version });
        }
    }

    fn shared_done(&mut self, instance: usize) {
        let now = self.events.now();
        while let Some(job) = self.instances[instance].backend.take_done(now) {
            self.done(job);
        }
        self.add_shared_done(instance);
    }

    /// A handler has returned.
    fn done(&mut self, job: Job) {
        let Work {
            instance, class, ..
        } = self.work[job];
        self.instances[instance].busy -= 1;
        if let Some((next, seconds)) = self.instances[instance].backend.end(class) {
            self.begin(instance, next, class, seconds);
        }
        let probability = self
            .scenario
            .backend
            .failure(class, to_seconds(self.events.now()));
        let fails = probability > 0.0 && self.random.random::<f64>() < probability;
        self.answer(job, fails.then_some(Failure::Failed));
        self.take_from_queue(instance);
    }

    fn take_from_queue(&mut self, instance: usize) {
        let now = self.events.now();
        while self.instances[instance].has_free_thread()
            && let Some((job, is_dropped)) = self.instances[instance].queue.take(now)
        {
            if is_dropped {
                self.answer(job, Some(Failure::Dropped));
            } else if self.scenario.server.admission != Admission::Worker || self.admit(job) {
                self.start(job);
            }
        }
    }

    /// Releases the permit of a request and sends its answer, if its client still waits for it.
    fn answer(&mut self, job: Job, failure: Option<Failure>) {
        let now = self.events.now();
        let work = self.work.remove(job);
        let instance = &mut self.instances[work.instance];
        instance.in_flight -= 1;
        if let (Some(permit), Some(wall)) = (work.permit, &mut instance.wall) {
            wall.release(permit);
        }
        self.note_utilization(work.instance);
        let is_awaited = self.is_awaited(&work);
        if let Some(began) = work.began {
            let is_good = is_awaited && failure.is_none();
            self.record
                .busy(work.class, work.since, now - began, is_good);
        }
        match failure {
            _ if !is_awaited => {}
            Some(failure) => self.fail(work.request, failure),
            None => {
                self.record.good(work.class, work.level, work.since, now);
                self.leave(work.request);
            }
        }
    }

    fn change(&mut self, number: usize) {
        let change = &self.scenario.changes[number];
        if let (Some(rules), Some(_)) = (&change.rules, &self.rules) {
            let mut rules = rules.clone();
            if let Some(sampled) = &mut self.sampled {
                sampled.rules = rules_of(&rules).1;
                rules = rules.without_curves();
            }
            // An instance that starts later has them, too.
            self.rules = Some(rules);
        }
        self.pressure = change.pressure.unwrap_or(self.pressure);
        for wall in self
            .instances
            .iter_mut()
            .filter_map(|instance| instance.wall.as_mut())
        {
            if let (Some(_), Some(rules)) = (&change.rules, &self.rules) {
                wall.set_rules(rules);
            }
            if let Some(pressure) = change.pressure {
                wall.set_pressure(pressure);
            }
        }
    }

    fn outage(&mut self, number: usize, step: OutageStep) {
        let index = self.scenario.outages[number].instance.get_ref().get() as usize;
        match step {
            OutageStep::IsNoticed => self.instances[index].is_seen_up = self.instances[index].is_up,
            OutageStep::Ends => {
                self.instances[index].is_up = true;
                self.instances[index].is_seen_up = true;
            }
            OutageStep::Begins => {
                let is_here = |(job, work): (Job, &Work)| (work.instance == index).then_some(job);
                let lost: Vec<Job> = self.work.iter().filter_map(is_here).collect();
                // Its permits are gone with its wall.
                let version = self.instances[index].version + 1;
                self.instances[index] =
                    Instance::new(self.scenario, self.rules.as_ref(), self.threads);
                self.instances[index].version = version;
                if let Some(wall) = &mut self.instances[index].wall {
                    wall.set_pressure(self.pressure);
                }
                self.instances[index].is_up = false;
                self.note_utilization(index);
                for job in lost {
                    let work = self.work.remove(job);
                    if let Some(began) = work.began {
                        let busy = self.events.now() - began;
                        self.record.busy(work.class, work.since, busy, false);
                    }
                    if self.is_awaited(&work) {
                        self.fail(work.request, Failure::Down);
                    }
                }
            }
        }
    }
}
