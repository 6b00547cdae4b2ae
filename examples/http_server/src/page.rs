//! The status page: utilization of the pool, and admissions and rejections by class.

use std::fmt::Write as _;
use std::time::Duration;

use floodwall::{ClassSnapshot, Snapshot};
use hyper::StatusCode;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::edge::{self, Response};
use crate::wall::{Kind, WALL};

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="1">
<title>floodwall</title>
<style>
body { font: 16px sans-serif; max-width: 72em; margin: 2em auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3em .6em; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.bar { width: 30%; }
meter { width: 100%; height: 1.4em; }
</style>
"#;

/// Rejected / requested in the last second, for each class; `None` if there was no request. Empty in the first second.
pub(crate) type RejectRatios = Vec<Option<f64>>;

/// Updates the ratios every second.
pub(crate) async fn sample_reject_ratios(ratios: watch::Sender<RejectRatios>) {
    let mut before = WALL.snapshot();
    loop {
        sleep(Duration::from_secs(1)).await;
        let now = WALL.snapshot();
        ratios.send_replace(reject_ratios(&before, &now));
        before = now;
    }
}

fn reject_ratios(before: &Snapshot<Kind>, now: &Snapshot<Kind>) -> RejectRatios {
    let ratio = |class: &ClassSnapshot| {
        let rejected = class.rejected();
        let requested = class.admitted + rejected;
        (requested > 0).then(|| rejected as f64 / requested as f64)
    };
    now.since(before).classes().iter().map(ratio).collect()
}

pub(crate) fn response(ratios: &RejectRatios) -> Response {
    let snapshot = WALL.snapshot();
    let (capacity, utilization) = (snapshot.capacity, snapshot.utilization);
    let in_use = snapshot.in_use();
    let mut page = format!(
        "{HEAD}<h1>{:.0} % in use</h1>\n\
         <p><meter max=\"1\" high=\"0.9\" value=\"{utilization:.3}\"></meter> {in_use} of {capacity} threads\n\
         <table>\n<tr><th>class<th colspan=\"2\">in use / reachable<th>guarantee<th>rejected<br>in 1 s\
         <th>reject<br>probability<th>admitted<th>shed<th>class full<th>pool full<th>closed\n",
        100.0 * utilization,
    );
    let ratios = ratios.iter().copied().chain(std::iter::repeat(None));
    for (class, ratio) in snapshot.classes().iter().zip(ratios) {
        write_row(&mut page, class, ratio);
    }
    page += "</table>\n";
    edge::response(StatusCode::OK, "text/html; charset=utf-8", page)
}

fn write_row(page: &mut String, class: &ClassSnapshot, reject_ratio: Option<f64>) {
    let rejected = reject_ratio.map_or("–".to_owned(), |ratio| format!("{:.0} %", 100.0 * ratio));
    let ClassSnapshot {
        name,
        in_use,
        reachable,
        guarantee,
        ..
    } = class;
    write!(
        page,
        "<tr><td>{name}<td class=\"bar\"><meter max=\"{reachable}\" value=\"{in_use}\"></meter><td>{in_use} / {reachable}\
         <td>{guarantee}<td>{rejected}<td>{:.0} %",
        100.0 * class.reject_probability
    )
    .expect("writing to a String never fails");
    for count in [
        class.admitted,
        class.shed,
        class.class_full,
        class.pool_full,
        class.closed,
    ] {
        write!(page, "<td>{count}").expect("writing to a String never fails");
    }
    page.push('\n');
}
