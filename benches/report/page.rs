//! The page: each question with its picture and its tables.

use std::error::Error;
use std::fmt::Write;

use crate::machine;
use crate::questions::Question;
use crate::results::{Group, Results};

const COMMANDS: &str = "\
# What it costs

Every number on this page and in its pictures is what the first of these commands has measured and the
second has written down:

```sh
cargo bench
cargo run --release -p floodwall-benches
```

";

const SUBJECTS: &str = "\
Numbers are medians. *The floor* is one `fetch_add` and one `fetch_sub` on a counter that is alone on
its cache line: no permit can cost less. It is measured in each group, among the others. All have 100
permits to hand out, on cache lines of their own. `floodwall` is a wall of 2 classes, neither of which is
shed, where nothing else is said; it counts every admission and every rejection, and that is in its
numbers. `sharded` is a `ShardedBulkhead` of 8 shards. `tokio`, `async-lock` and `asyncband` are
semaphores, asked without waiting; `throttle-net` is a bulkhead, built without a runtime to wait with;
`parking_lot` is a mutex around a counter.
";

const PEERS: &[&str] = &[
    "tokio",
    "async-lock",
    "asyncband",
    "throttle-net",
    "parking_lot",
];

pub(crate) fn page(results: &Results, questions: &[&Question]) -> Result<String, Box<dyn Error>> {
    let mut page = COMMANDS.to_owned();
    let periods = questions
        .iter()
        .filter_map(|question| results.group(question.group).period());
    if let Some(period) = periods.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
        let period = machine::period(period);
        let (machine, peers) = (machine::machine()?, machine::versions(PEERS)?);
        writeln!(page, "Measured on {machine},\n{period},\nbeside {peers}.\n")?;
    }
    page += SUBJECTS;
    for question in questions {
        let Question { group, title, .. } = question;
        let results = results.group(group);
        write!(page, "\n## {title}\n\n{}", question.prose)?;
        page += &turns(&results);
        if question.picture.is_some() {
            write!(page, "\n\n![{title}]({group}.svg)")?;
        }
        for table in (question.tables)(&results) {
            write!(page, "\n\n{}", table.to_string().trim_end())?;
        }
        page += "\n";
    }
    Ok(page)
}

/// That there were fewer cores than threads, where that is so.
fn turns(group: &Group<'_>) -> String {
    let cores = machine::cores();
    let threads = |situation: &str| situation.strip_suffix(" threads")?.parse().ok();
    let most: Option<usize> = group.situations().into_iter().filter_map(threads).max();
    if most > Some(cores) {
        format!("\nHere are {cores} cores: more threads take turns on them, and see that too.")
    } else {
        String::new()
    }
}
