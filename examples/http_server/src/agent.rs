//! The agent check of HAProxy: the state of this instance and its free capacity.

use std::io;
use std::net;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::edge::Phase;
use crate::wall::WALL;

/// Sends one line to each connection, and closes it.
pub(crate) async fn answer(
    listener: net::TcpListener,
    phase: watch::Receiver<Phase>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            // One line fits into the buffer of a new connection, so this needs no task and no bound.
            Ok((stream, _)) => drop(stream.try_write(line(*phase.borrow()).as_bytes())),
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Returns the state and the weight of this instance, in percent of its configured weight.
///
/// The weight is the free part of the capacity. It is never 0, which would take the instance out of the balancer.
fn line(phase: Phase) -> String {
    match phase {
        Phase::Serving if !WALL.is_closed() => {
            let free = 100.0 * (1.0 - WALL.utilization());
            format!("ready up {:.0}%\n", free.max(1.0))
        }
        _ => "drain\n".to_owned(),
    }
}
