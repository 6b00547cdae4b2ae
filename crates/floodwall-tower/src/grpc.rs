//! Rejections as gRPC statuses.

use std::ops::RangeInclusive;
use std::time::Duration;

use floodwall::{Reason, Rejection};
use http::Response;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::retry_after::RetryAfter;

/// The metadata by which a server tells a client that retries when to retry, in milliseconds, or not to retry. Defined
/// in gRFC A6, "gRPC Retry Design".
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Returns a closure for [`FloodwallLayer::new`](crate::FloodwallLayer::new) that makes a gRPC response from a
/// rejection: its [`status`], with a time for the next attempt that is drawn at random from `retry_after_s`, in seconds.
///
/// # Panics
/// If the range is empty.
///
/// # Examples
/// ```
/// use floodwall::{Floodwall, Share, classes};
/// use floodwall_tower::{FloodwallLayer, grpc};
/// use tonic::transport::Server;
///
/// classes! { enum Kind { Chat, Other } }
///
/// static WALL: Floodwall<Kind> = Floodwall::new(100, &[
///     Kind::Chat.rule(Share::at_least(50)),
///     Kind::Other.rule(Share::at_most(50)),
/// ]);
///
/// let classify = |request: &http::Request<_>| match request.uri().path() {
///     "/chat.Chat/Send" => Kind::Chat,
///     _ => Kind::Other,
/// };
/// let server = Server::builder().layer(
///     FloodwallLayer::new(&WALL, classify, grpc::reject(5..=30)).hold_until_body_sent(),
/// );
/// # let _ = |mut server: Server<_>| server.add_service(tonic::service::Routes::default());
/// # drop(server);
/// ```
#[track_caller]
pub fn reject<B: Default>(
    retry_after_s: RangeInclusive<u32>,
) -> impl Fn(Rejection) -> Response<B> + Copy + Send + Sync + 'static {
    let retry_after = RetryAfter::new(retry_after_s);
    move |rejection| status(&rejection, retry_after.duration()).into_http()
}

/// Returns the gRPC status of a rejection.
///
/// | reason | code | retry |
/// |---|---|---|
/// | `shed`, `pool_full`, `closed` | `UNAVAILABLE` | after `retry_after` |
/// | `class_full` | `RESOURCE_EXHAUSTED` | after `retry_after` |
/// | `too_large` | `RESOURCE_EXHAUSTED` | no: a retry is rejected too |
///
/// The message is the name of the reason. The time for a retry is in the error details, as `google.rpc.RetryInfo`, for
/// the application, and in the metadata `grpc-retry-pushback-ms`, for the retry policy of the client's library.
#[must_use]
pub fn status(rejection: &Rejection, retry_after: Duration) -> Status {
    let (code, retry_after) = match rejection.reason {
        Reason::ClassFull { .. } => (Code::ResourceExhausted, Some(retry_after)),
        Reason::TooLarge { .. } => (Code::ResourceExhausted, None),
        _ => (Code::Unavailable, Some(retry_after)),
    };
    let (details, pushback) = match retry_after {
        Some(time) => (
            ErrorDetails::with_retry_info(Some(time)),
            MetadataValue::from(time.as_millis().min(i32::MAX as u128) as u64),
        ),
        None => (ErrorDetails::new(), MetadataValue::from_static("-1")),
    };
    let mut metadata = MetadataMap::new();
    metadata.insert(PUSHBACK, pushback);
    Status::with_error_details_and_metadata(code, rejection.reason.name(), details, metadata)
}
