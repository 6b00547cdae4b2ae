//! Pictures over time: a panel for each class, and one for the utilization.

mod ink;
mod theme;

use std::error::Error;
use std::ops::Range;

use floodwall_sim::{Answer, TimelinePart};
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::text;
use ink::Ink;
pub(crate) use theme::Theme;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const FONT: &str = "sans-serif";

/// The scales of pictures that are compared.
pub(crate) struct Chart {
    /// Measured seconds.
    time: Range<f64>,
    /// The highest rate of each class.
    rates: Vec<f64>,
    utilization: f64,
}

/// One of the panels.
struct Panel {
    name: String,
    /// The name of the vertical axis.
    unit: &'static str,
    top: f64,
    lines: Vec<Line>,
}

struct Line {
    name: &'static str,
    ink: Ink,
    width: u32,
    points: Vec<(f64, f64)>,
}

impl Chart {
    /// Returns scales that fit each of these answers, which are of one scenario.
    pub(crate) fn new(answers: &[Answer]) -> Chart {
        let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let rates = (0..answers[0].classes.len()).map(|class| {
            let parts = answers
                .iter()
                .flat_map(|answer| &answer.classes[class].timeline);
            let highest =
                highest(&mut parts.flat_map(|part| [part.attempts, part.admitted, part.good]));
            if highest > 0.0 { 1.05 * highest } else { 1.0 }
        });
        let utilization = answers
            .iter()
            .flat_map(|answer| answer.utilization.timeline.iter().copied());
        let Answer {
            warm_up, seconds, ..
        } = answers[0];
        Chart {
            time: warm_up..warm_up + seconds,
            rates: rates.collect(),
            // It is higher while permits drain after a rule update.
            utilization: 100.0 * highest(&mut utilization.into_iter()).max(1.0),
        }
    }

    /// Draws an answer as SVG.
    pub(crate) fn draw(
        &self,
        answer: &Answer,
        title: Option<&str>,
        theme: Theme,
    ) -> Result<String, Box<dyn Error>> {
        let panels = self.panels(answer);
        let (width, height) = theme.panel_size();
        let title_height = if title.is_some() { 40 } else { 0 };
        let size = (width, title_height + height * panels.len() as u32);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            if theme == Theme::File {
                root.fill(&WHITE)?;
            }
            let (top, area) = root.split_vertically(title_height);
            if let Some(title) = title {
                let style = (FONT, 22).into_font().color(&Ink::Text.key());
                let title = shortened(title, width as i32 - theme.margin(), 22);
                top.draw(&Text::new(title, (theme.margin(), 10), style))?;
            }
            let stopped = answer.stopped.as_ref().map(|stopped| stopped.at);
            for (area, panel) in area.split_evenly((panels.len(), 1)).iter().zip(&panels) {
                self.draw_panel(area, panel, stopped, theme)?;
            }
            root.present()?;
        }
        Ok(ink::paint(&svg, answer.classes.len(), theme))
    }

    fn panels(&self, answer: &Answer) -> Vec<Panel> {
        // A part in which the run was stopped has too few requests.
        let half = 0.5 * answer.seconds / answer.utilization.timeline.len() as f64;
        let is_simulated = |at: f64| {
            let stopped = answer.stopped.as_ref();
            stopped.is_none_or(|stopped| at + half <= stopped.at)
        };
        let mut panels = Vec::new();
        for (number, class) in answer.classes.iter().enumerate() {
            let line = |name, ink, rate: fn(&TimelinePart) -> f64| Line {
                name,
                ink,
                width: if name == "good" { 3 } else { 2 },
                points: class
                    .timeline
                    .iter()
                    .filter(|part| is_simulated(part.at))
                    .map(|part| (part.at, rate(part)))
                    .collect(),
            };
            // The last one is drawn above the others.
            panels.push(Panel {
                name: text::name(&class.name),
                unit: "per second",
                top: self.rates[number],
                lines: vec![
                    line("attempts", Ink::Dots(number), |part| part.attempts),
                    line("admitted", Ink::Dashes(number), |part| part.admitted),
                    line("good", Ink::Line(number), |part| part.good),
                ],
            });
        }
        let times = answer.classes[0].timeline.iter().map(|part| part.at);
        let utilization = answer.utilization.timeline.iter();
        panels.push(Panel {
            name: "utilization".to_owned(),
            unit: "%",
            top: self.utilization,
            lines: vec![Line {
                name: "all classes",
                ink: Ink::Text,
                width: 2,
                points: times
                    .zip(utilization)
                    .filter(|(at, _)| is_simulated(*at))
                    .map(|(at, &value)| (at, 100.0 * value))
                    .collect(),
            }],
        });
        panels
    }

    fn draw_panel(
        &self,
        area: &Area<'_>,
        panel: &Panel,
        stopped: Option<f64>,
        theme: Theme,
    ) -> Result<(), Box<dyn Error>> {
        let (caption, area) = area.split_vertically(theme.caption_height());
        draw_caption(&caption, panel, theme)?;

        let text = (FONT, theme.text_size())
            .into_font()
            .color(&Ink::Text.key());
        let mut chart = ChartBuilder::on(&area)
            .margin_right(20)
            .margin_left(8)
            .margin_bottom(8)
            .margin_top(4)
            .x_label_area_size(36)
            .y_label_area_size(theme.margin() - 8)
            .build_cartesian_2d(self.time.clone(), 0.0..panel.top)?;
        let decimals = decimals(self.time.end - self.time.start);
        let top_decimals = decimals_below(panel.top);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(Ink::Grid.key())
            .axis_style(Ink::Text.key())
            .x_labels(area.dim_in_pixel().0 as usize / 80)
            .y_labels(6)
            .x_label_formatter(&|x| format!("{x:.decimals$}"))
            .y_label_formatter(&|y| match top_decimals {
                0 => text::count(y.round() as u64),
                _ => format!("{y:.top_decimals$}"),
            })
            .x_desc("time, s")
            .y_desc(panel.unit)
            .label_style(text.clone())
            .axis_desc_style(text.clone())
            .draw()?;
        for line in &panel.lines {
            let points = line.points.iter().copied();
            if line.name == "good" {
                let area = line.ink.key().mix(0.12);
                chart.draw_series(AreaSeries::new(points.clone(), 0.0, area))?;
            }
            let style = line.ink.key().stroke_width(line.width);
            chart.draw_series(LineSeries::new(points, style))?;
        }
        if let Some(at) = stopped.filter(|at| self.time.contains(at)) {
            let line = [(at, 0.0), (at, panel.top)];
            chart.draw_series([PathElement::new(line, Ink::Text.key())])?;
            let at = (
                at + 0.01 * (self.time.end - self.time.start),
                0.9 * panel.top,
            );
            chart.draw_series([Text::new("stopped", at, text)])?;
        }
        Ok(())
    }
}

/// Draws the name of the panel in bold, and the names of its lines.
fn draw_caption(area: &Area<'_>, panel: &Panel, theme: Theme) -> Result<(), Box<dyn Error>> {
    const TOP: i32 = 6;
    let color = Ink::Text.key();
    let margin = theme.margin();
    let (left, top) = theme.legend(panel.lines.len() as i32);
    let right = if top == TOP {
        left
    } else {
        area.dim_in_pixel().0 as i32
    };
    let name = (FONT, theme.text_size() + 2, FontStyle::Bold)
        .into_font()
        .color(&color);
    let text = shortened(&panel.name, right - margin, theme.text_size() + 2);
    area.draw(&Text::new(text, (margin, TOP), name))?;
    for (number, line) in (0..).zip(&panel.lines) {
        let x = left + theme.entry_width() * number;
        let sample = [(x, top + 7), (x + 22, top + 7)];
        let style = line.ink.key().stroke_width(line.width);
        area.draw(&PathElement::new(sample, style))?;
        let name = (FONT, theme.text_size()).into_font().color(&color);
        area.draw(&Text::new(line.name, (x + 27, top), name))?;
    }
    Ok(())
}

/// Returns the beginning of a text if all of it would be wider, in pixels, than this.
fn shortened(text: &str, width: i32, size: i32) -> String {
    // A letter is about half as wide as high.
    let most = (2 * width.max(0) / size) as usize;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Returns the decimals of about ten marks on an axis of this length.
fn decimals(length: f64) -> usize {
    match length {
        length if length >= 10.0 => 0,
        length if length >= 1.0 => 1,
        length if length >= 0.1 => 2,
        _ => 3,
    }
}

/// Returns the decimals of about five marks below this number.
fn decimals_below(top: f64) -> usize {
    decimals(2.0 * top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_shortened() {
        assert_eq!(shortened("message", 100, 16), "message");
        assert_eq!(shortened("message of a friend", 100, 16), "message of …");
        assert_eq!(shortened("message", -5, 16), "…");
    }
}
