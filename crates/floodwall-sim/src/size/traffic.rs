//! Loads as scenarios.

use std::fmt::Write;

use super::candidate::{key, quoted};
use super::loads::{Class, Load, Loads};

/// Holding times before a measurement, in which the pool fills.
pub(super) const WARM_UP: f64 = 6.0;
/// Holding times of each part of [`Loads::to_scenario`].
const PART: f64 = 200.0;

/// Returns a class of a scenario, under a key of TOML.
pub(super) fn class_table(class: &Class, key: &str, rate: &str, holding: f64) -> String {
    let Class {
        permits, retries, ..
    } = class;
    let mut text = format!(
        "[class.{key}]\nrate = {rate}\nholding = {{ exponential = {holding:?} }}\npermits = {permits}\n"
    );
    if *retries > 0 {
        // Uniform between 0 and two mean holding times.
        let longest = 2.0 * holding;
        text += &format!(
            "retries = {{ most = {retries}, first = {longest:?}, factor = 1, longest = {longest:?}, jitter = 1 }}\n"
        );
    }
    text
}

impl Loads {
    /// Returns a scenario in TOML, to [run](crate::Scenario::run) rules with it: the normal loads, the storm, and the
    /// normal loads again. The three are its parts `normal`, `storm` and `recovery`. Holding times are exponential. `threads`
    /// is the number of threads, for a run without a wall.
    ///
    /// # Examples
    /// ```
    /// use floodwall_sim::size::{Loads, size};
    /// use floodwall_sim::Scenario;
    ///
    /// let loads = "capacity = 20\n[class.message]\nnormal = 9\nloss = 0.01\n\
    ///              [class.login]\nnormal = 2\nstorm = 90\npriority = 2";
    /// let loads = Loads::from_toml(loads)?.with_effort(0.001);
    /// let rules = size(&loads, &|_| {})?.recommended().rule_set("proposed")?;
    /// let answer = Scenario::from_toml(&loads.to_scenario(20))?.run(&rules)?;
    /// assert!(answer.part("storm")["message"].good_share.value > 0.98);
    /// assert!(answer.part("storm")["login"].good_share.value < 0.5);
    /// # Ok::<(), floodwall_sim::Error>(())
    /// ```
    #[must_use]
    pub fn to_scenario(&self, threads: u32) -> String {
        let loads = || {
            let classes = self.classes.iter();
            classes.flat_map(|class| [class.normal, class.storm])
        };
        let with_requests = || loads().filter(|load| load.rate > 0.0);
        let longest = with_requests().map(|load| load.holding).fold(0.0, f64::max);
        let retries = self.classes.iter().map(|class| class.retries).max();
        let warm_up = longest * (WARM_UP + 2.0 * f64::from(retries.unwrap_or(0)));
        let part = longest * PART;
        let (begin, end) = (warm_up + part, warm_up + 2.0 * part);
        let last = warm_up + 3.0 * part;
        let mut text = format!(
            "# Exponential holding times; 8 replications.\nwarm_up = {warm_up:?}\nseconds = {:?}\ncool_down = {part:?}\n\
             parts = {{ normal = [{warm_up:?}, {begin:?}], storm = [{begin:?}, {end:?}], recovery = [{end:?}, {last:?}] }}\n",
            3.0 * part
        );
        for class in &self.classes {
            let Class { normal, storm, .. } = *class;
            let rate = if normal.rate == storm.rate {
                format!("{:?}", normal.rate)
            } else {
                let (low, high) = (normal.rate, storm.rate);
                format!(
                    "[[{begin:?}, {low:?}], [{begin:?}, {high:?}], [{end:?}, {high:?}], [{end:?}, {low:?}]]"
                )
            };
            let holding = usual(normal, storm);
            text += &format!(
                "\n{}",
                class_table(class, &key(&class.name), &rate, holding)
            );
        }
        write!(text, "\n[server]\nthreads = {threads}\n").expect("a String takes every text");
        for class in &self.classes {
            let holding = usual(class.normal, class.storm);
            if class.storm.rate > 0.0 && class.storm.holding != holding {
                write!(
                    text,
                    "\n[[backend.phase]]\nfrom = {begin:?}\nto = {end:?}\nslower = {:?}\nclasses = [{}]\n",
                    class.storm.holding / holding,
                    quoted(&class.name)
                )
                .expect("a String takes every text");
            }
        }
        text
    }
}

/// Returns the holding time of a class where nothing is slower.
fn usual(normal: Load, storm: Load) -> f64 {
    if normal.rate > 0.0 {
        normal.holding
    } else {
        storm.holding
    }
}
