//! Results in the target directory: one file per group.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The cost of one subject in one situation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The name of the bench.
    pub group: String,
    /// What was measured.
    pub subject: String,
    /// Empty in groups with only one situation.
    pub situation: String,
    /// The median time of a call.
    pub nanoseconds: f64,
    /// The time of a call over that of the floor in the same round: of each round, or the median of each process.
    pub ratio: Spread,
}

/// Where the numbers of a sample lie.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// Half of the sample is at or below it.
    pub median: f64,
    /// A quarter of the sample is at or below the first one, a quarter at or above the second one.
    pub quartiles: (f64, f64),
    /// The 95 % confidence interval of the median.
    pub interval: (f64, f64),
}

impl Spread {
    /// Sorts a sample of at least one number.
    ///
    /// The interval is distribution-free: how many of *n* numbers are below the median of all that could be measured is
    /// binomial, here approximated by the normal distribution (W. J. Conover, *Practical Nonparametric Statistics*).
    pub(crate) fn of(mut numbers: Vec<f64>) -> Spread {
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len() - 1;
        let quartile = |quarters| numbers[last * quarters / 4];
        let distance = 1.96 / 2.0 * (numbers.len() as f64).sqrt();
        let ranks_away = |distance: f64| (last as f64 / 2.0 + distance).clamp(0.0, last as f64);
        Spread {
            median: quartile(2),
            quartiles: (quartile(1), quartile(3)),
            interval: (
                numbers[ranks_away(-distance).floor() as usize],
                numbers[ranks_away(distance).ceil() as usize],
            ),
        }
    }
}

/// Merges the results of several processes.
pub(crate) fn medians(processes: &[Vec<Measured>]) -> Vec<Measured> {
    let (first, _) = processes.split_first().expect("a process has measured");
    let merged = first.iter().enumerate().map(|(index, subject)| {
        let spread = |number: fn(&Measured) -> f64| {
            Spread::of(processes.iter().map(|p| number(&p[index])).collect())
        };
        Measured {
            nanoseconds: spread(|measured| measured.nanoseconds).median,
            ratio: spread(|measured| measured.ratio.median),
            ..subject.clone()
        }
    });
    merged.collect()
}

pub(crate) fn write(group: &str, measured: &[Measured]) -> Result<(), Box<dyn Error>> {
    let folder = target_directory()?.join("turns");
    fs::create_dir_all(&folder)?;
    let file = folder.join(group).with_extension("json");
    fs::write(file, serde_json::to_string_pretty(measured)?)?;
    Ok(())
}

/// Reads the results of a group, and when they were written. There are none if it has not been measured.
///
/// # Errors
/// If the file cannot be read.
pub fn read(group: &str) -> Result<(SystemTime, Vec<Measured>), Box<dyn Error>> {
    let path = target_directory()?
        .join("turns")
        .join(group)
        .with_extension("json");
    if !path.exists() {
        return Ok((SystemTime::UNIX_EPOCH, vec![]));
    }
    let measured = serde_json::from_slice(&fs::read(&path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((path.metadata()?.modified()?, measured))
}

/// Returns the target directory by the same method as criterion, so that both agree.
///
/// # Errors
/// If `cargo metadata` fails.
pub fn target_directory() -> Result<PathBuf, Box<dyn Error>> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let metadata = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()?;
    Ok(serde_json::from_slice::<Metadata>(&metadata.stdout)?.target_directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_of_a_sample() {
        let spread = Spread::of((0..=100).rev().map(f64::from).collect());
        assert_eq!(spread.median, 50.0);
        assert_eq!(spread.quartiles, (25.0, 75.0));
        // Of 101 numbers, at most 40 are below the median with a probability of 2.3 %, at most 41 with 3.6 %: the 41st
        // number from either end.
        assert_eq!(spread.interval, (40.0, 60.0));
        let Spread {
            median, interval, ..
        } = Spread::of(vec![7.0]);
        assert_eq!((median, interval), (7.0, (7.0, 7.0)));
    }

    #[test]
    fn processes_are_merged_by_subject() {
        let measured = |subject: &str, nanoseconds: f64, ratios: [f64; 3]| Measured {
            group: "group".into(),
            subject: subject.into(),
            situation: String::new(),
            nanoseconds,
            ratio: Spread::of(ratios.into()),
        };
        // The median of all ratios of the peer is 2.0, that of the medians 3.0.
        let merged = medians(&[
            vec![
                measured("floor", 4.0, [1.0; 3]),
                measured("peer", 9.0, [1.0, 2.0, 2.0]),
            ],
            vec![
                measured("floor", 6.0, [1.0; 3]),
                measured("peer", 8.0, [1.0, 3.0, 4.0]),
            ],
            vec![
                measured("floor", 5.0, [1.0; 3]),
                measured("peer", 7.0, [1.0, 5.0, 6.0]),
            ],
        ]);
        let of = |m: &Measured| (m.subject.clone(), m.nanoseconds, m.ratio.median);
        let merged: Vec<_> = merged.iter().map(of).collect();
        assert_eq!(
            merged,
            [("floor".into(), 5.0, 1.0), ("peer".into(), 8.0, 3.0)]
        );
    }
}
