//! Charts of uncontended permits, contended permits and rejections.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::questions::short;
use crate::results::{FLOOR, Group};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawResult = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 960;
const FONT: &str = "sans-serif";

const INK: RGBColor = RGBColor(51, 54, 64);
const GRID: RGBColor = RGBColor(226, 228, 233);
const GRAY: RGBColor = RGBColor(158, 164, 175);
const BLUE: RGBColor = RGBColor(27, 100, 180);
const SKY: RGBColor = RGBColor(96, 165, 232);
const TEAL: RGBColor = RGBColor(0, 150, 165);
const RED: RGBColor = RGBColor(212, 68, 46);
const GREEN: RGBColor = RGBColor(26, 140, 96);
const OCHRE: RGBColor = RGBColor(214, 145, 40);
const PURPLE: RGBColor = RGBColor(128, 84, 176);

pub(crate) fn uncontended(group: &Group<'_>, path: &Path) -> DrawResult {
    let title = "Acquire and release a permit on one thread: nanoseconds";
    bars(title, group, &[""], path)
}

pub(crate) fn full(group: &Group<'_>, path: &Path) -> DrawResult {
    let title = "Reject a request: nanoseconds";
    bars(title, group, &["1 thread", "concurrent acquires"], path)
}

const TITLE: u32 = 50;
const BAR: u32 = 28;
/// Width of the subject names, left of the bars.
const NAMES: i32 = 220;
/// Width of the legend, right of the lines.
const LEGEND: i32 = 150;

/// Draws a panel for each situation, with a bar for each subject.
fn bars(title: &str, group: &Group<'_>, situations: &[&str], path: &Path) -> DrawResult {
    let panels = situations.iter().map(|&situation| {
        let subjects = group.subjects().into_iter();
        let bar = |subject| Some((subject, group.median(subject, situation)?));
        let mut bars: Vec<_> = subjects.filter_map(bar).collect();
        bars.sort_by(|a, b| a.1.total_cmp(&b.1));
        (situation, bars)
    });
    let panels: Vec<_> = panels.filter(|(_, bars)| !bars.is_empty()).collect();
    let longest = panels.iter().flat_map(|(_, bars)| bars).map(|bar| bar.1);
    let longest = longest.fold(0.0, f64::max);
    let height = |(situation, bars): &(&str, Vec<_>)| caption(situation) + BAR * bars.len() as u32;

    let size = (WIDTH, TITLE + panels.iter().map(height).sum::<u32>() + 20);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let mut rest = root.margin(10, 0, 0, 0).titled(title, text(22, INK))?;
    for panel in &panels {
        let (area, below) = rest.split_vertically(height(panel));
        let (situation, bars) = panel;
        draw_bars(&area, situation, bars, longest)?;
        rest = below;
    }
    root.present()?;
    Ok(())
}

/// Returns the height of the caption above the bars.
fn caption(situation: &str) -> u32 {
    if situation.is_empty() { 12 } else { 34 }
}

fn draw_bars(area: &Area<'_>, situation: &str, bars: &[(&str, f64)], longest: f64) -> DrawResult {
    let scale = f64::from(WIDTH as i32 - NAMES - 90) / longest;
    let end = |nanoseconds: f64| NAMES + (nanoseconds * scale) as i32;
    let (caption, bar) = (caption(situation) as i32, BAR as i32);

    let bold = (FONT, 15, FontStyle::Bold).into_font().color(&INK);
    area.draw(&Text::new(situation.to_owned(), (NAMES, 10), bold))?;
    for (row, &(subject, nanoseconds)) in (0..).zip(bars) {
        let top = caption + row * bar;
        let middle = top + bar / 2;
        let color = match subject {
            FLOOR => INK,
            _ if is_floodwall_type(subject) => BLUE,
            _ => GRAY,
        };
        let corners = [(NAMES, top + 4), (end(nanoseconds), top + bar - 4)];
        area.draw(&Rectangle::new(corners, color.filled()))?;
        let name = text(15, INK).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(subject.to_owned(), (NAMES - 10, middle), name))?;
    }
    if let Some(&(_, floor)) = bars.iter().find(|(subject, _)| *subject == FLOOR) {
        let bottom = caption + bar * bars.len() as i32;
        let ends = [(end(floor), caption), (end(floor), bottom)];
        area.draw(&DashedPathElement::new(ends, 4, 4, INK.stroke_width(1)))?;
    }
    // Last, so that the floor's line does not cross a number.
    for (row, &(_, nanoseconds)) in (0..).zip(bars) {
        let (left, middle) = (end(nanoseconds) + 4, caption + row * bar + bar / 2);
        let background = [(left, middle - 9), (left + 42, middle + 9)];
        area.draw(&Rectangle::new(background, WHITE.filled()))?;
        let number = text(14, INK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(short(nanoseconds), (left + 4, middle), number))?;
    }
    Ok(())
}

/// Draws a line for each subject over the number of threads.
pub(crate) fn contended(group: &Group<'_>, path: &Path) -> DrawResult {
    let situations = group.situations();
    let line = |subject| {
        let point =
            |(x, situation): (usize, &&str)| Some((x as f64, group.median(subject, situation)?));
        let points: Vec<_> = situations.iter().enumerate().filter_map(point).collect();
        (subject, points)
    };
    let lines: Vec<_> = group.subjects().into_iter().map(line).collect();
    let points = lines.iter().flat_map(|(_, points)| points);
    let range = points.fold(f64::MAX..0.0, |range, &(_, median)| {
        range.start.min(median)..range.end.max(median)
    });

    let root = SVGBackend::new(path, (WIDTH, 540)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = "Acquire and release a permit: nanoseconds, mean over the threads";
    let area = root.margin(10, 0, 0, 0).titled(title, text(22, INK))?;
    let mut chart = ChartBuilder::on(&area)
        .margin_top(12)
        .margin_right(LEGEND)
        .x_label_area_size(36)
        .y_label_area_size(60)
        .build_cartesian_2d(
            0.0..(situations.len() as f64 - 1.0).max(1.0),
            (0.7 * range.start..1.4 * range.end).log_scale(),
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(situations.len())
        .x_label_formatter(&|&x| situations.get(x as usize).copied().unwrap_or("").into())
        .y_label_formatter(&|nanoseconds| format!("{nanoseconds:.0}"))
        .label_style(text(14, INK))
        .draw()?;

    let mut legend = vec![];
    for (subject, points) in &lines {
        let color = color(subject);
        let stroke = color.stroke_width(if is_floodwall_type(subject) { 3 } else { 2 });
        chart.draw_series(LineSeries::new(points.iter().copied(), stroke).point_size(3))?;
        if let Some(end) = points.last() {
            legend.push((chart.backend_coord(end), *subject, color));
        }
    }
    draw_legend(&root, legend)
}

/// Draws the name of each line at its end, without overlaps.
fn draw_legend(area: &Area<'_>, mut ends: Vec<((i32, i32), &str, RGBColor)>) -> DrawResult {
    const DISTANCE: i32 = 20;
    ends.sort_by_key(|((_, y), ..)| *y);
    let mut previous = i32::MIN;
    for ((x, y), subject, color) in ends {
        let middle = y.max(previous.saturating_add(DISTANCE));
        previous = middle;
        let lead = [(x + 8, y), (x + 30, middle)];
        area.draw(&PathElement::new(lead, color.stroke_width(1)))?;
        let name = text(15, color).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(subject.to_owned(), (x + 36, middle), name))?;
    }
    area.present()?;
    Ok(())
}

/// Returns a distinct color for each line, because lines cross.
fn color(subject: &str) -> RGBColor {
    match subject {
        FLOOR => INK,
        "bulkhead" => BLUE,
        "floodwall" => SKY,
        "sharded" => TEAL,
        "tokio" => RED,
        "async-lock" => OCHRE,
        "asyncband" => GREEN,
        "throttle-net" => PURPLE,
        _ => GRAY,
    }
}

fn is_floodwall_type(subject: &str) -> bool {
    ["bulkhead", "sharded", "floodwall"]
        .iter()
        .any(|name| subject.starts_with(name))
}

fn text(size: i32, color: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&color)
}
