//! The scenarios: the incidents, the servers, and the exact success shares.

use std::time::Duration;

use floodwall::{Curve, Floodwall, Share, classes};
use floodwall_theory::{Ramp, Stream, birth_death, chain, erlang_b, product_form};

use crate::server::{CAPACITY, Policy};
use crate::traffic::{Cause, Load, Phone, Request};

classes! {
    /// The kinds of request.
    pub(crate) enum Kind { Message = "message", Login = "background login" }
}

/// 2017: both classes may use every thread; background logins are shed as utilization rises.
static SHEDDING: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_most(CAPACITY)),
        Kind::Login.rule(Share::at_most(CAPACITY)).shed(SHED),
    ],
);

/// After 2020: half of the threads for each class.
static HALVES: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::exactly(50)),
        Kind::Login.rule(Share::exactly(50)),
    ],
);

/// One wall for every incident: guarantees, and a curve on borrowed permits.
static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login.rule(Share::between(20, 50)).shed(SHED),
    ],
);

/// The control: the same wall without its curve, to show the effect of the curve.
static CONTROL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login.rule(Share::between(20, 50)),
    ],
);

/// `lo` and `hi` of the curve: no background login is shed below the first utilization, and all are
/// shed from the second on.
pub(crate) const RAMP: (f64, f64) = (0.6, 0.8);
const SHED: Curve = Curve::linear(RAMP.0, RAMP.1);

classes! {
    /// The kinds of request, with logins classified by the use of the phone.
    pub(crate) enum KindByUse {
        Message = "message",
        UserLogin = "user login",
        BackgroundLogin = "background login",
    }
}

/// No guarantees; only logins from phones that are not in use are shed.
static BY_USE: Floodwall<KindByUse> = Floodwall::new(
    CAPACITY,
    &[
        KindByUse::Message.rule(Share::at_most(CAPACITY)),
        KindByUse::UserLogin.rule(Share::at_most(CAPACITY)),
        KindByUse::BackgroundLogin
            .rule(Share::at_most(CAPACITY))
            .shed(SHED),
    ],
);

impl From<&Request> for Kind {
    fn from(request: &Request) -> Self {
        match request.cause {
            Cause::Message => Kind::Message,
            Cause::Login(_) => Kind::Login,
        }
    }
}

impl From<&Request> for KindByUse {
    fn from(request: &Request) -> Self {
        match &request.cause {
            Cause::Message => KindByUse::Message,
            Cause::Login(phone) if is_in_use(phone) => KindByUse::UserLogin,
            Cause::Login(_) => KindByUse::BackgroundLogin,
        }
    }
}

/// Returns `true` if the phone woke, was unlocked, and has been used since.
fn is_in_use(phone: &Phone) -> bool {
    phone.woke && phone.unlocked && phone.used >= Duration::from_secs(3)
}

/// A storm and a server: one row of the table.
pub(crate) struct Scenario<C: 'static> {
    /// Unique; the file name of the chart.
    pub(crate) name: &'static str,
    pub(crate) incident: &'static str,
    pub(crate) storm: Storm,
    pub(crate) design: &'static Design<C>,
}

/// The load between the two phases of normal load.
#[derive(Clone, Copy)]
pub(crate) struct Storm {
    pub(crate) name: &'static str,
    pub(crate) size: &'static str,
    pub(crate) load: Load,
}

/// The design of a server.
pub(crate) struct Design<C: 'static> {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy<C>,
    /// The requests that the curve sheds.
    pub(crate) sheds: Option<&'static str>,
    /// The exact success share of each class; `None` if there is no steady state.
    pub(crate) exact: Option<fn(Load) -> Vec<f64>>,
}

const NORMAL: Storm = Storm {
    name: "normal load",
    size: "a normal load of 50 erlangs",
    load: Load::NORMAL,
};
const LOGINS: Storm = Storm {
    name: "login storm",
    size: "a login storm of 400 erlangs",
    load: Load::new(40.0, 400.0),
};
const MESSAGES: Storm = Storm {
    name: "message flood",
    size: "a message flood of 400 erlangs",
    load: Load::new(400.0, 10.0),
};
const BOTH: Storm = Storm {
    name: "both at once",
    size: "400 erlangs each of logins and messages",
    load: Load::new(400.0, 400.0),
};

static WITH_QUEUE: Design<Kind> = Design {
    name: "an unbounded queue",
    policy: Policy::Queue,
    sheds: None,
    exact: None,
};

static WITHOUT_QUEUE: Design<Kind> = Design {
    name: "no queue, no wall",
    policy: Policy::NoQueue,
    sheds: None,
    exact: Some(|load| vec![erlang_b(load.message + load.login, CAPACITY); 2]),
};

static OF_2017: Design<Kind> = Design {
    name: "background logins shed",
    policy: Policy::Wall(&SHEDDING),
    sheds: Some("logins"),
    exact: Some(|load| {
        let message = Stream::new(load.message, 0..=CAPACITY, Ramp::NEVER);
        let login = Stream::new(load.login, 0..=CAPACITY, BY_RAMP);
        birth_death(CAPACITY, &[message, login]).admitted
    }),
};

static AFTER_2020: Design<Kind> = Design {
    name: "exactly 50 threads each",
    policy: Policy::Wall(&HALVES),
    sheds: None,
    exact: Some(|load| vec![erlang_b(load.message, 50), erlang_b(load.login, 50)]),
};

static ONE_WALL: Design<Kind> = Design {
    name: "one wall",
    policy: Policy::Wall(&WALL),
    sheds: Some("borrowing"),
    exact: Some(|load| {
        let message = Stream::new(load.message, 50..=CAPACITY, Ramp::NEVER);
        let login = Stream::new(load.login, 20..=50, BY_RAMP);
        chain(CAPACITY, &[message, login]).admitted
    }),
};

static WITHOUT_CURVE: Design<Kind> = Design {
    name: "one wall without a curve",
    policy: Policy::Wall(&CONTROL),
    sheds: None,
    exact: Some(|load| {
        let message = Stream::new(load.message, 50..=CAPACITY, Ramp::NEVER);
        let login = Stream::new(load.login, 20..=50, Ramp::NEVER);
        product_form(CAPACITY, &[message, login]).admitted
    }),
};

static SHED_BY_USE: Design<KindByUse> = Design {
    name: "logins of unused phones shed",
    policy: Policy::Wall(&BY_USE),
    sheds: Some("logins"),
    exact: Some(|load| {
        let in_use = load.login * Phone::IN_USE;
        let message = Stream::new(load.message, 0..=CAPACITY, Ramp::NEVER);
        let user = Stream::new(in_use, 0..=CAPACITY, Ramp::NEVER);
        let background = Stream::new(load.login - in_use, 0..=CAPACITY, BY_RAMP);
        birth_death(CAPACITY, &[message, user, background]).admitted
    }),
};

/// [`SHED`], as theory takes it.
const BY_RAMP: Ramp = Ramp::linear(RAMP.0, RAMP.1);

/// The control must differ measurably from this scenario.
pub(crate) const WALL_SCENARIO: &str = "2016-wall";
pub(crate) const CONTROL_SCENARIO: &str = "2016-control";

/// Returns all scenarios with the classes of [`Kind`].
pub(crate) fn scenarios() -> Vec<Scenario<Kind>> {
    let scenarios: [(_, _, _, &'static Design<Kind>); 10] = [
        ("2016-queue", "2016", LOGINS, &WITH_QUEUE),
        ("2016-no-queue", "2016", LOGINS, &WITHOUT_QUEUE),
        ("2017-shedding", "2017", LOGINS, &OF_2017),
        ("2020-shedding", "2020", MESSAGES, &OF_2017),
        ("2020-halves", "2020", MESSAGES, &AFTER_2020),
        ("normal-wall", "normal load", NORMAL, &ONE_WALL),
        (WALL_SCENARIO, "2016", LOGINS, &ONE_WALL),
        (CONTROL_SCENARIO, "2016, control", LOGINS, &WITHOUT_CURVE),
        ("2020-wall", "2020", MESSAGES, &ONE_WALL),
        ("both-wall", "both", BOTH, &ONE_WALL),
    ];
    let scenario = |(name, incident, storm, design)| Scenario {
        name,
        incident,
        storm,
        design,
    };
    scenarios.map(scenario).into()
}

/// The scenario that classifies logins by the use of the phone.
pub(crate) static PHONE_USE: Scenario<KindByUse> = Scenario {
    name: "phone-use",
    incident: "phone use",
    storm: LOGINS,
    design: &SHED_BY_USE,
};
