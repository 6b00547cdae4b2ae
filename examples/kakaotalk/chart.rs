//! A chart of a run: utilization, rejections and successes over time.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::incidents::RAMP;
use crate::run::{Run, Trace};
use crate::traffic::Timeline;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (960, 840);
const FONT: &str = "sans-serif";
/// Width left of the axis.
const MARGIN: i32 = 70;

const INK: RGBColor = RGBColor(51, 54, 64);
const GRID: RGBColor = RGBColor(226, 228, 233);
const STORM: RGBColor = RGBColor(252, 239, 221);
const STORM_NAME: RGBColor = RGBColor(176, 118, 40);
const BLUE: RGBColor = RGBColor(27, 100, 180);
const GREEN: RGBColor = RGBColor(26, 140, 96);
const RED: RGBColor = RGBColor(212, 68, 46);

/// One of the three panels.
struct Panel {
    title: &'static str,
    top: f64,
    lines: Vec<Line>,
    notes: Vec<Note>,
}

/// A line with its name and color.
struct Line {
    name: &'static str,
    color: RGBColor,
    points: Vec<(f64, f64)>,
}

/// A text at a point, with an optional dashed line below it.
struct Note {
    text: String,
    color: RGBColor,
    at: (f64, f64),
    underlined: bool,
}

/// Draws the chart of a run into a folder.
pub(crate) fn draw(run: &Run, folder: &Path) -> Result<(), Box<dyn Error>> {
    let path = folder.join(run.name).with_extension("svg");
    let root = SVGBackend::new(&path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!(
        "{}: {} on 100 threads, {}",
        run.incident, run.storm.size, run.server
    );
    let root = root
        .margin(10, 0, 0, 0)
        .titled(&title, (FONT, 22).into_font().color(&INK))?;
    let panels = [utilization(run), rejected(run), successes(run)];
    for (area, panel) in root.split_evenly((panels.len(), 1)).iter().zip(panels) {
        draw_panel(area, panel, run)?;
    }
    root.present()?;
    Ok(())
}

/// Plots the utilization seen by arriving requests. Poisson arrivals see time averages.
fn utilization(run: &Run) -> Panel {
    let seen = |traces: &[&Trace]| {
        let sum: f64 = traces.iter().map(|trace| trace.utilization).sum();
        100.0 * sum / traces.len() as f64
    };
    let line = Line {
        name: "all classes",
        color: INK,
        points: over_time(run, |trace| Some(trace.due), seen),
    };
    let Range { start, end } = run.timeline.storm();
    let (start, end) = (start.as_secs_f64(), end.as_secs_f64());
    let mut notes = vec![Note {
        text: run.storm.name.into(),
        color: STORM_NAME,
        at: (start, 0.0),
        underlined: false,
    }];
    if let Some(what) = run.sheds {
        let edge = |text, utilization| Note {
            text,
            color: RED,
            at: (end, 100.0 * utilization),
            underlined: true,
        };
        notes.push(edge(format!("no {what} shed below"), RAMP.0));
        notes.push(edge(format!("all {what} shed above"), RAMP.1));
    }
    Panel {
        title: "threads in use, %",
        top: 100.0,
        lines: vec![line],
        notes,
    }
}

/// Plots the share of background logins, the last class of every scenario, that were rejected.
fn rejected(run: &Run) -> Panel {
    let login = run.classes.len() - 1;
    let share = |traces: &[&Trace]| {
        let rejected = traces.iter().filter(|trace| !trace.admitted).count();
        100.0 * rejected as f64 / traces.len() as f64
    };
    let logins = |trace: &Trace| (trace.class == login).then_some(trace.due);
    Panel {
        title: "rejected, %",
        top: 100.0,
        lines: vec![Line {
            name: run.classes[login],
            color: color(run.classes[login]),
            points: over_time(run, logins, share),
        }],
        notes: vec![],
    }
}

/// Plots the replies per second before the clients' timeout, by class.
fn successes(run: &Run) -> Panel {
    let slice = slice(run.timeline).as_secs_f64();
    let line = |(class, &name): (usize, &&'static str)| {
        let replied = |trace: &Trace| {
            trace
                .replied
                .filter(|_| trace.class == class && trace.succeeded())
        };
        Line {
            name,
            color: color(name),
            points: over_time(run, replied, |traces| traces.len() as f64 / slice),
        }
    };
    let lines: Vec<_> = run.classes.iter().enumerate().map(line).collect();
    let heights = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|point| point.1);
    Panel {
        title: "successes per second",
        top: 1.1 * heights.fold(0.0, f64::max),
        lines,
        notes: vec![],
    }
}

/// Returns the width of a time slice. The storm begins and ends at edges of slices.
fn slice(timeline: Timeline) -> Duration {
    timeline.normal / 8
}

/// Groups traces into time slices by `when`, and returns a step of height `height` for each slice,
/// over seconds.
fn over_time(
    run: &Run,
    when: impl Fn(&Trace) -> Option<Duration>,
    height: impl Fn(&[&Trace]) -> f64,
) -> Vec<(f64, f64)> {
    let (slice, end) = (slice(run.timeline), run.timeline.end());
    let mut slices = vec![vec![]; end.div_duration_f64(slice).ceil() as usize];
    for trace in &run.traces {
        if let Some(at) = when(trace).filter(|&at| at < end) {
            slices[at.div_duration_f64(slice) as usize].push(trace);
        }
    }
    let seconds = slice.as_secs_f64();
    let step = |(number, traces): (usize, &Vec<&Trace>)| {
        let (begin, height) = (number as f64 * seconds, height(traces));
        [(begin, height), (begin + seconds, height)]
    };
    let steps = slices.iter().enumerate().flat_map(step);
    // The share of an empty slice is NaN.
    steps.filter(|(_, height)| height.is_finite()).collect()
}

fn color(class: &str) -> RGBColor {
    match class {
        "message" => BLUE,
        "user login" => GREEN,
        _ => RED,
    }
}

fn draw_panel(area: &Area<'_>, panel: Panel, run: &Run) -> Result<(), Box<dyn Error>> {
    let (caption, area) = area.split_vertically(26);
    draw_caption(&caption, &panel)?;

    let text = (FONT, 14).into_font().color(&INK);
    let seconds = run.timeline.end().as_secs_f64();
    let mut chart = ChartBuilder::on(&area)
        .margin_right(20)
        .margin_bottom(6)
        .x_label_area_size(36)
        .y_label_area_size(MARGIN)
        .build_cartesian_2d(0.0..seconds, 0.0..panel.top)?;

    let Range { start, end } = run.timeline.storm();
    let (start, end) = (start.as_secs_f64(), end.as_secs_f64());
    let storm = [(start, 0.0), (end, panel.top)];
    chart.draw_series([Rectangle::new(storm, STORM.filled())])?;

    let decimals = if seconds < 5.0 { 1 } else { 0 };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(12)
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.decimals$}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("time, s")
        .label_style(text.clone())
        .axis_desc_style(text)
        .draw()?;
    for note in panel.notes {
        let (x, y) = note.at;
        if note.underlined {
            let ends = [(0.0, y), (seconds, y)];
            chart.draw_series(DashedLineSeries::new(
                ends,
                6,
                5,
                note.color.stroke_width(1),
            ))?;
        }
        let at = (x + 0.01 * seconds, y + 0.1 * panel.top);
        let style = (FONT, 13).into_font().color(&note.color);
        chart.draw_series([Text::new(note.text, at, style)])?;
    }
    for line in &panel.lines {
        let points = line.points.iter().copied();
        chart.draw_series(LineSeries::new(points, line.color.stroke_width(2)))?;
    }
    Ok(())
}

/// Draws the title of the panel in bold and the names of its lines in their colors.
fn draw_caption(area: &Area<'_>, panel: &Panel) -> Result<(), Box<dyn Error>> {
    const MIDDLE: i32 = 13;
    let title = (FONT, 15, FontStyle::Bold).into_font().color(&INK);
    area.draw(&Text::new(panel.title, (MARGIN, MIDDLE - 7), title))?;
    for (number, line) in (0..).zip(&panel.lines) {
        let x = MARGIN + 220 + 170 * number;
        let dash = [(x, MIDDLE), (x + 22, MIDDLE)];
        area.draw(&PathElement::new(dash, line.color.stroke_width(3)))?;
        let name = (FONT, 15).into_font().color(&line.color);
        area.draw(&Text::new(line.name, (x + 30, MIDDLE - 7), name))?;
    }
    Ok(())
}
