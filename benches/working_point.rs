//! What does a wall cost where walls work? Measures the wall of the README on a normal day, in a storm
//! of logins and in a flood of messages, a wall whose permits are all guaranteed, the wall of the
//! example server, and walls in a mode. Plain limits have as many permits in use.
//!
//! On a normal day 40 of 100 permits are used by messages and 10 by logins. In the storm 78 are in
//! use: there the curve sheds nine of ten logins. In the flood no message fits.

mod common;

use std::error::Error;
use std::time::Instant;

use congestion_limiter::limiter::{DefaultLimiter, Limiter};
use congestion_limiter::limits::Fixed;
use floodwall::{Class, Curve, Floodwall, Rule, Share, classes};
use floodwall_benches::Turns;
use tokio::runtime::Builder;
use tokio::task::yield_now;

use common::walls::{self, Kind, README, hold};
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
    let mut turns = Turns::new("working_point", 2_000);
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
    turns.calls("congestion-limiter, partitioned", "", 300, move |calls| {
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
    let idle = wall_with(README, &[]);
    admitted(turns, "README, idle: message", idle, Kind::Message);
    let normal = wall_with(README, &[(Kind::Message, 40), (Kind::Login, 10)]);
    admitted(turns, "README, normal day: message", normal, Kind::Message);
    admitted(turns, "README, normal day: login", normal, Kind::Login);
    let pressed = wall_with(README, &[(Kind::Message, 40), (Kind::Login, 10)]);
    pressed.set_pressure(0.9);
    admitted(turns, "README, pressure: message", pressed, Kind::Message);
    admitted(turns, "README, pressure: login", pressed, Kind::Login);

    let storm = wall_with(README, &[(Kind::Message, 45), (Kind::Login, 33)]);
    admitted(turns, "README, storm: message", storm, Kind::Message);
    turns.call("README, storm: logins, 9 of 10 shed", "", || {
        is_err(storm.admit(Kind::Login))
    });
    // One login in a thousand is shed.
    let late = Kind::Login
        .rule(Share::between(20, 50))
        .shed(Curve::linear(0.7799, 0.88));
    let late = wall_with([README[0], late], &[(Kind::Message, 45), (Kind::Login, 33)]);
    admitted(turns, "README, storm: login, admitted", late, Kind::Login);
    let above = wall_with(README, &[(Kind::Message, 50), (Kind::Login, 35)]);
    rejected(
        turns,
        "README, storm: login, shed",
        above,
        Kind::Login,
        "shed",
    );

    let flood = wall_with(README, &[(Kind::Message, 80), (Kind::Login, 20)]);
    rejected(
        turns,
        "README, flood: message, pool full",
        flood,
        Kind::Message,
        "pool_full",
    );
    let full = wall_with(README, &[(Kind::Login, 50)]);
    rejected(
        turns,
        "README: login, class full",
        full,
        Kind::Login,
        "class_full",
    );
    let closed = wall_with(README, &[]);
    closed.close();
    rejected(
        turns,
        "README, closed: message",
        closed,
        Kind::Message,
        "closed",
    );
}

fn others(turns: &mut Turns) {
    const EXACTLY: [Rule<Kind>; 2] = [
        Kind::Message.rule(Share::exactly(50)),
        Kind::Login.rule(Share::exactly(50)),
    ];
    let exactly = wall_with(EXACTLY, &[(Kind::Message, 40), (Kind::Login, 10)]);
    admitted(
        turns,
        "`exactly(50)` twice: message",
        exactly,
        Kind::Message,
    );
    let server = walls::leak(Floodwall::new(64, &EXAMPLE_SERVER));
    for (class, in_use) in [
        (Request::Message, 24),
        (Request::Login, 6),
        (Request::Health, 1),
    ] {
        hold(server, class, in_use);
    }
    admitted(turns, "example server: message", server, Request::Message);
    admitted(turns, "example server: login", server, Request::Login);
    admitted(
        turns,
        "example server: background login",
        server,
        Request::BackgroundLogin,
    );
}

/// Creates a wall with permits in use.
fn wall_with(rules: [Rule<Kind>; 2], in_use: &[(Kind, u32)]) -> &'static Floodwall<Kind> {
    let wall = walls::leak(Floodwall::new(CAPACITY, &rules));
    in_use
        .iter()
        .for_each(|&(class, permits)| hold(wall, class, permits));
    wall
}

fn admitted<C: Class + 'static>(
    turns: &mut Turns,
    subject: &str,
    wall: &'static Floodwall<C>,
    class: C,
) {
    assert!(wall.admit(class).is_ok(), "{subject}");
    turns.call(subject, "", move || drop(wall.admit(class)));
}

fn rejected<C: Class + 'static>(
    turns: &mut Turns,
    subject: &str,
    wall: &'static Floodwall<C>,
    class: C,
    reason: &str,
) {
    let rejection = wall.admit(class).expect_err("the wall rejects");
    assert_eq!(rejection.reason().name(), reason, "{subject}");
    turns.call(subject, "", move || is_err(wall.admit(class)));
}
