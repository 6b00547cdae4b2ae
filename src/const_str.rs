//! Error texts that are built in const contexts, so that a panic at compile time and an error at run time have the same
//! text.

/// Longer texts are truncated. Only a class name can make a text that long.
const MAX_LEN: usize = 256;

/// 10 to the number of digits after the point.
const DECIMAL_ONE: u64 = 1_000_000_000_000;

/// A string of at most [`MAX_LEN`] bytes, built by chained calls that each append to it.
#[derive(Clone, Copy)]
pub(crate) struct ConstStr {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl ConstStr {
    pub(crate) const fn new() -> Self {
        ConstStr {
            bytes: [0; MAX_LEN],
            len: 0,
        }
    }

    pub(crate) const fn str(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.len < MAX_LEN {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    pub(crate) const fn int(self, number: u64) -> Self {
        let this = if number >= 10 {
            self.int(number / 10)
        } else {
            self
        };
        this.byte(b'0' + (number % 10) as u8)
    }

    /// Appends a decimal with up to twelve digits after the point. If rounding makes it an integer,
    /// `about` precedes it.
    pub(crate) const fn decimal(self, number: f64) -> Self {
        if number.is_nan() {
            return self.str("NaN");
        }
        let (sign, number) = if number < 0.0 {
            ("-", -number)
        } else {
            ("", number)
        };
        if number == f64::INFINITY {
            return self.str(sign).str("inf");
        }
        if number > 1e6 {
            return self.str(sign).str("(more than 1000000)");
        }
        let scaled = (number * DECIMAL_ONE as f64 + 0.5) as u64;
        let (whole, mut rest) = (scaled / DECIMAL_ONE, scaled % DECIMAL_ONE);
        let is_rounded = rest == 0 && number != whole as f64;
        let this = self.str(if is_rounded { "about " } else { "" }).str(sign);
        let (mut this, mut unit) = (this.int(whole), DECIMAL_ONE / 10);
        if rest > 0 {
            this = this.byte(b'.');
        }
        while rest > 0 {
            this = this.byte(b'0' + (rest / unit) as u8);
            rest %= unit;
            unit /= 10;
        }
        this
    }

    const fn byte(mut self, byte: u8) -> Self {
        if self.len < MAX_LEN {
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        self
    }

    /// Returns the text, truncated after its last complete character.
    pub(crate) const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.len);
        let whole = match core::str::from_utf8(text) {
            Ok(_) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        match core::str::from_utf8(text.split_at(whole).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}
