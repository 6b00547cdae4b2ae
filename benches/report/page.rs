//! The page: each question with its chart and its tables.

use std::error::Error;
use std::fmt::Write;

use crate::machine;
use crate::questions::Question;
use crate::results::{Group, Results};

const COMMANDS: &str = "\
# Benchmarks

The first command measures. The second writes this page and its charts:

```sh
cargo bench
cargo run --release -p floodwall-benches
```

";

const SUBJECTS: &str = "\
Numbers are medians. The floor is one `fetch_add` and one `fetch_sub` on a counter alone on its cache
line: the minimum work of a permit on one shared counter. It is measured in every group. The subjects of
the first three questions, and those of the question about the admission of a wall, are measured in turn:
their ratios are those to the floor of the same round. What is executed around a call decides too:
one more instruction that does nothing changes some ratios by a fifth. So the loop of a subject has eight
copies, with one to eight such instructions, each for an eighth of the calls: in the first two questions, and
in that about the admission of a wall. `congestion-limiter` has one loop, as have all other questions.

Every subject has 100 permits and its own cache lines unless stated otherwise. `floodwall` is a wall with
2 classes and no curves unless stated otherwise; its numbers include counting every admission and every
rejection. `sharded` is a `ShardedBulkhead` with 8 shards. `tokio`, `async-lock` and `asyncband` are
semaphores, called without waiting. `throttle-net` is a bulkhead, built without an async runtime.
`parking_lot` is a counter behind a mutex.
";

const PEERS: &[&str] = &[
    "tokio",
    "async-lock",
    "asyncband",
    "throttle-net",
    "congestion-limiter",
    "parking_lot",
    "tower",
    "tower-resilience-bulkhead",
];

pub(crate) fn page(results: &Results, questions: &[&Question]) -> Result<String, Box<dyn Error>> {
    let mut page = COMMANDS.to_owned();
    let periods = questions
        .iter()
        .filter_map(|question| results.group(question.group).period());
    if let Some(period) = periods.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
        let period = machine::period(period);
        let (machine, peers) = (machine::machine()?, machine::versions(PEERS)?);
        writeln!(
            page,
            "Measured on {machine},\n{period}.\n\nPeers: {peers}.\n"
        )?;
    }
    page += SUBJECTS;
    for question in questions {
        let Question { group, title, .. } = question;
        let results = results.group(group);
        write!(page, "\n## {title}\n\n{}", question.prose)?;
        page += &oversubscription(&results);
        if question.chart.is_some() {
            write!(page, "\n\n![{title}]({group}.svg)")?;
        }
        for table in (question.tables)(&results) {
            write!(page, "\n\n{}", table.to_string().trim_end())?;
        }
        page += "\n";
    }
    Ok(page)
}

/// Returns a note if the group was measured with more threads than cores.
fn oversubscription(group: &Group<'_>) -> String {
    let cores = machine::cores();
    let threads = |situation: &str| situation.strip_suffix(" threads")?.parse().ok();
    let max: Option<usize> = group.situations().into_iter().filter_map(threads).max();
    if max > Some(cores) {
        format!(
            "\nThe machine has {cores} cores: with more threads, times include waiting for a core."
        )
    } else {
        String::new()
    }
}
