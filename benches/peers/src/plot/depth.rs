//! Cost against depth, one line for each way to decide, on a logarithmic scale.

use super::svg::{Anchor, Svg};
use crate::report::{Report, micros};
use crate::rows::Subject;
use crate::work::{DEPTH_MAX, DEPTHS};

const SIZE: (f64, f64) = (960.0, 560.0);
const LEFT: f64 = 70.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 96.0;
const BOTTOM: f64 = 500.0;

/// The least distance between two labels.
const LABEL: f64 = 19.0;

const LINES: [(Subject, &str, &str); 10] = [
    (Subject::WarrantWhole, "tenuo", "tenuo, whole request"),
    (Subject::OursCold, "ours thick", "Hardtack, never met"),
    (Subject::BiscuitCold, "biscuit", "biscuit-auth, never met"),
    (Subject::FloorSignatures, "floor", "the signatures alone"),
    (Subject::BiscuitWarm, "biscuit dashed", "biscuit-auth, met before"),
    (Subject::JwtCold, "jwt", "JWT + Cedar, no chain"),
    (Subject::WarrantRemembered, "tenuo dashed", "tenuo, chain remembered"),
    (Subject::OursChild, "ours thick", "Hardtack, parent met"),
    (Subject::CedarWarm, "jwt dashed", "Cedar, claims kept"),
    (Subject::OursWarm, "ours thick dashed", "Hardtack, met before"),
];

/// The picture.
pub fn picture(report: &Report) -> String {
    let title = "Cost of one request by delegation depth";
    let shows = "Microseconds a request on a logarithmic scale, at 0 to 10 delegation hops";
    let mut svg = Svg::new(SIZE.0, SIZE.1, title, shows);
    let scale = Scale::of(report);
    scale.draw(&mut svg);
    let mut labels = Vec::new();
    for (subject, class, name) in LINES {
        let points: Vec<(f64, f64)> = DEPTHS
            .iter()
            .filter_map(|depth| Some((x(*depth), scale.y(report.time(subject, *depth)?.median))))
            .collect();
        // What knows no depth was measured once, not at each.
        svg.curve(class, &points, subject.has_depth());
        let value = micros(report.median(subject, DEPTH_MAX));
        let end = points.last().map_or(BOTTOM, |(_, y)| *y);
        labels.push((end, class, format!("{name}: {value}")));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let places = spread(&labels.iter().map(|label| label.0).collect::<Vec<_>>());
    for ((end, class, text), y) in labels.iter().zip(places) {
        svg.line("leader", (RIGHT + 6.0, *end), (RIGHT + 26.0, y));
        svg.text((RIGHT + 32.0, y), Anchor::Start, &text_class(class), text);
    }
    svg.finish()
}

/// Texts have the colour of their line; ours stand out.
fn text_class(class: &str) -> String {
    let colour = class.split(' ').next().unwrap_or_default();
    let strong = if class.contains("thick") { " strong" } else { "" };
    format!("{colour}{strong}")
}

fn x(depth: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * depth as f64 / DEPTH_MAX as f64
}

/// Powers of ten that hold all values.
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn of(report: &Report) -> Self {
        let all = LINES.iter().flat_map(|(subject, ..)| {
            DEPTHS.iter().filter_map(|depth| Some(report.time(*subject, *depth)?.median.log10()))
        });
        let (low, high) = all.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        Self { from: low.floor(), to: high.ceil() }
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * (value.log10() - self.from) / (self.to - self.from)
    }

    fn draw(&self, svg: &mut Svg) {
        let about =
            "microseconds, logarithmic, with the value at 10 hops; dashed: token met before";
        svg.text((24.0, 58.0), Anchor::Start, "soft", about);
        for power in (self.from as i32)..=(self.to as i32) {
            for step in [1.0, 2.0, 5.0] {
                let value = step * 10_f64.powi(power);
                if value.log10() > self.to {
                    continue;
                }
                let y = self.y(value);
                svg.line("grid", (LEFT, y), (RIGHT, y));
                svg.text((LEFT - 10.0, y), Anchor::End, "soft", &format!("{value}"));
            }
        }
        for depth in DEPTHS {
            svg.line("axis", (x(depth), BOTTOM), (x(depth), BOTTOM + 5.0));
            svg.text((x(depth), BOTTOM + 18.0), Anchor::Middle, "soft", &depth.to_string());
        }
        svg.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
        let middle = (LEFT + RIGHT) / 2.0;
        svg.text((middle, BOTTOM + 40.0), Anchor::Middle, "soft", "delegation hops");
    }
}

/// Moves heights, in rising order, apart, each as little as the others allow.
fn spread(heights: &[f64]) -> Vec<f64> {
    let mut places = heights.to_vec();
    for _ in 0..200 {
        for at in 1..places.len() {
            let lack = LABEL - (places[at] - places[at - 1]);
            if lack > 0.0 {
                places[at - 1] -= lack / 2.0;
                places[at] += lack / 2.0;
            }
        }
    }
    places
}
