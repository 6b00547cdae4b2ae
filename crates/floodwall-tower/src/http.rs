//! Rejections as HTTP responses.

use std::ops::RangeInclusive;

use floodwall::{Reason, Rejection};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::retry_after::RetryAfter;

/// Returns a closure for [`FloodwallLayer::new`](crate::FloodwallLayer::new) that makes an HTTP response from a
/// rejection. The body is [the name of the reason](floodwall::Reason::name), as plain text.
///
/// | reason | status | `Retry-After` |
/// |---|---|---|
/// | `shed`, `pool_full`, `closed` | `503 Service Unavailable` | yes |
/// | `class_full` | `429 Too Many Requests` | yes |
/// | `too_large` | `413 Content Too Large` | no: a retry is rejected too |
///
/// `Retry-After` is drawn at random from `retry_after_s`, in seconds, because clients that were rejected together would
/// otherwise return together. Choose a range that is longer than the storm would last without retries.
///
/// # Panics
/// If the range is empty.
///
/// # Examples
/// ```
/// use std::convert::Infallible;
///
/// use floodwall::{Floodwall, Share, classes};
/// use floodwall_tower::http::reject;
///
/// # classes! { enum Kind { Login } }
/// # static WALL: Floodwall<Kind> = Floodwall::new(10, &[Kind::Login.rule(Share::at_most(0))]);
/// let reject = reject::<String, Infallible>(5..=30);
/// let Ok(response) = reject(WALL.admit(Kind::Login).unwrap_err());
/// assert_eq!(response.status(), 429);
/// let seconds: u32 = response.headers()["retry-after"].to_str()?.parse()?;
/// assert!((5..=30).contains(&seconds));
/// assert_eq!(response.body(), "class_full");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn reject<B: From<&'static str>, E>(
    retry_after_s: RangeInclusive<u32>,
) -> impl Fn(Rejection) -> Result<Response<B>, E> + Copy + Send + Sync + 'static {
    let retry_after = RetryAfter::new(retry_after_s);
    move |rejection| {
        let (status, may_retry) = match rejection.reason() {
            Reason::ClassFull { .. } => (StatusCode::TOO_MANY_REQUESTS, true),
            Reason::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, false),
            _ => (StatusCode::SERVICE_UNAVAILABLE, true),
        };
        let mut response = Response::new(B::from(rejection.reason().name()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if may_retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.seconds()));
        }
        Ok(response)
    }
}
