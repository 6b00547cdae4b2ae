//! The classes and the waits that all tests share.

use std::future::Future;
use std::time::Duration;

use floodwall::{Floodwall, Rules, Share};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

floodwall::classes! { pub(crate) enum Kind { Health, Message, Export } }

/// The limit on every wait.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Rules for a pool of one permit.
pub(crate) const ONE_PERMIT: Rules<Kind> = Rules::new(
    1,
    &[
        Kind::Health.rule(Share::at_most(1)),
        Kind::Message.rule(Share::at_most(1)),
        Kind::Export.rule(Share::at_most(1)),
    ],
);

/// Waits until a wall has no permit in use.
///
/// # Panics
/// If that takes longer than [`LIMIT`].
pub(crate) async fn assert_all_released(wall: &Floodwall<Kind>) {
    let start = Instant::now();
    while wall.snapshot().in_use() > 0 {
        assert!(
            start.elapsed() < LIMIT,
            "permits are still in use: {:?}",
            wall.snapshot()
        );
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(wall.utilization(), 0.0);
}

/// Waits until all tasks of the runtime have ended: those of the server, of its connections and streams, and of the
/// clients.
///
/// # Panics
/// If that takes longer than [`LIMIT`].
pub(crate) async fn assert_all_tasks_end() {
    let start = Instant::now();
    let metrics = Handle::current().metrics();
    while metrics.num_alive_tasks() > 0 {
        assert!(
            start.elapsed() < LIMIT,
            "{} tasks have not ended",
            metrics.num_alive_tasks()
        );
        sleep(Duration::from_millis(1)).await;
    }
}

/// Returns the output of a future.
///
/// # Panics
/// If that takes longer than [`LIMIT`].
pub(crate) async fn within_limit<T>(future: impl Future<Output = T>) -> T {
    timeout(LIMIT, future)
        .await
        .expect("not ready within the limit")
}
