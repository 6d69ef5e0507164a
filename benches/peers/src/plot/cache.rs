//! Cost by what the gateway has met before, one group of bars for each state.

use super::svg::{Anchor, Svg};
use crate::report::{Report, micros};
use crate::rows::Subject;

/// The depth at which the states are compared.
const DEPTH: usize = 4;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 250.0;
const RIGHT: f64 = 880.0;
const TOP: f64 = 78.0;
const BAR: f64 = 20.0;
const STEP: f64 = 27.0;
const HEAD: f64 = 32.0;
const GAP: f64 = 14.0;

type Group = (&'static str, &'static [(Subject, &'static str, &'static str)]);

const GROUPS: [Group; 3] = [
    (
        "The token was met before",
        &[
            (Subject::OursWarm, "ours", "Hardtack"),
            (Subject::CedarWarm, "jwt", "Cedar, claims kept"),
            (Subject::WarrantRemembered, "tenuo", "tenuo, chain remembered"),
            (Subject::BiscuitWarm, "biscuit", "biscuit-auth, token kept"),
            (Subject::WarrantDecoded, "tenuo", "tenuo, warrants kept decoded"),
        ],
    ),
    (
        "Only the token it was narrowed from was met before (the others start over)",
        &[(Subject::OursChild, "ours", "Hardtack")],
    ),
    (
        "Nothing was met before",
        &[
            (Subject::JwtCold, "jwt", "JWT + Cedar, no chain"),
            (Subject::OursCold, "ours", "Hardtack"),
            (Subject::BiscuitCold, "biscuit", "biscuit-auth"),
            (Subject::WarrantWhole, "tenuo", "tenuo"),
        ],
    ),
];

/// The picture.
pub fn picture(report: &Report) -> String {
    let bars: usize = GROUPS.iter().map(|(_, bars)| bars.len()).sum();
    let height = TOP + GROUPS.len() as f64 * (HEAD + GAP) + bars as f64 * STEP + 10.0;
    let title = format!("Cost of one request by what was met before, at {DEPTH} hops");
    let shows =
        "Microseconds a request for tokens met before, for children of such, and for others";
    let mut svg = Svg::new(WIDTH, height, &title, shows);
    svg.text((24.0, 58.0), Anchor::Start, "soft", "microseconds a request");
    let values = GROUPS.iter().flat_map(|(_, bars)| bars.iter());
    let most = values.map(|(subject, ..)| report.median(*subject, DEPTH)).fold(0.0, f64::max);
    let mut y = TOP;
    for (head, bars) in GROUPS {
        svg.text((24.0, y + HEAD / 2.0), Anchor::Start, "strong", head);
        y += HEAD;
        let axis_top = y - 3.0;
        for (subject, class, name) in bars {
            let value = report.median(*subject, DEPTH);
            let width = (RIGHT - LEFT) * value / most;
            let middle = y + BAR / 2.0;
            let strong = if *class == "ours" { "strong" } else { "" };
            svg.text((LEFT - 12.0, middle), Anchor::End, strong, name);
            svg.bar(class, (LEFT, y), (width.max(1.0), BAR));
            svg.text((LEFT + width + 9.0, middle), Anchor::Start, strong, &micros(value));
            y += STEP;
        }
        svg.line("axis", (LEFT, axis_top), (LEFT, y - STEP + BAR + 3.0));
        y += GAP;
    }
    svg.finish()
}
