//! The bars: ratios within one run, so that a slow machine moves both sides; one is a time, for
//! what no peer does in the same way.

use super::Report;
use crate::rows::Subject;
use crate::work;

/// A ratio, or a time, that has to stay on one side of a bound.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What is compared with what.
    pub what: &'static str,
    /// The ratio measured, or the microseconds.
    pub ratio: f64,
    /// The bound, where there is one.
    pub bound: Option<Bound>,
}

/// A bound.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// The ratio may be no more than this.
    AtMost(f64),
    /// The ratio may be no less than this.
    AtLeast(f64),
}

impl Bar {
    /// Whether it holds; what has no bound always does.
    pub fn holds(&self) -> bool {
        match self.bound {
            Some(Bound::AtMost(most)) => self.ratio <= most,
            Some(Bound::AtLeast(least)) => self.ratio >= least,
            None => true,
        }
    }

    /// In words.
    pub fn verdict(&self) -> &'static str {
        match (self.bound, self.holds()) {
            (None, _) => "",
            (Some(_), true) => "pass",
            (Some(_), false) => "FAIL",
        }
    }

    /// The ratio as people write it.
    pub fn ratio(&self) -> String {
        fraction(self.ratio)
    }

    /// The bound as people write it.
    pub fn bound(&self) -> String {
        match self.bound {
            Some(Bound::AtMost(most)) => format!("≤ {}", fraction(most)),
            Some(Bound::AtLeast(least)) => format!("≥ {}", fraction(least)),
            None => String::new(),
        }
    }
}

fn fraction(ratio: f64) -> String {
    match ratio {
        ratio if ratio < 0.25 => format!("1/{}", (10.0 / ratio).round() / 10.0),
        ratio if ratio >= 100.0 => format!("{ratio:.0}"),
        ratio => format!("{ratio:.2}"),
    }
}

/// All bars of a run, and for comparison what has none.
pub fn bars(report: &Report) -> Vec<Bar> {
    use Bound::{AtLeast, AtMost};
    use Subject::*;
    let ratio = |ours, theirs, depth| report.median(ours, depth) / report.median(theirs, depth);
    let growth = report.median(OursWarm, work::DEPTH_MAX) / report.median(OursWarm, 0);
    let threads = report.throughput.two / report.throughput.one;
    let shared = report.throughput.two_shared / report.throughput.one;
    let bar = |what, ratio, bound| Bar { what, ratio, bound };
    vec![
        bar(
            "warm, depth 3 : biscuit-auth's authorizer",
            ratio(OursWarm, BiscuitWarm, 3),
            Some(AtMost(1.0 / 20.0)),
        ),
        bar("warm, depth 10 : warm, depth 0", growth, Some(AtMost(4.0))),
        bar(
            "cold, depth 3 : its signatures alone",
            ratio(OursCold, FloorSignatures, 3),
            Some(AtMost(1.4)),
        ),
        bar(
            "verify a known parent's child, depth 3 : one ed25519 verify",
            ratio(OursVerifyChild, FloorSignature, 3),
            Some(AtMost(1.5)),
        ),
        bar(
            "warm, depth 4 : tenuo's whole request",
            ratio(OursWarm, WarrantWhole, 4),
            Some(AtMost(1.0 / 50.0)),
        ),
        bar(
            "cold, depth 4 : tenuo's whole request",
            ratio(OursCold, WarrantWhole, 4),
            Some(AtMost(0.8)),
        ),
        bar(
            "warm, bound, depth 3 : one ed25519 verify + warm",
            report.median(OursBound, 3)
                / (report.median(FloorSignature, 3) + report.median(OursWarm, 3)),
            Some(AtMost(1.15)),
        ),
        bar("delegate, depth 3, in µs", report.median(OursDelegate, 3), Some(AtMost(150.0))),
        bar("decisions a second, two threads : one (best rounds)", threads, Some(AtLeast(1.8))),
        bar("the same, both with the same tokens", shared, None),
        bar("the same, of hashing: the machine itself", report.throughput.machine, None),
        bar(
            "child of a token met, depth 3, to its decision : one ed25519 verify",
            ratio(OursChild, FloorSignature, 3),
            None,
        ),
        bar(
            "warm, bound, depth 4 : tenuo's whole request",
            ratio(OursBound, WarrantWhole, 4),
            None,
        ),
        bar(
            "warm, depth 4 : tenuo's without its proof",
            ratio(OursWarm, WarrantWithoutProof, 4),
            None,
        ),
        bar(
            "cold, depth 4 : tenuo's without its proof",
            ratio(OursCold, WarrantWithoutProof, 4),
            None,
        ),
        bar(
            "warm, depth 4 : tenuo's proof, chain remembered",
            ratio(OursWarm, WarrantRemembered, 4),
            None,
        ),
        bar("warm, depth 3 : Cedar, request + authorize", ratio(OursWarm, CedarWarm, 3), None),
        bar("cold, depth 3 : JWT + Cedar", ratio(OursCold, JwtCold, 3), None),
        bar("cold, depth 3 : biscuit-auth, cold", ratio(OursCold, BiscuitCold, 3), None),
    ]
}
