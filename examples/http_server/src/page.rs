//! The status page: how full the pool is, who is in it, and who is turned away.

use std::fmt::Write as _;

use floodwall::ClassSnapshot;

use crate::http::Answer;
use crate::wall::WALL;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="1">
<title>floodwall</title>
<style>
body { font: 16px sans-serif; max-width: 60em; margin: 2em auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3em .6em; }
th:first-child, td:first-child { text-align: left; }
td.bar { width: 40%; }
meter { width: 100%; height: 1.4em; }
</style>
"#;

pub(crate) fn answer() -> Answer {
    let snapshot = WALL.snapshot();
    let (capacity, utilization) = (snapshot.capacity, snapshot.utilization);
    let in_use: u32 = snapshot.classes().iter().map(|class| class.in_use).sum();
    let rows: String = snapshot.classes().iter().map(row).collect();
    let page = format!(
        "{HEAD}<h1>{:.0} % in use</h1>\n\
         <p><meter max=\"1\" high=\"0.75\" value=\"{utilization:.3}\"></meter> {in_use} of {capacity} threads</p>\n\
         <table>\n<tr><th>class<th>in use, of its cap<th><th>guarantee<th>shed now\
         <th>admitted<th>shed<th>class full<th>pool full\n{rows}</table>\n",
        100.0 * utilization,
    );
    Answer::new("200 OK", "text/html; charset=utf-8", page)
}

fn row(class: &ClassSnapshot) -> String {
    let ClassSnapshot {
        name,
        in_use,
        cap,
        guarantee,
        ..
    } = class;
    let mut row = format!(
        "<tr><td>{name}<td class=\"bar\"><meter max=\"{cap}\" value=\"{in_use}\"></meter>\
         <td>{in_use} / {cap}<td>{guarantee}<td>{:.0} %",
        100.0 * class.reject_probability
    );
    for count in [
        class.admitted,
        class.shed,
        class.class_full,
        class.pool_full,
    ] {
        write!(row, "<td>{count}").expect("a string takes all");
    }
    row + "\n"
}
