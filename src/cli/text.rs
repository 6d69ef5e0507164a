//! Text for a terminal: styled, and safe whatever strangers wrote into it.

/// How a piece of text looks where colours are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// Headings.
    Bold,
    /// What matters less.
    Dim,
    /// Allowed, verified, passed.
    Good,
    /// Denied, not verified, failed.
    Bad,
}

/// A line of styled pieces.
///
/// *Shape*: what goes in is not trusted. Rendering shows every character that could move the
/// cursor, hide text or turn its direction as an escape such as `\u{1b}`; a line stays one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text(Vec<(Style, String)>);

impl Text {
    /// This text and then a piece.
    pub(super) fn and(mut self, style: Style, piece: impl Into<String>) -> Self {
        self.0.push((style, piece.into()));
        self
    }

    /// A styled piece alone.
    pub(super) fn of(style: Style, piece: impl Into<String>) -> Self {
        Self::default().and(style, piece)
    }

    /// This text and then another.
    pub(super) fn then(mut self, other: impl Into<Text>) -> Self {
        self.0.extend(other.into().0);
        self
    }

    /// The text as the terminal gets it.
    pub(super) fn render(&self, in_colour: bool) -> String {
        let piece = |(style, piece): &(Style, String)| {
            let piece = visible(piece);
            let code = match style {
                _ if !in_colour => return piece,
                Style::Plain => return piece,
                Style::Bold => "1",
                Style::Dim => "2",
                Style::Good => "32",
                Style::Bad => "31",
            };
            format!("\u{1b}[{code}m{piece}\u{1b}[0m")
        };
        self.0.iter().map(piece).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::of(Style::Plain, text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::of(Style::Plain, text)
    }
}

/// A text in which nothing can act on the terminal or deceive the eye.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// JSON text with the same characters as `\u` escapes, which mean the same to its reader.
pub(super) fn json_visible(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hostile(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Controls, invisible characters, and those that turn the direction of text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// A sentence without anything that looks like a token or key: long runs of their characters.
/// A task id is shorter, and names that people choose have neither digits nor capitals throughout.
pub(super) fn without_secrets(text: &str) -> String {
    const RUN_MAX: usize = 36;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=');
    let (mut shown, mut run) = (String::with_capacity(text.len()), String::new());
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(c) if is_part(c) => run.push(c),
            other => {
                let is_word = run.bytes().all(|b| !b.is_ascii_digit() && !b.is_ascii_uppercase());
                shown.push_str(if run.len() > RUN_MAX && !is_word { "…" } else { &run });
                run.clear();
                shown.extend(other);
            }
        }
    }
    shown
}

/// Breaks a text at its spaces into lines of at most so many characters; a longer word is cut.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in visible(text).split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
            used += 1;
        }
        for c in word.chars() {
            if used >= width {
                lines.push(String::new());
                used = 0;
            }
            lines.last_mut().into_iter().for_each(|line| line.push(c));
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_reaches_the_terminal() {
        for text in
            ["\u{1b}[2J", "a\rb", "\u{9b}31m", "\u{202e}cod", "x\u{200b}", "\u{e0041}", "\n"]
        {
            let shown = Text::from(text).render(true);
            assert!(!shown.chars().any(is_hostile), "{shown}");
            let json = json_visible(&serde_json::to_string(text).unwrap());
            assert!(!json.chars().any(is_hostile), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
        assert_eq!(visible("a\u{1b}[1m"), "a\\u{1b}[1m");
        assert_eq!(visible("Zoë 東京"), "Zoë 東京");
    }

    #[test]
    fn secrets_are_left_out_of_sentences() {
        let key = "a1".repeat(32);
        assert_eq!(without_secrets(&format!("`ed25519-private/{key}`")), "`ed25519-private/…`");
        let words = "a-policy-with-a-name-that-goes-on-and-on.datalog";
        for text in ["01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11", words] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrapped("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrapped("aaaaaaa b", 3), ["aaa", "aaa", "a b"]);
        assert_eq!(wrapped("", 3), [""]);
    }
}
