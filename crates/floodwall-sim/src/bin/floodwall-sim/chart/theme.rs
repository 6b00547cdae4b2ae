//! Colors and sizes for the place where a picture is shown.

/// Where a picture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// In a file of its own, on white.
    File,
    /// In a page, with the colors of its style sheet. It is small, so that its text stays legible on a phone.
    Page,
}

impl Theme {
    /// Returns width and height of a panel, in pixels.
    pub(super) fn panel_size(self) -> (u32, u32) {
        match self {
            Theme::File => (960, 236),
            Theme::Page => (400, 206),
        }
    }

    /// Returns the size of text, which `plotters` divides by 1.24.
    pub(super) fn text_size(self) -> i32 {
        match self {
            Theme::File => 14,
            Theme::Page => 16,
        }
    }

    /// Returns the width left of the axis. The name of a panel is above the axis.
    pub(super) fn margin(self) -> i32 {
        match self {
            Theme::File => 64,
            Theme::Page => 76,
        }
    }

    /// Returns the width of an entry of the legend.
    pub(super) fn entry_width(self) -> i32 {
        match self {
            Theme::File => 88,
            Theme::Page => 100,
        }
    }

    /// Returns where the legend of a panel begins, if it has this number of entries.
    pub(super) fn legend(self, entries: i32) -> (i32, i32) {
        match self {
            // Right of the name.
            Theme::File => (
                self.panel_size().0 as i32 - 20 - entries * self.entry_width(),
                6,
            ),
            // Below the name.
            Theme::Page => (self.margin(), 26),
        }
    }

    /// Returns the height of the name of a panel and its legend.
    pub(super) fn caption_height(self) -> u32 {
        match self {
            Theme::File => 24,
            Theme::Page => 44,
        }
    }
}
