//! The status page: how full the pool is, who is in it, and who is turned away.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use floodwall::{ClassSnapshot, Snapshot};

use crate::http::Answer;
use crate::wall::WALL;

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

/// What share of each class was turned away in the last second, if anybody asked.
static BLOCKED: Mutex<Vec<Option<f64>>> = Mutex::new(Vec::new());

/// Takes a look at the wall each second, for ever.
pub(crate) fn watch() -> ! {
    let mut before = WALL.snapshot();
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = WALL.snapshot();
        *BLOCKED.lock().expect("nobody panics with it") = blocked(&before, &now);
        before = now;
    }
}

fn blocked(before: &Snapshot, now: &Snapshot) -> Vec<Option<f64>> {
    let both = before.classes().iter().zip(now.classes());
    let share = |(before, now): (&ClassSnapshot, &ClassSnapshot)| {
        let rejected = rejected(now) - rejected(before);
        let asked = now.admitted - before.admitted + rejected;
        (asked > 0).then(|| rejected as f64 / asked as f64)
    };
    both.map(share).collect()
}

fn rejected(class: &ClassSnapshot) -> u64 {
    class.shed + class.class_full + class.pool_full
}

pub(crate) fn answer() -> Answer {
    let snapshot = WALL.snapshot();
    let (capacity, utilization) = (snapshot.capacity, snapshot.utilization);
    let in_use: u32 = snapshot.classes().iter().map(|class| class.in_use).sum();
    let mut page = format!(
        "{HEAD}<h1>{:.0} % in use</h1>\n\
         <p><meter max=\"1\" high=\"0.9\" value=\"{utilization:.3}\"></meter> {in_use} of {capacity} threads\n\
         <table>\n<tr><th>class<th colspan=\"2\">in use / cap<th>guarantee<th>turned away<br>in 1 s\
         <th>shed now<th>admitted<th>shed<th>class full<th>pool full\n",
        100.0 * utilization,
    );
    let blocked = BLOCKED.lock().expect("nobody panics with it").clone();
    let blocked = blocked.into_iter().chain([None].into_iter().cycle());
    for (class, blocked) in snapshot.classes().iter().zip(blocked) {
        write_row(&mut page, class, blocked);
    }
    page += "</table>\n";
    Answer::new("200 OK", "text/html; charset=utf-8", page)
}

fn write_row(page: &mut String, class: &ClassSnapshot, blocked: Option<f64>) {
    let blocked = blocked.map_or("–".to_owned(), |share| format!("{:.0} %", 100.0 * share));
    let ClassSnapshot {
        name,
        in_use,
        cap,
        guarantee,
        ..
    } = class;
    write!(
        page,
        "<tr><td>{name}<td class=\"bar\"><meter max=\"{cap}\" value=\"{in_use}\"></meter><td>{in_use} / {cap}\
         <td>{guarantee}<td>{blocked}<td>{:.0} %",
        100.0 * class.reject_probability
    )
    .expect("a string takes all");
    for count in [
        class.admitted,
        class.shed,
        class.class_full,
        class.pool_full,
    ] {
        write!(page, "<td>{count}").expect("a string takes all");
    }
    page.push('\n');
}
