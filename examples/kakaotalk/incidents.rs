//! The incidents, the servers that met them or would have, and what theory says of each.

use std::time::Duration;

use floodwall::{Curve, Floodwall, Share, classes};

use crate::server::{CAPACITY, Door};
use crate::theory::{Ramp, Stream, birth_death, chain, erlang_b, product_form};
use crate::traffic::{Cause, Load, Phone, Request};

classes! {
    /// What kinds of request there are.
    pub(crate) enum Kind { Message = "message", Login = "background login" }
}

/// 2017: anybody may have every thread, but background logins are shed as threads fill up.
static SHEDDING: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_most(CAPACITY)),
        Kind::Login.rule(Share::at_most(CAPACITY)).shed(SHED),
    ],
);

/// After 2020: half of the threads for each.
static HALVES: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::exactly(50)),
        Kind::Login.rule(Share::exactly(50)),
    ],
);

/// One wall for every incident: guarantees, and a curve on what is borrowed.
static WALL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login.rule(Share::between(20, 50)).shed(SHED),
    ],
);

/// The same wall without its curve, to show what the curve is for.
static CONTROL: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_least(50)),
        Kind::Login.rule(Share::between(20, 50)),
    ],
);

/// Where background logins are shed: none below the first utilization, all from the second on.
pub(crate) const RAMP: (f64, f64) = (0.6, 0.8);
const SHED: Curve = Curve::linear(RAMP.0, RAMP.1);

classes! {
    /// What kinds of request there are, if phones are asked for evidence.
    pub(crate) enum Need {
        Message = "message",
        Wanted = "wanted login",
        Background = "background login",
    }
}

/// Nobody is guaranteed anything, but only those are shed that nobody waits for.
static EVIDENCE: Floodwall<Need> = Floodwall::new(
    CAPACITY,
    &[
        Need::Message.rule(Share::at_most(CAPACITY)),
        Need::Wanted.rule(Share::at_most(CAPACITY)),
        Need::Background.rule(Share::at_most(CAPACITY)).shed(SHED),
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

/// The few lines in front of a wall that ask for evidence.
impl From<&Request> for Need {
    fn from(request: &Request) -> Self {
        match &request.cause {
            Cause::Message => Need::Message,
            Cause::Login(phone) if is_wanted(phone) => Need::Wanted,
            Cause::Login(_) => Need::Background,
        }
    }
}

/// Somebody took the phone that woke, and kept using it.
fn is_wanted(phone: &Phone) -> bool {
    phone.woke && phone.unlocked && phone.used >= Duration::from_secs(3)
}

/// One row of the table: a storm, and the server that meets it.
pub(crate) struct Row<C: 'static> {
    /// Unlike any other; the picture is called so.
    pub(crate) name: &'static str,
    pub(crate) incident: &'static str,
    pub(crate) storm: Storm,
    pub(crate) design: &'static Design<C>,
}

/// What breaks in on a calm day.
#[derive(Clone, Copy)]
pub(crate) struct Storm {
    pub(crate) name: &'static str,
    pub(crate) size: &'static str,
    pub(crate) load: Load,
}

/// A way to build the server.
pub(crate) struct Design<C: 'static> {
    pub(crate) name: &'static str,
    pub(crate) door: Door<C>,
    /// What of the background logins the curve is on.
    pub(crate) sheds: Option<&'static str>,
    /// The share of each class that succeeds, in theory; unknown where there is no steady state.
    pub(crate) exact: Option<fn(Load) -> Vec<f64>>,
}

const CALM: Storm = Storm {
    name: "calm",
    size: "no more than 50 erlangs",
    load: Load::CALM,
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
    size: "logins and messages, 400 erlangs each,",
    load: Load::new(400.0, 400.0),
};

static WITH_QUEUE: Design<Kind> = Design {
    name: "an unbounded queue",
    door: Door::Queue,
    sheds: None,
    exact: None,
};

static WITHOUT_QUEUE: Design<Kind> = Design {
    name: "no queue, no wall",
    door: Door::NoQueue,
    sheds: None,
    exact: Some(|load| vec![erlang_b(load.message + load.login, POOL); 2]),
};

static OF_2017: Design<Kind> = Design {
    name: "background logins shed",
    door: Door::Wall(&SHEDDING),
    sheds: Some("logins"),
    exact: Some(|load| {
        let message = Stream::new(load.message, 0..=POOL, Ramp::NEVER);
        let login = Stream::new(load.login, 0..=POOL, BY_RAMP);
        birth_death(POOL, &[message, login])
    }),
};

static AFTER_2020: Design<Kind> = Design {
    name: "exactly 50 threads each",
    door: Door::Wall(&HALVES),
    sheds: None,
    exact: Some(|load| vec![erlang_b(load.message, 50), erlang_b(load.login, 50)]),
};

static ONE_WALL: Design<Kind> = Design {
    name: "one wall",
    door: Door::Wall(&WALL),
    sheds: Some("borrowing"),
    exact: Some(|load| {
        let message = Stream::new(load.message, 50..=POOL, Ramp::NEVER);
        let login = Stream::new(load.login, 20..=50, BY_RAMP);
        chain(POOL, &[message, login])
    }),
};

static WITHOUT_CURVE: Design<Kind> = Design {
    name: "one wall, without its curve",
    door: Door::Wall(&CONTROL),
    sheds: None,
    exact: Some(|load| {
        let message = Stream::new(load.message, 50..=POOL, Ramp::NEVER);
        let login = Stream::new(load.login, 20..=50, Ramp::NEVER);
        product_form(POOL, &[message, login])
    }),
};

static WITH_EVIDENCE: Design<Need> = Design {
    name: "logins without evidence shed",
    door: Door::Wall(&EVIDENCE),
    sheds: Some("logins"),
    exact: Some(|load| {
        let wanted = load.login * Phone::WANTED;
        let message = Stream::new(load.message, 0..=POOL, Ramp::NEVER);
        let background = Stream::new(load.login - wanted, 0..=POOL, BY_RAMP);
        let wanted = Stream::new(wanted, 0..=POOL, Ramp::NEVER);
        birth_death(POOL, &[message, wanted, background])
    }),
};

// The same numbers in theory's own words.
const POOL: usize = CAPACITY as usize;
const BY_RAMP: Ramp = Ramp::linear(RAMP.0, RAMP.1);

/// The row of the wall that the control is to be told apart from.
pub(crate) const WALL_ROW: &str = "2016-wall";
pub(crate) const CONTROL_ROW: &str = "2016-control";

/// All rows but the one that asks for evidence, whose classes are others.
pub(crate) fn rows() -> Vec<Row<Kind>> {
    let rows: [(_, _, _, &'static Design<Kind>); 10] = [
        ("2016-queue", "2016", LOGINS, &WITH_QUEUE),
        ("2016-no-queue", "2016", LOGINS, &WITHOUT_QUEUE),
        ("2017-shedding", "2017", LOGINS, &OF_2017),
        ("2020-shedding", "2020", MESSAGES, &OF_2017),
        ("2020-halves", "2020", MESSAGES, &AFTER_2020),
        ("calm-wall", "calm", CALM, &ONE_WALL),
        (WALL_ROW, "2016", LOGINS, &ONE_WALL),
        (CONTROL_ROW, "2016, control", LOGINS, &WITHOUT_CURVE),
        ("2020-wall", "2020", MESSAGES, &ONE_WALL),
        ("both-wall", "both", BOTH, &ONE_WALL),
    ];
    let row = |(name, incident, storm, design)| Row {
        name,
        incident,
        storm,
        design,
    };
    rows.map(row).into()
}

/// The row that asks for evidence.
pub(crate) static EVIDENCE_ROW: Row<Need> = Row {
    name: "evidence",
    incident: "evidence",
    storm: LOGINS,
    design: &WITH_EVIDENCE,
};
