//! The incidents, the walls that met them or would have, and what theory says of each.

use std::time::Duration;

use floodwall::{Curve, Floodwall, Share, classes};

use crate::server::{CAPACITY, Door};
use crate::theory::{Ramp, Stream, birth_death, chain, erlang_b, product_form};
use crate::traffic::{Cause, Load, Phone, Request};

classes! {
    /// What kinds of request there are.
    pub(crate) enum Kind { Message = "message", Login = "background login" }
}

/// 2017: everybody may have every thread, but background logins are shed as threads fill up.
static SHEDDING: Floodwall<Kind> = Floodwall::new(
    CAPACITY,
    &[
        Kind::Message.rule(Share::at_most(CAPACITY)),
        Kind::Login
            .rule(Share::at_most(CAPACITY))
            .shed(Curve::linear(0.6, 0.8)),
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
        Kind::Login
            .rule(Share::between(20, 50))
            .shed(Curve::linear(0.6, 0.8)),
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

classes! {
    /// What kinds of request there are, if phones are asked for evidence.
    pub(crate) enum Need {
        Message = "message",
        Wanted = "wanted login",
        Background = "background login",
    }
}

/// Nobody is guaranteed anything, but only what nobody waits for is shed.
static EVIDENCE: Floodwall<Need> = Floodwall::new(
    CAPACITY,
    &[
        Need::Message.rule(Share::at_most(CAPACITY)),
        Need::Wanted.rule(Share::at_most(CAPACITY)),
        Need::Background
            .rule(Share::at_most(CAPACITY))
            .shed(Curve::linear(0.6, 0.8)),
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
        const SOME_SECONDS: Duration = Duration::from_secs(3);
        match request.cause {
            Cause::Message => Need::Message,
            Cause::Login(Phone {
                woke: true,
                unlocked: true,
                used,
            }) if used >= SOME_SECONDS => Need::Wanted,
            Cause::Login(_) => Need::Background,
        }
    }
}

/// One row of the table: a storm, and a server that meets it.
pub(crate) struct Row<C: 'static> {
    /// Unlike any other; the picture is called so.
    pub(crate) name: &'static str,
    pub(crate) incident: &'static str,
    pub(crate) storm: Storm,
    pub(crate) server: &'static str,
    pub(crate) door: Door<C>,
    /// The share of each class that succeeds, in theory; none where there is no steady state.
    pub(crate) exact: Option<Vec<f64>>,
}

/// What comes over the server, between one calm and the next.
#[derive(Clone, Copy)]
pub(crate) struct Storm {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
}

const CALM: Storm = Storm {
    name: "a calm day",
    load: Load::CALM,
};
const LOGINS: Storm = Storm {
    name: "a login storm of 400 erlangs",
    load: Load {
        message: 40.0,
        login: 400.0,
    },
};
const MESSAGES: Storm = Storm {
    name: "a message flood of 400 erlangs",
    load: Load {
        message: 400.0,
        login: 10.0,
    },
};
const BOTH: Storm = Storm {
    name: "a login storm and a message flood of 400 erlangs each",
    load: Load {
        message: 400.0,
        login: 400.0,
    },
};

/// The name of the wall's row that [`WITHOUT_CURVE`] is to be told apart from.
pub(crate) const WITH_CURVE: &str = "2016-wall";
pub(crate) const WITHOUT_CURVE: &str = "2016-control";

/// All rows but the one that asks for evidence, whose classes are others.
pub(crate) fn rows() -> Vec<Row<Kind>> {
    vec![
        Row {
            name: "2016-queue",
            incident: "2016",
            storm: LOGINS,
            server: "an unbounded queue",
            door: Door::Queue,
            exact: None,
        },
        Row {
            name: "2016-no-queue",
            incident: "2016",
            storm: LOGINS,
            server: "no queue, no wall",
            door: Door::NoQueue,
            exact: Some(one_pool(LOGINS.load)),
        },
        Row {
            name: "2017-shedding",
            incident: "2017",
            storm: LOGINS,
            server: "background logins shed",
            door: Door::Wall(&SHEDDING),
            exact: Some(shedding(LOGINS.load)),
        },
        Row {
            name: "2020-shedding",
            incident: "2020",
            storm: MESSAGES,
            server: "background logins shed",
            door: Door::Wall(&SHEDDING),
            exact: Some(shedding(MESSAGES.load)),
        },
        Row {
            name: "2020-halves",
            incident: "2020",
            storm: MESSAGES,
            server: "exactly 50 for each class",
            door: Door::Wall(&HALVES),
            exact: Some(halves(MESSAGES.load)),
        },
        Row {
            name: "calm-wall",
            incident: "calm",
            storm: CALM,
            server: "one wall",
            door: Door::Wall(&WALL),
            exact: Some(wall(CALM.load)),
        },
        Row {
            name: WITH_CURVE,
            incident: "2016",
            storm: LOGINS,
            server: "the same wall",
            door: Door::Wall(&WALL),
            exact: Some(wall(LOGINS.load)),
        },
        Row {
            name: WITHOUT_CURVE,
            incident: "2016",
            storm: LOGINS,
            server: "control: the same wall without its curve",
            door: Door::Wall(&CONTROL),
            exact: Some(control(LOGINS.load)),
        },
        Row {
            name: "2020-wall",
            incident: "2020",
            storm: MESSAGES,
            server: "the same wall",
            door: Door::Wall(&WALL),
            exact: Some(wall(MESSAGES.load)),
        },
        Row {
            name: "both-wall",
            incident: "both",
            storm: BOTH,
            server: "the same wall",
            door: Door::Wall(&WALL),
            exact: Some(wall(BOTH.load)),
        },
    ]
}

/// The row that asks for evidence.
pub(crate) fn evidence() -> Row<Need> {
    let Load { message, login } = LOGINS.load;
    let wanted = login * Phone::CONVINCING;
    Row {
        name: "evidence",
        incident: "evidence",
        storm: LOGINS,
        server: "only logins without evidence shed",
        door: Door::Wall(&EVIDENCE),
        exact: Some(birth_death(
            POOL,
            &[
                Stream {
                    load: message,
                    ..ANYTHING
                },
                Stream {
                    load: wanted,
                    ..ANYTHING
                },
                Stream {
                    load: login - wanted,
                    ramp: SHED,
                    ..ANYTHING
                },
            ],
        )),
    }
}

// What theory says, of the same numbers in its own words.

const POOL: usize = CAPACITY as usize;
const SHED: Ramp = Ramp::linear(0.6, 0.8);
const ANYTHING: Stream = Stream {
    load: 0.0,
    guarantee: 0,
    cap: POOL,
    ramp: Ramp::NEVER,
};

fn one_pool(load: Load) -> Vec<f64> {
    let share = erlang_b(load.message + load.login, POOL);
    vec![share, share]
}

fn shedding(load: Load) -> Vec<f64> {
    birth_death(
        POOL,
        &[
            Stream {
                load: load.message,
                ..ANYTHING
            },
            Stream {
                load: load.login,
                ramp: SHED,
                ..ANYTHING
            },
        ],
    )
}

fn halves(load: Load) -> Vec<f64> {
    vec![
        erlang_b(load.message, POOL / 2),
        erlang_b(load.login, POOL / 2),
    ]
}

fn wall(load: Load) -> Vec<f64> {
    chain(
        POOL,
        &[
            Stream {
                load: load.message,
                guarantee: 50,
                ..ANYTHING
            },
            Stream {
                load: load.login,
                guarantee: 20,
                cap: 50,
                ramp: SHED,
            },
        ],
    )
}

fn control(load: Load) -> Vec<f64> {
    product_form(
        POOL,
        &[
            Stream {
                load: load.message,
                guarantee: 50,
                ..ANYTHING
            },
            Stream {
                load: load.login,
                guarantee: 20,
                cap: 50,
                ramp: Ramp::NEVER,
            },
        ],
    )
}
