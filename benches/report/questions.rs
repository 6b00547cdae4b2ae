//! The questions in their order, and how each is answered.

use std::error::Error;
use std::path::Path;

use crate::picture;
use crate::results::{FLOOR, Group};
use crate::table::Table;

pub(crate) struct Question {
    /// Criterion's name of the group, the file of its bench, and that of its picture.
    pub(crate) group: &'static str,
    pub(crate) title: &'static str,
    pub(crate) prose: &'static str,
    pub(crate) tables: fn(&Group<'_>) -> Vec<Table>,
    pub(crate) picture: Option<Draw>,
}

type Draw = fn(&Group<'_>, &Path) -> Result<(), Box<dyn Error>>;

pub(crate) const QUESTIONS: &[Question] = &[
    Question {
        group: "uncontended",
        title: "What does a permit cost where nobody is in the way?",
        prose: "One thread takes a permit and gives it back.",
        tables: |group| vec![costs("take and give back", group)],
        picture: Some(picture::uncontended),
    },
    Question {
        group: "contended",
        title: "What does a permit cost where threads fight for it?",
        prose: "\
All threads take and give back on one limit as fast as they can. The time is what one thread sees per
take and give-back, the mean over the threads; none stops before all have measured.",
        tables: |group| vec![costs("take and give back", group)],
        picture: Some(picture::contended),
    },
    Question {
        group: "scaling",
        title: "Which share of the time goes into permits?",
        prose: "\
A thread on each core handles one request after another, all take from one limit, and a handler does
nothing but work for so long. The share is what requests take longer than they do without a permit; what
is near zero, on either side, is lost in what else differs between two measurements. Whose handlers work
for microseconds, or wait, does not need permits on many words.",
        tables: |group| vec![shares(group), costs("a request", group)],
        picture: None,
    },
    Question {
        group: "scarce",
        title: "What does a permit cost where there are hardly any?",
        prose: "\
Threads ask for one permit and give it back, or are turned away: of limits of 1 and 2, and of 100 of which
all but 1 or 2 are out.",
        tables: |group| vec![costs("take and give back, or rejection", group)],
        picture: None,
    },
    Question {
        group: "full",
        title: "What does it cost to be turned away?",
        prose: "\
Nothing is free; only the floor lets in, to compare with. A wall also says why, and counts. *Beside
takers*, one thread is turned away while one on each other core takes and gives back: of a wall, the one
class while the other does; of a limit, who asks for two permits while one comes and goes. Who cannot be
asked for two is not shown.",
        tables: |group| vec![costs("rejection", group), rejections_per_second(group)],
        picture: Some(picture::full),
    },
    Question {
        group: "admit",
        title: "What does the whole wall cost?",
        prose: "\
An admission and its give-back by what the curve has to say, and a rejection by its reason. Inside the
ramp one in two thousand is shed, by draws of the wall's own where no other is named.",
        tables: |group| vec![costs("admission or rejection", group)],
        picture: None,
    },
    Question {
        group: "handler",
        title: "What does a permit add to a handler that works for a microsecond?",
        prose: "\
The handler runs with and without a permit by turns, so that what slows the machine down slows both, and
what is measured is the difference. `nothing` is the handler beside itself: how far from zero that comes
out is how exactly the rest is known.",
        tables: |group| vec![overhead(group)],
        picture: None,
    },
    Question {
        group: "thread_pool",
        title: "What does it cost to send a permit along with a job?",
        prose: "\
Jobs of a fifth of a microsecond go through a channel to two threads, which give the permits back. The
time is that of many jobs, divided by how many they are. Permits are owned, or borrowed from a `static`.
Which rhythm the channel and its threads fall into decides more than a permit does.",
        tables: |group| vec![costs("a job", group)],
        picture: None,
    },
    Question {
        group: "rules",
        title: "What does it cost to change the rules of a live wall?",
        prose: "\
No change is equal to what is in force. *While* means beside one thread that does nothing else.",
        tables: |group| vec![costs("call", group)],
        picture: None,
    },
    Question {
        group: "gauge",
        title: "What does it cost to know how busy one is?",
        prose: "A gauge is entered and left, and read; a wall tells of itself.",
        tables: |group| vec![costs("call", group)],
        picture: None,
    },
];

/// Nanoseconds, and their ratio to the floor, in each situation.
fn costs(what: &str, group: &Group<'_>) -> Table {
    let situations = group.situations();
    let cost = |subject: &str, situation: &str| {
        let median = group.median(subject, situation)?;
        let ratio = |floor| format!(" ({:.2})", median / floor);
        let ratio = group.floor(situation).map_or(String::new(), ratio);
        Some(short(median) + &ratio)
    };
    let row = |subject: &&str| {
        let costs = situations.iter().map(|situation| cost(subject, situation));
        line(subject, costs)
    };
    Table {
        header: header(&format!("{what}: ns (of the floor)"), &situations),
        rows: group.subjects().iter().map(row).collect(),
    }
}

/// What permits take, of all the time.
fn shares(group: &Group<'_>) -> Table {
    const NOTHING: &str = "nothing";
    let situations = group.situations();
    let share = |subject: &str, situation: &str| {
        let with = group.median(subject, situation)?;
        let without = group.median(NOTHING, situation)?;
        Some(format!("{:.1} %", 100.0 * (with - without) / with))
    };
    let row = |subject: &&str| {
        let shares = situations.iter().map(|situation| share(subject, situation));
        line(subject, shares)
    };
    let subjects = group.subjects().into_iter();
    let under: Vec<_> = subjects.filter(|&subject| subject != NOTHING).collect();
    Table {
        header: header("of the time", &situations),
        rows: under.iter().map(row).collect(),
    }
}

/// What one thread turns away in a second, in each situation.
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

/// What each adds to the handler.
fn overhead(group: &Group<'_>) -> Table {
    const HANDLER: &str = "handler";
    let handler = group.median(HANDLER, "");
    let percent = |extra| handler.map(|handler| format!("{:.2} %", 100.0 * extra / handler));
    let row = |subject: &&str| {
        let extra = group.median(subject, "");
        line(subject, [extra.map(short), extra.and_then(percent)])
    };
    let subjects = group.subjects().into_iter();
    let under: Vec<_> = subjects.filter(|&subject| subject != HANDLER).collect();
    let to = handler.map_or(String::new(), |handler| format!("to {handler:.0} ns"));
    Table {
        header: header("under", &["adds, ns", &to]),
        rows: under.iter().map(row).collect(),
    }
}

fn header(what: &str, columns: &[&str]) -> Vec<String> {
    [what]
        .iter()
        .chain(columns)
        .map(|name| name.to_string())
        .collect()
}

fn line(subject: &str, cells: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let cells = cells.into_iter().map(|cell| cell.unwrap_or("-".into()));
    [subject.into()].into_iter().chain(cells).collect()
}

/// Three digits or so.
pub(crate) fn short(number: f64) -> String {
    match number.abs() {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}
