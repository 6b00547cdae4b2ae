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
/// use std::convert::Infallible;
///
/// use floodwall::{Floodwall, Share, classes};
/// use floodwall_tower::grpc::reject;
/// use tonic::{Code, Status};
///
/// # classes! { enum Kind { Login } }
/// # static WALL: Floodwall<Kind> = Floodwall::new(10, &[Kind::Login.rule(Share::at_most(0))]);
/// let reject = reject::<String, Infallible>(5..=30);
/// let Ok(response) = reject(WALL.admit(Kind::Login).unwrap_err());
/// let status = Status::from_header_map(response.headers()).unwrap();
/// assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "class_full"));
/// ```
#[track_caller]
pub fn reject<B: Default, E>(
    retry_after_s: RangeInclusive<u32>,
) -> impl Fn(Rejection) -> Result<Response<B>, E> + Copy + Send + Sync + 'static {
    let retry_after = RetryAfter::new(retry_after_s);
    move |rejection| Ok(status(&rejection, retry_after.duration()).into_http())
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
    let (code, retry_after) = match rejection.reason() {
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
    Status::with_error_details_and_metadata(code, rejection.reason().name(), details, metadata)
}
