//! As much SVG as two plots need.
//!
//! Colours are classes, so that one style sheet serves light and dark; the ground is part of the
//! picture, which therefore stays readable on a page of either kind.

use std::fmt::{Display, Write};

const STYLE: &str = "
text { font: 13px ui-sans-serif, system-ui, Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.soft { fill: #59636e }
.strong { font-weight: 600 }
.ground { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #e3e8ed }
.axis, .leader { stroke: #8c959f }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
.thick { stroke-width: 3.2 }
.dashed { stroke-dasharray: 6 4 }
.ours { stroke: #0a66c2; fill: #0a66c2 }
.biscuit { stroke: #b35900; fill: #b35900 }
.tenuo { stroke: #8b3fb5; fill: #8b3fb5 }
.jwt { stroke: #1a7f4b; fill: #1a7f4b }
.floor { stroke: #818b98; fill: #818b98 }
path.line { fill: none }
circle.ours, circle.biscuit, circle.tenuo, circle.jwt, circle.floor { stroke: none }
text.ours, text.biscuit, text.tenuo, text.jwt, text.floor { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .soft { fill: #9198a1 }
  .ground { fill: #0d1117; stroke: #3d444d }
  .grid { stroke: #262c34 }
  .axis, .leader { stroke: #656c76 }
  .ours { stroke: #58a6ff; fill: #58a6ff }
  .biscuit { stroke: #f0883e; fill: #f0883e }
  .tenuo { stroke: #d2a8ff; fill: #d2a8ff }
  .jwt { stroke: #56d364; fill: #56d364 }
  .floor { stroke: #9198a1; fill: #9198a1 }
  path.line { fill: none }
}
";

/// A picture in the making.
pub struct Svg {
    body: String,
}

/// Where a text hangs.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Svg {
    /// An empty picture with its ground, and what it shows for whoever cannot see it.
    pub fn new(width: f64, height: f64, title: &str, shows: &str) -> Self {
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title>\n<desc id=\"d\">{shows}</desc>\n\
             <style>{STYLE}</style>\n"
        );
        let mut svg = Self { body };
        svg.put(format_args!(
            "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            width - 1.0,
            height - 1.0
        ));
        svg.text((24.0, 34.0), Anchor::Start, "title", title);
        svg
    }

    fn put(&mut self, element: impl Display) {
        let _ = writeln!(self.body, "{element}");
    }

    /// A text whose middle line is at a height.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let y = y + 4.5;
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.put(format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through points, with a dot at each if so said.
    pub fn curve(&mut self, class: &str, points: &[(f64, f64)], dots: bool) {
        let through: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        self.put(format_args!("<path class=\"line {class}\" d=\"M{}\"/>", through.join("L")));
        for (x, y) in points.iter().filter(|_| dots) {
            self.put(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
            ));
        }
    }

    /// A bar that lies down.
    pub fn bar(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" rx=\"1.5\"/>"
        ));
    }

    /// The picture as text.
    pub fn finish(mut self) -> String {
        self.put("</svg>");
        self.body
    }
}
