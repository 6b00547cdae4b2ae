//! A page that compares rules, in one file without any other resource.

use std::error::Error;

use floodwall_sim::{Answer, RuleSet};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::chart::{Chart, Theme};
use crate::comparison::Comparison;
use crate::rule_sets::Rules;
use crate::summary::Summary;
use crate::text;

pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// The scenario's text.
    pub(crate) scenario: &'a str,
    pub(crate) comparison: &'a Comparison,
    pub(crate) warnings: &'a [String],
    pub(crate) labels: &'a [String],
    pub(crate) rules: &'a [Rules],
    pub(crate) answers: &'a [Answer],
}

/// The values of the template.
#[derive(Serialize)]
struct Contents<'a> {
    title: &'a str,
    plan: String,
    scenario: &'a str,
    comparison: &'a Comparison,
    warnings: &'a [String],
    sections: Vec<Section<'a>>,
    version: &'a str,
}

/// A part of the page for one set of rules.
#[derive(Serialize)]
struct Section<'a> {
    label: &'a str,
    /// The rules in TOML. `None` without a wall.
    rules: Option<String>,
    picture: String,
    summary: Summary,
    utilization: String,
    size: String,
}

impl Page<'_> {
    pub(crate) fn render(&self) -> Result<String, Box<dyn Error>> {
        let chart = Chart::new(self.answers);
        let sections: Vec<Section<'_>> = self
            .labels
            .iter()
            .zip(self.rules)
            .zip(self.answers)
            .map(|((label, rules), answer)| {
                Ok(Section {
                    label,
                    rules: rules.as_ref().map(RuleSet::to_toml),
                    picture: chart.draw(answer, None, Theme::Page)?,
                    summary: Summary::new(answer),
                    utilization: text::utilization(answer),
                    size: text::size(answer),
                })
            })
            .collect::<Result<_, Box<dyn Error>>>()?;

        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        let page = environment.render_str(
            include_str!("page.html"),
            Serde(Contents {
                title: self.title,
                plan: text::plan(&self.answers[0]),
                scenario: self.scenario,
                comparison: self.comparison,
                warnings: self.warnings,
                sections,
                version: env!("CARGO_PKG_VERSION"),
            }),
        )?;
        Ok(page)
    }
}
