//! Tests of rejections as gRPC statuses: each is read back as a client reads it.

mod common;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::time::Duration;

use floodwall::Rejection;
use floodwall_tower::grpc;
use http::Response;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use self::common::rejections;

/// The code and the message for each reason, and whether a retry may succeed, in the order of `rejections`.
const EXPECTED: [(Code, &str, bool); 5] = [
    (Code::Unavailable, "shed", true),
    (Code::ResourceExhausted, "class_full", true),
    (Code::Unavailable, "pool_full", true),
    (Code::ResourceExhausted, "too_large", false),
    (Code::Unavailable, "closed", true),
];

/// Returns the time in the error details.
fn retry_info(status: &Status) -> Option<Duration> {
    let details = status.check_error_details().unwrap();
    assert_eq!(
        details.retry_info().is_some(),
        status.get_details_retry_info().is_some()
    );
    status.get_details_retry_info()?.retry_delay
}

/// Returns the value of the metadata for the retry policy of clients.
fn pushback(status: &Status) -> &str {
    let values = status.metadata().get_all("grpc-retry-pushback-ms");
    assert_eq!(values.iter().count(), 1);
    let value = status.metadata().get("grpc-retry-pushback-ms").unwrap();
    value.to_str().unwrap()
}

/// Returns the status that a client reads from the headers.
fn read_back<B>(response: &Response<B>) -> Status {
    Status::from_header_map(response.headers()).unwrap()
}

fn respond(rejection: Rejection, retry_after_s: RangeInclusive<u32>) -> Response<String> {
    let Ok(response) = grpc::reject::<_, Infallible>(retry_after_s)(rejection);
    response
}

mod status {
    use super::*;

    #[test]
    fn code_and_message_name_the_reason() {
        for (rejection, (code, message, _)) in rejections().iter().zip(EXPECTED) {
            let status = grpc::status(rejection, Duration::from_secs(3));
            assert_eq!((status.code(), status.message()), (code, message));
        }
    }

    #[test]
    fn time_for_a_retry_is_in_details_and_metadata() {
        let time = Duration::from_millis(2500);
        for (rejection, (_, reason, may_retry)) in rejections().iter().zip(EXPECTED) {
            let status = grpc::status(rejection, time);
            assert_eq!(retry_info(&status), may_retry.then_some(time), "{reason}");
            let expected = if may_retry { "2500" } else { "-1" };
            assert_eq!(pushback(&status), expected, "{reason}");
        }
    }

    /// Clients read the metadata as a signed number of 32 bits. gRFC A6: a value that is not valid means no retry.
    #[test]
    fn longest_times_are_limited_in_the_metadata() {
        let [rejection, ..] = rejections();
        let largest = i32::MAX.to_string();
        for (time, expected) in [
            (Duration::ZERO, "0"),
            (Duration::from_micros(1999), "1"),
            (Duration::from_millis(i32::MAX as u64), &*largest),
            (Duration::from_millis(i32::MAX as u64 + 1), &*largest),
            (Duration::from_secs(u32::MAX.into()), &*largest),
            (Duration::MAX, &*largest),
        ] {
            let status = grpc::status(&rejection, time);
            assert_eq!(pushback(&status), expected, "{time:?}");
        }
    }

    #[test]
    fn status_survives_headers() {
        for rejection in rejections() {
            let status = grpc::status(&rejection, Duration::from_secs(9));
            let read = read_back(&status.clone().into_http::<String>());
            assert_eq!(read.code(), status.code());
            assert_eq!(read.message(), status.message());
            assert_eq!(read.details(), status.details());
            assert_eq!(retry_info(&read), retry_info(&status));
            assert_eq!(pushback(&read), pushback(&status));
        }
    }
}

mod response {
    use super::*;

    /// gRPC answers with 200 in each case: the status is in the headers, because there is no body ("trailers only").
    #[test]
    fn response_is_trailers_only() {
        for rejection in rejections() {
            let response = respond(rejection, 1..=1);
            assert_eq!(response.status(), 200, "{rejection}");
            assert_eq!(response.headers()["content-type"], "application/grpc");
            assert_eq!(response.body(), "");
        }
    }

    #[test]
    fn client_reads_code_message_and_time() {
        for (rejection, (code, message, may_retry)) in rejections().into_iter().zip(EXPECTED) {
            let status = read_back(&respond(rejection, 4..=4));
            assert_eq!((status.code(), status.message()), (code, message));
            let time = may_retry.then_some(Duration::from_secs(4));
            assert_eq!(retry_info(&status), time, "{message}");
            let expected = if may_retry { "4000" } else { "-1" };
            assert_eq!(pushback(&status), expected, "{message}");
        }
    }

    /// A second of the range has no draw in 2000 with a probability of about 3 * (2/3)^2000, or 10^-351.
    #[test]
    fn time_is_drawn_from_the_range_in_milliseconds() {
        let [rejection, ..] = rejections();
        let reject = grpc::reject::<String, Infallible>(5..=8);
        let mut seconds = BTreeSet::new();
        let mut fractions = BTreeSet::new();
        for _ in 0..2000 {
            let status = read_back(&reject(rejection).unwrap());
            let time = retry_info(&status).unwrap();
            assert!((5000..=8000).contains(&time.as_millis()), "{time:?}");
            assert_eq!(pushback(&status), time.as_millis().to_string());
            seconds.insert(time.as_secs());
            fractions.insert(time.subsec_millis());
        }
        // The last second has one value of 3001.
        assert!(
            seconds.is_superset(&BTreeSet::from([5, 6, 7])),
            "{seconds:?}"
        );
        // The expected number is over 800.
        assert!(fractions.len() > 400, "{}", fractions.len());
    }

    #[test]
    fn range_with_one_value_has_no_other() {
        let [rejection, ..] = rejections();
        for seconds in [0, 1, u32::MAX] {
            let status = read_back(&respond(rejection, seconds..=seconds));
            let expected = Duration::from_secs(seconds.into());
            assert_eq!(retry_info(&status), Some(expected));
        }
    }

    #[test]
    #[should_panic(expected = "the range of seconds for a retry, 5..=4, is empty")]
    fn empty_range_panics_with_the_range() {
        let _reject = grpc::reject::<String, Infallible>(RangeInclusive::new(5, 4));
    }
}
