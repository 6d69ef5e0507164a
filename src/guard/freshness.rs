use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::{Code, Reason, Timestamp};
use crate::verify::{RevocationView, Within};

/// The class of tools that have none of the labels.
const OTHERWISE: &str = "write";

/// How old the view of revocations may be for the tools with a label.
///
/// *Shape*: `destructive` 2 s, `write` 10 s, `read` 60 s, unless set. For a tool with several of the
/// labels the strictest holds, for one with none that of `write`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness(BTreeMap<String, u64>);

/// How old the view may be for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound<'a> {
    label: &'a str,
    millis: u64,
}

impl Default for Freshness {
    fn default() -> Self {
        let secs = |secs| Duration::from_secs(secs);
        let none = Self(BTreeMap::new());
        none.label("destructive", secs(2)).label(OTHERWISE, secs(10)).label("read", secs(60))
    }
}

impl Freshness {
    /// How old the view may be for the tools with this label. A view is good for no longer than the
    /// authority says of its heads, 60 s unless it is set otherwise.
    pub fn label(mut self, label: impl Into<String>, age_max: Duration) -> Self {
        let millis = u64::try_from(age_max.as_millis()).unwrap_or(u64::MAX);
        self.0.insert(label.into(), millis);
        self
    }

    /// The bound for a tool with these labels.
    pub(super) fn of(&self, labels: &BTreeSet<String>) -> Bound<'_> {
        let named = self.0.iter().filter(|(label, _)| labels.contains(*label));
        let strictest = named.min_by_key(|(_, millis)| **millis);
        // It is there: labels are set and never taken away.
        let bound = strictest.or_else(|| self.0.get_key_value(OTHERWISE));
        bound.map_or_else(Bound::none, Bound::new)
    }

    /// The bound that no tool is beyond.
    pub(super) fn loosest(&self) -> Bound<'_> {
        self.0.iter().max_by_key(|(_, millis)| **millis).map_or_else(Bound::none, Bound::new)
    }

    /// Whether a view is recent enough for each class of tools.
    pub(super) fn readiness(
        &self,
        view: &dyn RevocationView,
        now: Timestamp,
    ) -> BTreeMap<String, bool> {
        let is_fresh = |millis| Within { view, age_millis_max: millis }.is_fresh(now);
        self.0.iter().map(|(label, millis)| (label.clone(), is_fresh(*millis))).collect()
    }
}

impl<'l> Bound<'l> {
    fn new((label, millis): (&'l String, &u64)) -> Self {
        Self { label, millis: *millis }
    }

    /// What no view is recent enough for.
    fn none() -> Self {
        Self { label: OTHERWISE, millis: 0 }
    }

    /// The view, held to the bound.
    pub(super) fn of<'a>(self, view: &'a dyn RevocationView) -> Within<'a> {
        Within { view, age_millis_max: self.millis }
    }

    /// The reason as it is recorded: one for a stale view names the bound.
    pub(super) fn named(self, reason: Reason) -> Reason {
        match reason.code {
            Code::RevocationStale => {
                let Self { label, millis } = self;
                let message = format!(
                    "revocations of the last {millis} ms are not known, the bound for `{label}`"
                );
                Reason { message, ..reason }
            }
            _ => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_label_holds() {
        let of = |freshness: &Freshness, labels: &[&str]| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            freshness.of(&labels).millis
        };
        let standard = Freshness::default();
        for (labels, millis) in [
            (&["destructive"][..], 2000),
            (&["write"], 10_000),
            (&["read"], 60_000),
            (&["read", "money"], 60_000),
            (&["read", "write"], 10_000),
            (&["read", "write", "destructive"], 2000),
            (&[], 10_000),
            (&["money"], 10_000),
        ] {
            assert_eq!(of(&standard, labels), millis, "{labels:?}");
        }
        assert_eq!(standard.loosest().millis, 60_000);
        let own = standard.label("money", Duration::from_secs(1)).label("write", Duration::ZERO);
        assert_eq!((of(&own, &["read", "money"]), of(&own, &[])), (1000, 0));
    }
}
