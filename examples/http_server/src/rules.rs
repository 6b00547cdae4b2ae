//! `/admin/rules` shows the rules of the wall and replaces them; `/admin/rules/check` checks others.

use floodwall::Rules;
use hyper::header::{AUTHORIZATION, ETAG, HeaderValue, IF_MATCH, WWW_AUTHENTICATE};
use hyper::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::edge::{Request, Response, response, text};
use crate::wall::{CAPACITY, Kind, WALL};

/// Returns the rules in force, with their version as the `ETag`.
pub(crate) fn get(request: &Request, token: Option<&str>) -> Response {
    unauthorized(request.headers(), token)
        .unwrap_or_else(|| with_version(StatusCode::OK, &WALL.rules()))
}

/// Returns the rules of the body and the version that they would have. Changes nothing: invalid rules for one of several
/// instances are found before any of them is changed.
pub(crate) fn check(request: &Request, token: Option<&str>) -> Response {
    if let Some(response) = unauthorized(request.headers(), token) {
        return response;
    }
    match parse(request.body()) {
        Ok(rules) => with_version(StatusCode::OK, &rules),
        Err(message) => text(StatusCode::UNPROCESSABLE_ENTITY, &message),
    }
}

/// Replaces the rules if they are those of the `If-Match` header, so a change that its sender has not read is not undone.
/// Returns the new rules.
///
/// Invalid rules change nothing. A closed wall stays closed.
pub(crate) fn put(request: &Request, token: Option<&str>) -> Response {
    if let Some(response) = unauthorized(request.headers(), token) {
        return response;
    }
    let Some(expected) = request.headers().get(IF_MATCH) else {
        let message =
            "If-Match is missing: send the ETag of the rules that you have read, or * for any";
        return text(StatusCode::PRECONDITION_REQUIRED, message);
    };
    let rules = match parse(request.body()) {
        Ok(rules) => rules,
        Err(message) => return text(StatusCode::UNPROCESSABLE_ENTITY, &message),
    };
    if expected == "*" {
        WALL.set_rules(rules);
        return with_version(StatusCode::OK, &rules);
    }
    let read = WALL.rules();
    if !matches(expected, &version(&read)) {
        return with_version(StatusCode::PRECONDITION_FAILED, &read);
    }
    match WALL.set_rules_if(&read, rules) {
        Ok(()) => with_version(StatusCode::OK, &rules),
        Err(others) => with_version(StatusCode::PRECONDITION_FAILED, &others),
    }
}

/// Parses rules. The error is the text of the crate.
fn parse(body: &[u8]) -> Result<Rules<Kind>, String> {
    let rules: Rules<Kind> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let capacity = rules.capacity();
    if capacity > CAPACITY {
        return Err(format!(
            "a capacity of {capacity} exceeds the {CAPACITY} threads"
        ));
    }
    Ok(rules)
}

/// Returns these rules and their version. With status 412 they are those in force, which the request did not expect.
fn with_version(status: StatusCode, rules: &Rules<Kind>) -> Response {
    let mut response = response(status, "application/json", json(rules) + "\n");
    let version =
        HeaderValue::try_from(version(rules)).expect("hexadecimal digits are a valid header");
    response.headers_mut().insert(ETAG, version);
    response
}

/// Returns the entity tag of rules, which depends on nothing else: instances with the same rules have the same.
fn version(rules: &Rules<Kind>) -> String {
    let hash = Sha256::digest(json(rules));
    format!(
        "\"{:032x}\"",
        u128::from_be_bytes(hash[..16].try_into().expect("16 of 32 bytes"))
    )
}

fn json(rules: &Rules<Kind>) -> String {
    serde_json::to_string(rules).expect("rules always serialize")
}

/// Returns whether a list of entity tags contains this one (RFC 9110 13.1.1). No version contains a comma.
fn matches(expected: &HeaderValue, version: &str) -> bool {
    let tags = expected.to_str().unwrap_or_default().split(',');
    tags.map(str::trim).any(|tag| tag == version)
}

/// Returns the response to a request without the token.
fn unauthorized(headers: &HeaderMap, token: Option<&str>) -> Option<Response> {
    let Some(token) = token else {
        let message = "disabled: the server was started without FLOODWALL_ADMIN_TOKEN";
        return Some(text(StatusCode::FORBIDDEN, message));
    };
    let presented = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let presented = presented.and_then(|value| value.split_at_checked(b"Bearer ".len()));
    // The name of a scheme has no case (RFC 9110 11.1).
    let presented = presented.filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "));
    let presented = presented.map(|(_, token)| token);
    // Constant time: the response time does not reveal how much of a guess was right.
    if presented.is_some_and(|presented| presented.ct_eq(token.as_bytes()).into()) {
        return None;
    }
    let mut response = text(StatusCode::UNAUTHORIZED, "missing or invalid token");
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    Some(response)
}
