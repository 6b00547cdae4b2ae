//! Listeners: the limits of their connections, and their end without a reset.

use std::io;
use std::net::{self, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use floodwall::Bulkhead;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::edge::{Phase, Request, Response, closing, serve};

/// Limits the connections of clients. With those of operators it stays below [`OPEN_FILES`].
pub(crate) static CONNECTIONS: Bulkhead = Bulkhead::new(900);

/// Limits the connections of operators and probes.
pub(crate) static ADMIN_CONNECTIONS: Bulkhead = Bulkhead::new(50);

/// Open files that the server may need. With none left, it could not even accept and close a connection.
pub(crate) const OPEN_FILES: u64 = 1024;

/// Connections that the kernel accepts while the server is busy with others.
const BACKLOG: i32 = 1024;
/// Bytes that the kernel keeps for a connection in each direction. By default it keeps up to several MiB, also for a client
/// that sends requests and never reads a response.
const SOCKET_BUFFER_BYTES: usize = 64 << 10;

/// Above this utilization, each response closes its connection. So idle clients keep three quarters of the
/// connections at most.
const SHORT_OF_CONNECTIONS: f64 = 0.75;

/// Longest time that a handshake takes which has begun before the listener ignores new ones.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(100);

static CLOSED_OVER_LIMIT: AtomicU64 = AtomicU64::new(0);

/// Returns the number of connections that were closed without a response.
pub(crate) fn closed_over_limit() -> u64 {
    CLOSED_OVER_LIMIT.load(Ordering::Relaxed)
}

/// Creates a listener.
pub(crate) fn listen(address: SocketAddr) -> io::Result<net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Connections of a server that has just ended do not occupy the port.
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections and serves them, up to the limit, until the phase becomes `Closing`.
///
/// Connections that the kernel has accepted by then are served too: closing a listener resets those that wait in its
/// queue. Clients that connect later are refused.
pub(crate) async fn accept<F: Future<Output = Response> + Send>(
    listener: net::TcpListener,
    connections: &'static Bulkhead,
    mut phase: watch::Receiver<Phase>,
    respond: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let seen = phase.clone();
    let start = move |stream: TcpStream| {
        // Over the limit, the connection is closed without a response, for which it would have to be kept.
        let Ok(permit) = connections.try_acquire() else {
            CLOSED_OVER_LIMIT.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let (respond, phase) = (respond.clone(), seen.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let keeps_alive = || {
                *phase.borrow() == Phase::Serving
                    && connections.utilization() <= SHORT_OF_CONNECTIONS
            };
            // Without it, a response waits for the acknowledgement of the one before it.
            if stream.set_nodelay(true).is_ok() {
                serve(stream, respond, keeps_alive, phase.clone()).await;
            }
        });
    };
    tokio::select! {
        () = accept_all(&listener, &start) => {}
        () = closing(&mut phase) => {}
    }
    ignore_new_connections(&listener)?;
    tokio::select! {
        () = accept_all(&listener, &start) => {}
        () = sleep(HANDSHAKE_TIMEOUT) => {}
    }
    Ok(())
}

async fn accept_all(listener: &TcpListener, start: impl Fn(TcpStream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => start(stream),
            // Probably out of file descriptors: retry when some are free again.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Makes the kernel drop the first packet of each new connection. Clients send it again after a second, when the
/// listener is closed.
#[cfg(target_os = "linux")]
fn ignore_new_connections(listener: &TcpListener) -> io::Result<()> {
    use socket2::{SockFilter, SockRef};

    // Classic BPF. A TCP header has its flags in byte 13, and SYN is 2. The filter also sees the packets of connections
    // that are accepted from now on, none of which has this flag.
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(JUMP_IF_ANY_BIT, 0, 1, 2),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Elsewhere, a connection that arrives in the instant in which the listener closes is reset.
#[cfg(not(target_os = "linux"))]
fn ignore_new_connections(_: &TcpListener) -> io::Result<()> {
    Ok(())
}
