//! The rules of the wall: shown, and changed while it stands.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use floodwall::Rules;
use subtle::ConstantTimeEq;

use crate::STOPS;
use crate::http::{Answer, Connection, Head, Refusal};
use crate::wall::{CAPACITY, Kind, WALL};

/// Answers with the rules as they are, after they are changed if that is what is asked. Wrong rules
/// change nothing, and are refused in the words of the crate.
pub(crate) fn answer(
    head: &Head,
    connection: &mut Connection,
    token: Option<&str>,
) -> Result<Answer, Refusal> {
    if let Err(refusal) = authorize(head, connection.peer(), token) {
        return Ok(refusal);
    }
    if head.method == "PUT" {
        match serde_json::from_slice::<Rules<Kind>>(&connection.body(head)?) {
            Ok(rules) if rules.capacity() > CAPACITY => {
                let capacity = rules.capacity();
                let why = format!("a capacity of {capacity} is more than the {CAPACITY} threads");
                return Ok(wrong(&why));
            }
            Ok(rules) => {
                WALL.set_rules(rules);
                // Whatever comes while the server ends, it stays closed.
                if STOPS.load(Ordering::Relaxed) {
                    let closed = WALL.set_capacity(0);
                    closed.expect("a wall can always be closed");
                }
            }
            Err(error) => return Ok(wrong(&error.to_string())),
        }
    }
    let rules = serde_json::to_string(&WALL.rules()).expect("rules are names and numbers");
    Ok(Answer::new("200 OK", "application/json", rules + "\n"))
}

fn wrong(why: &str) -> Answer {
    Answer::text("422 Unprocessable Content", why)
}

/// Only from this machine, and only with the token.
fn authorize(head: &Head, peer: IpAddr, token: Option<&str>) -> Result<(), Answer> {
    if !peer.to_canonical().is_loopback() {
        return Err(Answer::text("403 Forbidden", "from this machine only"));
    }
    let Some(token) = token else {
        let why = "no token was set when the server started";
        return Err(Answer::text("403 Forbidden", why));
    };
    let given = head
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    // That it takes as long wherever they differ, tells nobody how much of a guess was right.
    match given {
        Some(given) if given.as_bytes().ct_eq(token.as_bytes()).into() => Ok(()),
        _ => Err(Answer::text("401 Unauthorized", "not with this token")
            .with("WWW-Authenticate", "Bearer".to_owned())),
    }
}
