//! A picture of an incident: utilization, who is blocked, and who succeeds, over time.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::play::{Played, Trace};
use crate::traffic::Timeline;

const SIZE: (u32, u32) = (960, 860);
const INK: RGBColor = RGBColor(60, 60, 67);
const GRID: RGBColor = RGBColor(228, 228, 232);
const STORM: RGBColor = RGBColor(253, 240, 224);
const BLUE: RGBColor = RGBColor(31, 103, 178);
const GREEN: RGBColor = RGBColor(34, 140, 96);
const RED: RGBColor = RGBColor(214, 74, 50);

/// One of the three, with a line for each class that it shows.
struct Panel {
    label: &'static str,
    top: f64,
    lines: Vec<Line>,
}

struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Draws the picture of an incident into a folder.
pub(crate) fn draw(played: &Played, folder: &Path) -> Result<(), Box<dyn Error>> {
    let path = folder.join(played.name).with_extension("svg");
    let root = SVGBackend::new(&path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!(
        "{}: {} on 100 threads, {}",
        played.incident, played.storm.name, played.server
    );
    let root = root.titled(&title, ("sans-serif", 21).into_font().color(&INK))?;
    let panels = [utilization(played), blocked(played), successes(played)];
    for (area, panel) in root.split_evenly((panels.len(), 1)).iter().zip(&panels) {
        draw_panel(area, panel, played)?;
    }
    root.present()?;
    Ok(())
}

/// What requests saw when they arrived: Poisson arrivals see time averages.
fn utilization(played: &Played) -> Panel {
    let seen = |traces: &[&Trace]| {
        let sum: f64 = traces.iter().map(|trace| trace.utilization).sum();
        Some(100.0 * sum / traces.len() as f64).filter(|_| !traces.is_empty())
    };
    Panel {
        label: "threads at work, %",
        top: 100.0,
        lines: vec![Line {
            name: "all classes",
            color: INK,
            points: over_time(played, |trace| Some(trace.due), seen),
        }],
    }
}

/// The share of background logins, which are the last class everywhere, that did not get in.
fn blocked(played: &Played) -> Panel {
    let login = played.classes.len() - 1;
    let share = |traces: &[&Trace]| {
        let blocked = traces.iter().filter(|trace| !trace.admitted).count();
        Some(100.0 * blocked as f64 / traces.len() as f64).filter(|_| !traces.is_empty())
    };
    Panel {
        label: "blocked, %",
        top: 100.0,
        lines: vec![Line {
            name: played.classes[login],
            color: color(played.classes[login]),
            points: over_time(
                played,
                |trace| Some(trace.due).filter(|_| trace.class == login),
                share,
            ),
        }],
    }
}

/// How many clients per second, and of which class, got what they wanted.
fn successes(played: &Played) -> Panel {
    let slice = slice(played.timeline).as_secs_f64();
    let rate = |traces: &[&Trace]| Some(traces.len() as f64 / slice);
    let of_class = |(class, &name): (usize, &&'static str)| Line {
        name,
        color: color(name),
        points: over_time(
            played,
            |trace| {
                trace
                    .replied
                    .filter(|_| trace.class == class && trace.succeeded())
            },
            rate,
        ),
    };
    let lines: Vec<_> = played.classes.iter().enumerate().map(of_class).collect();
    let highest = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.1)
        .fold(0.0, f64::max);
    Panel {
        label: "successes per second",
        top: 1.1 * highest,
        lines,
    }
}

/// Slices of time that begin and end where the storm does.
fn slice(timeline: Timeline) -> Duration {
    timeline.calm / 8
}

/// Puts each trace in the slice of time that `when` says, and shows each slice as `shown` says:
/// points at seconds.
fn over_time(
    played: &Played,
    when: impl Fn(&Trace) -> Option<Duration>,
    shown: impl Fn(&[&Trace]) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let (slice, end) = (slice(played.timeline), played.timeline.end());
    let mut slices = vec![vec![]; end.div_duration_f64(slice).ceil() as usize];
    for trace in &played.traces {
        if let Some(at) = when(trace).filter(|&at| at < end) {
            slices[at.div_duration_f64(slice) as usize].push(trace);
        }
    }
    let middle = |number: usize| (number as f64 + 0.5) * slice.as_secs_f64();
    let point = |(number, traces): (usize, &Vec<&Trace>)| Some((middle(number), shown(traces)?));
    slices.iter().enumerate().filter_map(point).collect()
}

fn color(class: &str) -> RGBColor {
    match class {
        "message" => BLUE,
        "wanted login" => GREEN,
        _ => RED,
    }
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    panel: &Panel,
    played: &Played,
) -> Result<(), Box<dyn Error>> {
    let text = ("sans-serif", 14).into_font().color(&INK);
    let seconds = played.timeline.end().as_secs_f64();
    let Range { start, end } = played.timeline.storm();
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(16)
        .x_label_area_size(34)
        .y_label_area_size(62)
        .build_cartesian_2d(0.0..seconds, 0.0..panel.top)?;
    let storm = [(start.as_secs_f64(), 0.0), (end.as_secs_f64(), panel.top)];
    chart.draw_series([Rectangle::new(storm, STORM.filled())])?;
    let decimals = if seconds < 5.0 { 1 } else { 0 };
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(12)
        .y_labels(5)
        .x_label_formatter(&|x| format!("{x:.decimals$}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("time, s")
        .y_desc(panel.label)
        .label_style(text.clone())
        .axis_desc_style(text.clone())
        .draw()?;
    for line in &panel.lines {
        let style = line.color.stroke_width(3);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font(text)
        .draw()?;
    Ok(())
}
