//! Colors and kinds of lines.
//!
//! The SVG backend of `plotters` knows no dashes and no colors of a style sheet. Each ink is drawn in a key color, which
//! [`paint`] then replaces.

use plotters::style::RGBColor;

use super::theme::Theme;

/// A color, with dashes if it draws lines. Classes have numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Grid,
    Line(usize),
    Dashes(usize),
    Dots(usize),
}

const TEXT: &str = "#333640";
const GRID: &str = "#E2E4E9";
/// Colors that differ for color-blind readers (M. Okabe and K. Ito, 2008), with a darker yellow, which would be too light
/// for a line on white, and gray in place of black.
const CLASSES: [&str; 8] = [
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B", "#A89B00",
];

impl Ink {
    /// Returns the color that `plotters` draws with.
    pub(super) const fn key(self) -> RGBColor {
        RGBColor(0xF0, 0x0F, self.number())
    }

    const fn number(self) -> u8 {
        match self {
            Ink::Text => 0,
            Ink::Grid => 1,
            Ink::Line(class) => 2 + 3 * class as u8,
            Ink::Dashes(class) => 3 + 3 * class as u8,
            Ink::Dots(class) => 4 + 3 * class as u8,
        }
    }

    /// Returns attributes of a line.
    fn dashes(self) -> &'static str {
        match self {
            Ink::Dashes(_) => r#" stroke-dasharray="6 3""#,
            Ink::Dots(_) => r#" stroke-dasharray="2 2""#,
            _ => "",
        }
    }

    fn color(self, theme: Theme) -> String {
        match (self, theme) {
            (Ink::Text, Theme::File) => TEXT.to_owned(),
            (Ink::Text, Theme::Page) => "currentColor".to_owned(),
            (Ink::Grid, Theme::File) => GRID.to_owned(),
            (Ink::Grid, Theme::Page) => "var(--grid)".to_owned(),
            (Ink::Line(class) | Ink::Dashes(class) | Ink::Dots(class), Theme::File) => {
                CLASSES[class % CLASSES.len()].to_owned()
            }
            (Ink::Line(class) | Ink::Dashes(class) | Ink::Dots(class), Theme::Page) => {
                format!("var(--class-{})", class % CLASSES.len())
            }
        }
    }
}

/// Replaces the key colors in a picture with this number of classes.
pub(super) fn paint(svg: &str, classes: usize, theme: Theme) -> String {
    let of_classes =
        (0..classes).flat_map(|class| [Ink::Line(class), Ink::Dashes(class), Ink::Dots(class)]);
    let inks = [Ink::Text, Ink::Grid].into_iter().chain(of_classes);
    inks.fold(svg.to_owned(), |svg, ink| {
        let RGBColor(red, green, blue) = ink.key();
        let key = format!("#{red:02X}{green:02X}{blue:02X}");
        let (color, dashes) = (ink.color(theme), ink.dashes());
        svg.replace(&format!(r#"fill="{key}""#), &format!(r#"fill="{color}""#))
            .replace(
                &format!(r#"stroke="{key}""#),
                &format!(r#"stroke="{color}"{dashes}"#),
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_of_eight_classes_have_different_keys() {
        let mut keys: Vec<u8> = (0..8)
            .flat_map(|class| [Ink::Line(class), Ink::Dashes(class), Ink::Dots(class)])
            .chain([Ink::Text, Ink::Grid])
            .map(Ink::number)
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 26);
    }

    #[test]
    fn keys_are_replaced() {
        let svg = r##"<a stroke="#F00F03"/><b fill="#F00F00" stroke="#F00F01"/>"##;
        assert_eq!(
            paint(svg, 1, Theme::File),
            r##"<a stroke="#0072B2" stroke-dasharray="6 3"/><b fill="#333640" stroke="#E2E4E9"/>"##
        );
        assert_eq!(
            paint(svg, 1, Theme::Page),
            r#"<a stroke="var(--class-0)" stroke-dasharray="6 3"/><b fill="currentColor" stroke="var(--grid)"/>"#
        );
    }
}
