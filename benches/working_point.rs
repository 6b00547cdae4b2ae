//! What does a wall cost where walls work? Measures the wall of the README on a normal day, in a storm
//! of logins and in a flood of messages, a wall whose permits are all guaranteed, the wall of the
//! example server, and walls in a mode. Plain limits have as many permits in use.
//!
//! On a normal day 40 of 100 permits are used by messages and 10 by logins. On a busy day messages use
//! 60, ten more than they are guaranteed. In the storm 78 are in
//! use: there the curve sheds nine of ten logins. In the flood no message fits.

mod common;

use std::error::Error;
use std::time::Instant;

use congestion_limiter::limiter::{DefaultLimiter, Limiter};
use congestion_limiter::limits::Fixed;
use floodwall::{Curve, Floodwall, Permit, Rejection, Rule, Share, classes};
use floodwall_benches::Turns;
use tokio::runtime::Builder;
use tokio::task::yield_now;

use common::walls::Kind::{self, Login, Message};
use common::walls::{README, hold};
use common::{CAPACITY, FLOOR, is_err, peers};

const IN_USE: u32 = 50;

classes! { enum Request { Message, Login, BackgroundLogin, Health } }

/// The rules of `examples/http_server`.
const EXAMPLE_SERVER: [Rule<Request>; 4] = [
    Request::Message.rule(Share::at_least(44)),
    Request::Login.rule(Share::between(9, 14)),
    Request::BackgroundLogin
        .rule(Share::at_most(8))
        .shed(Curve::linear(0.7, 0.76)),
    Request::Health.rule(Share::between(2, 8)),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut turns = Turns::new("working_point", 500);
    turns.call("floor", "", || FLOOR.acquire_and_release());
    plain_limits(&mut turns);
    partitions(&mut turns);
    readme(&mut turns);
    others(&mut turns);
    turns.run()
}

fn plain_limits(turns: &mut Turns) {
    peers::BULKHEAD
        .try_acquire_many(IN_USE)
        .map(std::mem::forget)
        .expect("the permits are free");
    turns.call("bulkhead", "", || drop(peers::BULKHEAD.try_acquire()));
    peers::TOKIO
        .try_acquire_many(IN_USE)
        .expect("the permits are free")
        .forget();
    turns.call("tokio", "", || drop(peers::TOKIO.try_acquire()));
}

/// A limiter with a class for each half of its permits. Its tokens are released by a task.
fn partitions(turns: &mut Turns) {
    let runtime = Builder::new_current_thread()
        .build()
        .expect("the runtime starts");
    let limiter = DefaultLimiter::new(Fixed::new(CAPACITY as usize));
    let mut partitions = limiter.create_static_partitions(vec![1.0, 1.0]);
    let partition = partitions.swap_remove(0);
    turns.calls("congestion-limiter, partitioned", "", 3_000, move |calls| {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..calls {
                drop(partition.try_acquire().await.expect("a permit is free"));
                yield_now().await;
            }
            start.elapsed()
        })
    });
}

/// The wall of the README in each of its situations.
fn readme(turns: &mut Turns) {
    static IDLE: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    admitted(turns, "README, idle: message", || IDLE.admit(Message));

    static NORMAL: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&NORMAL, 40, 10);
    admitted(turns, "README, normal day: message", || {
        NORMAL.admit(Message)
    });
    admitted(turns, "README, normal day: login", || NORMAL.admit(Login));

    static BUSY: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&BUSY, 60, 10);
    admitted(turns, "README, busy day: message", || BUSY.admit(Message));

    static PRESSED: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&PRESSED, 40, 10);
    PRESSED.set_pressure(0.9);
    admitted(turns, "README, pressure: message", || {
        PRESSED.admit(Message)
    });
    admitted(turns, "README, pressure: login", || PRESSED.admit(Login));

    static STORM: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&STORM, 45, 33);
    admitted(turns, "README, storm: message", || STORM.admit(Message));
    turns.call("README, storm: logins, 9 of 10 shed", "", || {
        is_err(STORM.admit(Login))
    });

    // Sheds one login in a thousand with 78 permits in use.
    const LATE: Rule<Kind> = README[1].shed(Curve::linear(0.7799, 0.88));
    static RAMP: Floodwall<Kind> = Floodwall::new(CAPACITY, &[README[0], LATE]);
    hold_each(&RAMP, 45, 33);
    admitted(turns, "README, storm: login, admitted", || {
        RAMP.admit(Login)
    });

    static ABOVE: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&ABOVE, 50, 35);
    rejected(turns, "README, storm: login, shed", "shed", || {
        ABOVE.admit(Login)
    });

    static FLOOD: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&FLOOD, 80, 20);
    let subject = "README, flood: message, pool full";
    rejected(turns, subject, "pool_full", || FLOOD.admit(Message));

    static FULL: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    hold_each(&FULL, 0, 50);
    rejected(turns, "README: login, class full", "class_full", || {
        FULL.admit(Login)
    });

    static CLOSED: Floodwall<Kind> = Floodwall::new(CAPACITY, &README);
    CLOSED.close();
    rejected(turns, "README, closed: message", "closed", || {
        CLOSED.admit(Message)
    });
}

fn others(turns: &mut Turns) {
    const HALF: Share = Share::exactly(50);
    static EXACTLY: Floodwall<Kind> =
        Floodwall::new(CAPACITY, &[Message.rule(HALF), Login.rule(HALF)]);
    hold_each(&EXACTLY, 40, 10);
    admitted(turns, "`exactly(50)` twice: message", || {
        EXACTLY.admit(Message)
    });

    static SERVER: Floodwall<Request> = Floodwall::new(64, &EXAMPLE_SERVER);
    hold(&SERVER, Request::Message, 24);
    hold(&SERVER, Request::Login, 6);
    hold(&SERVER, Request::Health, 1);
    admitted(turns, "example server: message", || {
        SERVER.admit(Request::Message)
    });
    admitted(turns, "example server: login", || {
        SERVER.admit(Request::Login)
    });
    let subject = "example server: background login";
    admitted(turns, subject, || SERVER.admit(Request::BackgroundLogin));
}

fn hold_each(wall: &Floodwall<Kind>, messages: u32, logins: u32) {
    hold(wall, Message, messages);
    hold(wall, Login, logins);
}

/// Measures a call that admits. The class is a constant in `admit`, as at a call site in a handler.
fn admitted<F>(turns: &mut Turns, subject: &str, admit: F)
where
    F: Fn() -> Result<Permit<'static>, Rejection> + 'static,
{
    assert!(admit().is_ok(), "{subject}");
    turns.call(subject, "", move || drop(admit()));
}

/// Measures a call that rejects for this reason.
fn rejected<F>(turns: &mut Turns, subject: &str, reason: &str, admit: F)
where
    F: Fn() -> Result<Permit<'static>, Rejection> + 'static,
{
    let rejection = admit().expect_err("the wall rejects");
    assert_eq!(rejection.reason().name(), reason, "{subject}");
    turns.call(subject, "", move || is_err(admit()));
}
