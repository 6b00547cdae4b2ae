//! `/admin/rules`: shows the rules of the wall and updates them.

use std::net::IpAddr;

use floodwall::Rules;
use subtle::ConstantTimeEq;

use crate::head::Head;
use crate::http::{Connection, RequestError, Response};
use crate::wall::{CAPACITY, Kind, WALL};

/// Returns the current rules, after a PUT the new ones.
///
/// Invalid rules change nothing. The response is then the error text of the crate.
pub(crate) fn response(
    head: &Head,
    connection: &mut Connection,
    token: Option<&str>,
) -> Result<Response, RequestError> {
    if let Err(response) = authorize(head, connection.peer(), token) {
        return Ok(response);
    }
    if head.method == "PUT" {
        match serde_json::from_slice::<Rules<Kind>>(&connection.read_body(head)?) {
            Ok(rules) if rules.capacity() > CAPACITY => {
                let capacity = rules.capacity();
                let message = format!("a capacity of {capacity} exceeds the {CAPACITY} threads");
                return Ok(invalid(&message));
            }
            Ok(rules) => {
                // Does not open the wall if it drains.
                WALL.set_rules(rules);
            }
            Err(error) => return Ok(invalid(&error.to_string())),
        }
    }
    let rules = serde_json::to_string(&WALL.rules()).expect("rules always serialize");
    Ok(Response::new("200 OK", "application/json", rules + "\n"))
}

fn invalid(message: &str) -> Response {
    Response::text("422 Unprocessable Content", message)
}

/// Checks that the request comes from this machine and carries the token.
fn authorize(head: &Head, peer: IpAddr, token: Option<&str>) -> Result<(), Response> {
    if !peer.to_canonical().is_loopback() {
        let message = "allowed from this machine only";
        return Err(Response::text("403 Forbidden", message));
    }
    let Some(token) = token else {
        let message = "disabled: the server was started without FLOODWALL_ADMIN_TOKEN";
        return Err(Response::text("403 Forbidden", message));
    };
    let presented = head
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    // Constant time: the response time does not reveal how much of a guess was right.
    match presented {
        Some(presented) if presented.as_bytes().ct_eq(token.as_bytes()).into() => Ok(()),
        _ => Err(
            Response::text("401 Unauthorized", "missing or invalid token")
                .with_header("WWW-Authenticate", "Bearer".to_owned()),
        ),
    }
}
