//! Helpers shared by the test binaries.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary includes this module and uses a part of it"
)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use floodwall::{
    AdmitOptions, Class, Curve, Floodwall, OwnedPermit, Reason, Rejection, Share, classes,
};

/// The bound of each wait for another thread. Only a test that fails waits for so long.
pub const LIMIT: Duration = Duration::from_secs(30);

classes! { pub enum Kind { Message, Login } }

pub type Wall = Arc<Floodwall<Kind>>;
pub type WallPermit = OwnedPermit<Floodwall<Kind>>;

/// Returns a wall with 10 permits. A message may borrow. A login has no guarantee and a cap of 3, and is shed at a
/// utilization or pressure of 0.5 and above.
pub fn wall() -> Wall {
    Arc::new(Floodwall::new(
        10,
        &[
            Kind::Message.rule(Share::at_least(6)),
            Kind::Login.rule(Share::at_most(3)).shed(Curve::step(0.5)),
        ],
    ))
}

/// Returns a rejection of a login for each reason, in the order of the declaration of [`Reason`].
pub fn rejections() -> [Rejection; 5] {
    let reject = |wall: &Wall, permits| {
        let options = AdmitOptions::new().permits(permits);
        wall.admit_with(Kind::Login, options).unwrap_err()
    };
    let hold = |wall: &Wall, class, permits| {
        let options = AdmitOptions::new().permits(permits);
        wall.admit_owned_with(class, options).unwrap()
    };
    let shed = {
        let wall = wall();
        let _messages = hold(&wall, Kind::Message, 6);
        reject(&wall, 1)
    };
    let class_full = {
        let wall = wall();
        let _logins = hold(&wall, Kind::Login, 3);
        reject(&wall, 1)
    };
    let pool_full = {
        let wall = wall();
        let _messages = hold(&wall, Kind::Message, 10);
        reject(&wall, 1)
    };
    let too_large = reject(&wall(), 4);
    let closed = {
        let wall = wall();
        wall.close();
        reject(&wall, 1)
    };
    let rejections = [shed, class_full, pool_full, too_large, closed];
    assert!(matches!(
        rejections.map(|rejection| rejection.reason()),
        [
            Reason::Shed { .. },
            Reason::ClassFull { .. },
            Reason::PoolFull { .. },
            Reason::TooLarge { .. },
            Reason::Closed,
        ]
    ));
    rejections
}

/// The numbers of a wall: permits in use, and requests admitted and rejected since its creation.
#[derive(Debug, PartialEq)]
pub struct Numbers {
    pub in_use: u32,
    pub admitted: u64,
    pub rejected: u64,
}

pub fn numbers<C: Class>(wall: &Floodwall<C>) -> Numbers {
    let snapshot = wall.snapshot();
    Numbers {
        in_use: snapshot.in_use(),
        admitted: snapshot.classes().iter().map(|class| class.admitted).sum(),
        rejected: snapshot.rejected(),
    }
}

pub fn in_use<C: Class>(wall: &Floodwall<C>) -> u32 {
    wall.snapshot().in_use()
}

pub fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut context())
}
