//! The questions in the order of the page, with their tables and charts.

use std::error::Error;
use std::path::Path;

use crate::chart;
use crate::results::{FLOOR, Group};
use crate::table::Table;

pub(crate) struct Question {
    /// Names the criterion group and the file of the chart.
    pub(crate) group: &'static str,
    pub(crate) title: &'static str,
    pub(crate) prose: &'static str,
    pub(crate) tables: fn(&Group<'_>) -> Vec<Table>,
    pub(crate) chart: Option<Draw>,
}

type Draw = fn(&Group<'_>, &Path) -> Result<(), Box<dyn Error>>;

pub(crate) const QUESTIONS: &[Question] = &[
    Question {
        group: "working_point",
        title: "What does a permit cost where walls work?",
        prose: "\
One thread acquires and releases a permit, or is rejected, while the others of a situation stay in use.
`README` is the wall of the README, with 100 permits. On a normal day 40 permits are used by messages
and 10 by logins, and plain limits have 50 of 100 in use. On a busy day messages use 60, ten more than
they are guaranteed. In the storm 78 are in use, 33 of them by logins: there the curve sheds nine of ten
more. *Login, admitted* is the same with a curve that sheds one login in a thousand there, *login, shed*
has 85 in use, where every borrowing login is shed. In the flood all permits are in use. `pressure` is a
normal day at a pressure of 0.9. `exactly(50)` twice is a pool of its own for each class. `example
server` is the wall of `examples/http_server`, with four classes and half of 64 permits in use.
`congestion-limiter` is a limiter with a partition for each of two classes, which releases tokens by a
task.

Subjects are measured in turn, 500 times each; the quartiles are those of the ratios.",
        tables: |group| vec![in_turn("acquire and release, or rejection", group)],
        chart: None,
    },
    Question {
        group: "uncontended",
        title: "What does an uncontended permit cost?",
        prose: "One thread acquires and releases a permit.",
        tables: |group| vec![costs("acquire and release", group)],
        chart: Some(chart::uncontended),
    },
    Question {
        group: "contended",
        title: "What does a contended permit cost?",
        prose: "\
All threads acquire and release on one limit, back to back. The time is per acquire and release on one
thread, the mean over the threads. No thread stops before all have measured, and each is pinned to a core:
else two threads share one for a while, and do not contend. Ratios of one process are stable, but differ
by up to a quarter from those of another. So each subject is measured 10 times, in turn with the others, in
each of 15 processes. Numbers are medians over the processes, and the second table has the 95 % confidence
interval of the median ratio.",
        tables: |group| {
            vec![
                costs("acquire and release", group),
                intervals("acquire and release", group),
            ]
        },
        chart: Some(chart::contended),
    },
    Question {
        group: "scaling",
        title: "What share of request time do permits take?",
        prose: "\
A thread on each core handles requests back to back. All threads acquire from one limit. A handler
computes for the time in the column header. The share is the extra time over a request without a permit,
divided by the whole time; values near zero, positive or negative, are within the noise between two
measurements. Handlers that compute for several microseconds or wait do not need a sharded limit.",
        tables: |group| vec![shares(group), costs("request", group)],
        chart: None,
    },
    Question {
        group: "scarce",
        title: "What does a permit cost near the limit?",
        prose: "\
Each call acquires and releases one permit, or is rejected. The limit is 1, 2, or 100 with 1 or 2 permits
free.",
        tables: |group| vec![costs("acquire and release, or rejection", group)],
        chart: None,
    },
    Question {
        group: "full",
        title: "What does a rejection cost?",
        prose: "\
Every measured call except the floor's is rejected. A wall also reports the reason and counts the
rejection. In the column *concurrent acquires*, one thread is rejected while a thread on each remaining
core acquires and releases. A wall rejects one class and admits the other. A plain limit has one free
permit, and the rejected call requests two. Peers that cannot request two are not measured there.",
        tables: |group| vec![costs("rejection", group), rejections_per_second(group)],
        chart: Some(chart::full),
    },
    Question {
        group: "admit",
        title: "What does a `Floodwall` admission cost?",
        prose: "\
An admission and its release by position on the curve, and a rejection by reason. Below the ramp, which
begins at 61 permits, the class uses 50. If there are other classes, that is more than its thresholds
allow, and the rule is asked. Inside the ramp, one request in two thousand is shed. The wall draws the
samples unless a `Draw` is named.",
        tables: |group| vec![costs("admission or rejection", group)],
        chart: None,
    },
    Question {
        group: "handler",
        title: "What does a permit add to a one-microsecond handler?",
        prose: "\
Batches of the handler with and without a permit alternate, and the difference is measured: a slowdown of
the machine affects both. `no permit` compares the handler with itself: its distance from zero shows the
precision.",
        tables: |group| vec![overhead(group)],
        chart: None,
    },
    Question {
        group: "layer",
        title: "What does a call through the layer cost?",
        prose: "\
A call polls a service until it is ready, calls it, and polls the future to its end. The inner service and
its future are ready at once: `no layer` is such a call without a layer. `floodwall-tower` is the layer of
that crate. `LoadShed + ConcurrencyLimit` are layers of tower. `tower-resilience` is the bulkhead of
tower-resilience-bulkhead, built to reject when full. On two threads, each calls its own clone of the
service, and both share one limit. In the column *rejected*, all permits are in use. There,
`tower-resilience` waits for a timer of zero length, which tokio rounds up to the next millisecond.",
        tables: |group| vec![costs("call", group)],
        chart: None,
    },
    Question {
        group: "thread_pool",
        title: "What does it cost to send a permit with a job?",
        prose: "\
Jobs of about 200 ns go through a channel to two threads, which release the permits. The number is the
total time divided by the number of jobs. Permits are owned, or borrowed from a `static`. The scheduling
of the channel and its threads changes the result more than the permit does.",
        tables: |group| vec![costs("job", group)],
        chart: None,
    },
    Question {
        group: "rules",
        title: "What does a rule update cost?",
        prose: "\
Every update sets rules that differ from those in force. *During* means that one other thread repeats the
named operation.",
        tables: |group| vec![costs("call", group)],
        chart: None,
    },
    Question {
        group: "gauge",
        title: "What does a gauge cost?",
        prose: "Entering a gauge and dropping the guard; reading a gauge; reading a wall.",
        tables: |group| vec![costs("call", group)],
        chart: None,
    },
];

/// Creates a table of nanoseconds, and their ratio to the floor, in each situation.
fn costs(operation: &str, group: &Group<'_>) -> Table {
    let situations = group.situations();
    let cost = |subject: &str, situation: &str| {
        let median = group.median(subject, situation)?;
        let in_turn = group.ratio(subject, situation).map(|ratio| ratio.median);
        let ratio = in_turn.or_else(|| Some(median / group.floor(situation)?));
        let ratio = ratio.map_or(String::new(), |ratio| format!(" ({ratio:.2})"));
        Some(short(median) + &ratio)
    };
    let row = |subject: &&str| {
        let costs = situations.iter().map(|situation| cost(subject, situation));
        line(subject, costs)
    };
    Table {
        header: header(&format!("{operation}: ns (ratio to floor)"), &situations),
        rows: group.subjects().iter().map(row).collect(),
    }
}

/// Creates a table of nanoseconds, and of the ratios to the floor of the same round.
fn in_turn(operation: &str, group: &Group<'_>) -> Table {
    let row = |subject: &&str| {
        let ratio = group.ratio(subject, "");
        let quartiles = ratio.map(|ratio| range(ratio.quartiles));
        let median = ratio.map(|ratio| format!("{:.2}", ratio.median));
        line(
            subject,
            [group.median(subject, "").map(short), median, quartiles],
        )
    };
    Table {
        header: header(operation, &["ns", "of the floor", "quartiles"]),
        rows: group.subjects().iter().map(row).collect(),
    }
}

/// Creates a table of the ratios to the floor of the same round, and the confidence intervals of their medians.
fn intervals(operation: &str, group: &Group<'_>) -> Table {
    let situations = group.situations();
    let interval = |subject: &str, situation: &str| {
        let ratio = group.ratio(subject, situation)?;
        Some(format!("{:.2} ({})", ratio.median, range(ratio.interval)))
    };
    let row = |subject: &&str| {
        let intervals = situations
            .iter()
            .map(|situation| interval(subject, situation));
        line(subject, intervals)
    };
    Table {
        header: header(
            &format!("{operation}: ratio to floor (95 % confidence)"),
            &situations,
        ),
        rows: group.subjects().iter().map(row).collect(),
    }
}

fn range((low, high): (f64, f64)) -> String {
    format!("{low:.2} to {high:.2}")
}

/// Creates a table of the share of time that permits take.
fn shares(group: &Group<'_>) -> Table {
    const NO_PERMIT: &str = "no permit";
    let situations = group.situations();
    let share = |subject: &str, situation: &str| {
        let with = group.median(subject, situation)?;
        let without = group.median(NO_PERMIT, situation)?;
        Some(format!("{:.1} %", 100.0 * (with - without) / with))
    };
    let row = |subject: &&str| {
        let shares = situations.iter().map(|situation| share(subject, situation));
        line(subject, shares)
    };
    let subjects = group.subjects().into_iter();
    let with_permit: Vec<_> = subjects.filter(|&subject| subject != NO_PERMIT).collect();
    Table {
        header: header("share of time", &situations),
        rows: with_permit.iter().map(row).collect(),
    }
}

/// Creates a table of the rejections per second on one thread, in each situation.
fn rejections_per_second(group: &Group<'_>) -> Table {
    let situations = group.situations();
    let millions = |nanoseconds| short(1e3 / nanoseconds);
    let row = |subject: &&str| {
        let medians = situations
            .iter()
            .map(|situation| group.median(subject, situation));
        line(subject, medians.map(|median| median.map(millions)))
    };
    let subjects = group.subjects().into_iter();
    let rejecting: Vec<_> = subjects.filter(|&subject| subject != FLOOR).collect();
    Table {
        header: header("rejections per second and thread, millions", &situations),
        rows: rejecting.iter().map(row).collect(),
    }
}

/// Creates a table of the time that each subject adds to the handler.
fn overhead(group: &Group<'_>) -> Table {
    const HANDLER: &str = "handler";
    let handler = group.median(HANDLER, "");
    let percent = |extra| handler.map(|handler| format!("{:.2} %", 100.0 * extra / handler));
    let row = |subject: &&str| {
        let extra = group.median(subject, "");
        line(subject, [extra.map(short), extra.and_then(percent)])
    };
    let subjects = group.subjects().into_iter();
    let permits: Vec<_> = subjects.filter(|&subject| subject != HANDLER).collect();
    let of = handler.map_or(String::new(), |handler| format!("of {handler:.0} ns"));
    Table {
        header: header("permit", &["adds, ns", &of]),
        rows: permits.iter().map(row).collect(),
    }
}

fn header(first: &str, columns: &[&str]) -> Vec<String> {
    [first]
        .iter()
        .chain(columns)
        .map(|name| name.to_string())
        .collect()
}

fn line(subject: &str, cells: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let cells = cells.into_iter().map(|cell| cell.unwrap_or("-".into()));
    [subject.into()].into_iter().chain(cells).collect()
}

/// Formats a number with about three significant digits.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}
