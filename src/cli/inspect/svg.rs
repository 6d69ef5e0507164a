//! Cards below each other with arrows between, as SVG.
//!
//! *Shape*: what goes in is not trusted. Every text is made visible and escaped, and each card has so
//! many lines and no more, so that no token makes a large picture. Colours are classes, for light and
//! dark; the ground is part of the picture.

use std::fmt::Write;

use super::super::text::{visible, wrapped};

const WIDTH: usize = 720;
/// Around the cards.
const MARGIN: usize = 20;
/// Between a card's border and its text.
const PADDING: usize = 14;
/// From one line to the next.
const LINE: usize = 19;
/// Of the further lines of a text.
const INDENT: usize = 16;
/// Between two cards: the arrow's length.
const GAP: usize = 30;

/// Characters in a line: 650 wide, and a character of 13 is 7.8.
const CHARS: usize = 83;
/// Lines of one text.
const TEXT_LINES_MAX: usize = 6;
/// Texts of one card.
const TEXTS_MAX: usize = 24;

const STYLE: &str = "
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
fill: #1f2328 }
.strong { font-weight: 700 }
.soft { fill: #59636e }
.good { fill: #1a7f37; font-weight: 700 }
.bad { fill: #cf222e; font-weight: 700 }
.ground { fill: #ffffff; stroke: #d1d9e0 }
.card { fill: #f6f8fa; stroke: #59636e }
.dashed { stroke-dasharray: 6 4 }
.arrow { stroke: #59636e; stroke-width: 1.5; fill: none }
.tip { fill: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .soft { fill: #9198a1 }
  .good { fill: #56d364 }
  .bad { fill: #ff7b72 }
  .ground { fill: #0d1117; stroke: #3d444d }
  .card { fill: #161b22; stroke: #9198a1 }
  .arrow { stroke: #9198a1 }
  .tip { fill: #9198a1 }
}
";

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Strong,
    Plain,
    Soft,
    Good,
    Bad,
}

impl Look {
    fn class(self) -> &'static str {
        match self {
            Self::Strong => "strong",
            Self::Plain => "plain",
            Self::Soft => "soft",
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }
}

/// Texts in a frame.
#[derive(Default)]
pub(super) struct Card {
    pub(super) texts: Vec<(Look, String)>,
    /// Whether it is less than a hop.
    pub(super) is_dashed: bool,
}

impl Card {
    pub(super) fn and(mut self, look: Look, text: impl Into<String>) -> Self {
        self.texts.push((look, text.into()));
        self
    }

    /// The lines that are drawn.
    fn lines(&self) -> Vec<Line> {
        let texts = self.texts.iter().take(TEXTS_MAX);
        let mut lines: Vec<_> = texts.flat_map(|(look, text)| broken(*look, text)).collect();
        if self.texts.len() > TEXTS_MAX {
            let text = format!("… and {} more", self.texts.len() - TEXTS_MAX);
            lines.push(Line { look: Look::Soft, text, is_further: false });
        }
        lines
    }
}

/// A line of a text.
struct Line {
    look: Look,
    text: String,
    /// Whether it is not the first of its text.
    is_further: bool,
}

/// A text in a few lines.
fn broken(look: Look, text: &str) -> impl Iterator<Item = Line> {
    let width = if text.chars().any(is_wide) { CHARS / 2 } else { CHARS };
    let short: String = text.chars().take(CHARS * TEXT_LINES_MAX).collect();
    let mut lines = wrapped(&short, width - 2);
    if lines.len() > TEXT_LINES_MAX || short.len() < text.len() {
        lines.truncate(TEXT_LINES_MAX);
        lines.push("…".to_owned());
    }
    let line = move |(index, text)| Line { look, text, is_further: index > 0 };
    lines.into_iter().enumerate().map(line)
}

/// Whether a character may take two columns: any that is not Latin.
fn is_wide(c: char) -> bool {
    c > '\u{24f}' && c != '…'
}

/// The picture: cards with arrows between, and one that stands apart below them.
pub(super) fn draw(title: &str, cards: &[Card], last: &Card) -> String {
    let (mut body, mut y) = (String::new(), MARGIN);
    for (index, card) in cards.iter().enumerate() {
        if index > 0 {
            arrow(&mut body, y);
            y += GAP;
        }
        y += frame(&mut body, card, y);
    }
    y += GAP / 2;
    y += frame(&mut body, last, y);
    let (height, title) = (y + MARGIN, escaped(&visible(title)));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"t\">\n\
         <title id=\"t\">{title}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n{body}</svg>\n",
        WIDTH - 1,
        height - 1
    )
}

/// Draws a card, and gives its height.
fn frame(body: &mut String, card: &Card, y: usize) -> usize {
    let lines = card.lines();
    let (width, height) = (WIDTH - 2 * MARGIN, lines.len() * LINE + 2 * PADDING - 4);
    let class = if card.is_dashed { "card dashed" } else { "card" };
    put(
        body,
        format_args!(
            "<rect class=\"{class}\" x=\"{MARGIN}\" y=\"{y}\" width=\"{width}\" \
             height=\"{height}\" rx=\"8\"/>"
        ),
    );
    for (row, line) in lines.iter().enumerate() {
        let indent = if line.is_further { INDENT } else { 0 };
        let (x, at) = (MARGIN + PADDING + indent, y + PADDING + 11 + row * LINE);
        let (class, text) = (line.look.class(), escaped(&line.text));
        put(body, format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{at}\">{text}</text>"));
    }
    height
}

fn arrow(body: &mut String, y: usize) {
    let (x, end) = (WIDTH / 2, y + GAP);
    put(body, format_args!("<path class=\"arrow\" d=\"M{x} {y}V{}\"/>", end - 7));
    let (left, right, top) = (x - 5, x + 5, end - 9);
    put(body, format_args!("<path class=\"tip\" d=\"M{left} {top}H{right}L{x} {end}z\"/>"));
}

fn put(body: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(body, "{element}");
}

/// A text as XML holds it, with nothing in it that deceives the eye; what XML has no form for becomes a
/// replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let text = "</text><script>alert('&\"')</script>\u{0}\u{1b}\u{202e}\u{ffff}";
        let card = || Card::default().and(Look::Bad, text);
        let drawn = draw(text, &[card()], &card());
        assert!(!drawn.contains("<script") && !drawn.contains("&\"") && !drawn.contains("('"));
        assert!(!drawn.contains(['\0', '\u{1b}', '\u{202e}', '\u{ffff}']), "{drawn}");
        assert_eq!(drawn.matches("</text>").count(), drawn.matches("<text ").count());
    }

    #[test]
    fn no_text_makes_a_large_picture() {
        for text in ["a".repeat(100_000), "a ".repeat(100_000), "漢\u{1b}".repeat(100_000)] {
            let texts = vec![(Look::Plain, text); 1000];
            let lines = Card { texts, is_dashed: false }.lines();
            assert!(lines.len() <= TEXTS_MAX * (TEXT_LINES_MAX + 1) + 1);
            for Line { text: line, .. } in lines {
                let wide = line.chars().filter(|c| is_wide(*c)).count();
                assert!(line.chars().count() + wide <= CHARS - 2, "{line}");
            }
        }
    }
}
