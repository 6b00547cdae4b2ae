//! The status page: utilization of the pool, and admissions and rejections by class.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use floodwall::{ClassSnapshot, Snapshot};

use crate::http::Response;
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

/// Rejected / requested in the last second, for each class; `None` if there was no request.
static REJECT_RATIOS: Mutex<Vec<Option<f64>>> = Mutex::new(Vec::new());

/// Updates [`REJECT_RATIOS`] every second.
pub(crate) fn sample_reject_ratios() -> ! {
    let mut before = WALL.snapshot();
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = WALL.snapshot();
        *REJECT_RATIOS.lock().expect("not poisoned") = reject_ratios(&before, &now);
        before = now;
    }
}

fn reject_ratios(before: &Snapshot<Kind>, now: &Snapshot<Kind>) -> Vec<Option<f64>> {
    let ratio = |class: &ClassSnapshot| {
        let rejected = class.rejected();
        let requested = class.admitted + rejected;
        (requested > 0).then(|| rejected as f64 / requested as f64)
    };
    now.since(before).classes().iter().map(ratio).collect()
}

pub(crate) fn response() -> Response {
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
    let ratios = REJECT_RATIOS.lock().expect("not poisoned").clone();
    // Empty during the first second.
    let ratios = ratios.into_iter().chain([None].into_iter().cycle());
    for (class, ratio) in snapshot.classes().iter().zip(ratios) {
        write_row(&mut page, class, ratio);
    }
    page += "</table>\n";
    Response::new("200 OK", "text/html; charset=utf-8", page)
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
