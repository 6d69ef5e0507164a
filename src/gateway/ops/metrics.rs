//! What the gateway counts.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::model::{Code, Tool};
use crate::record::{Record, Sink, SinkError};

/// Most tools that are counted by their names. Whoever has a token may name any, so that those of
/// refused calls are not.
const TOOLS_MAX: usize = 2000;

/// One label and its value.
type Label = [(&'static str, &'static str); 1];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decided {
    tool: String,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    server: String,
    cause: &'static str,
}

/// The counters of one gateway.
///
/// *Shape*: cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    decisions: Family<Decided, Counter>,
    stages: Family<Label, Histogram, fn() -> Histogram>,
    failures: Family<Failed, Counter>,
    reloads: Family<Label, Counter>,
    in_flight: Gauge,
    tokens: Gauge,
    token_bytes: Gauge,
    tools: Mutex<HashSet<Tool>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram =
            || Histogram::new(exponential_buckets(0.000_01, 2.0, 20));
        let mut inner = Inner {
            registry: Registry::with_prefix("hardtack_gateway"),
            decisions: Family::default(),
            stages: Family::new_with_constructor(histogram),
            failures: Family::default(),
            reloads: Family::default(),
            in_flight: Gauge::default(),
            tokens: Gauge::default(),
            token_bytes: Gauge::default(),
            tools: Mutex::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let help = "Decisions by tool and code; refused calls by their server alone";
        registry.register("decisions", help, self.decisions.clone());
        let help = "How long calls took: to decide, until the upstream began its answer, and until that went down";
        registry.register_with_unit("stage", help, Unit::Seconds, self.stages.clone());
        let help = "Calls that got no answer of their upstream, by cause";
        registry.register("upstream_failures", help, self.failures.clone());
        registry.register("reloads", "Settings read anew, by outcome", self.reloads.clone());
        registry.register("in_flight", "Calls in flight", self.in_flight.clone());
        registry.register("known_tokens", "Tokens that are remembered", self.tokens.clone());
        let help = "What they take";
        registry.register_with_unit("known_tokens", help, Unit::Bytes, self.token_bytes.clone());
    }
}

impl Metrics {
    /// A stage took so long.
    pub fn took(&self, stage: &'static str, secs: f64) {
        self.0.stages.get_or_create(&[("stage", stage)]).observe(secs);
    }

    /// An upstream gave no answer.
    pub fn failed(&self, server: &str, cause: &'static str) {
        self.0.failures.get_or_create(&Failed { server: server.to_owned(), cause }).inc();
    }

    /// Settings were read anew.
    pub fn reloaded(&self, taken: bool) {
        let outcome = if taken { "taken" } else { "refused" };
        self.0.reloads.get_or_create(&[("outcome", outcome)]).inc();
    }

    /// Everything in the text format of OpenMetrics.
    pub fn text(&self, in_flight: usize, tokens: (u64, u64)) -> String {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.0.in_flight.set(number(in_flight as u64));
        self.0.tokens.set(number(tokens.0));
        self.0.token_bytes.set(number(tokens.1));
        let mut text = String::new();
        // A `String` takes everything.
        let _ = encode(&mut text, &self.0.registry);
        text
    }

    fn decided(&self, record: &Record) {
        let code = record.decision.code().map_or("allowed", Code::as_str);
        let tool = match &record.tool {
            None => String::new(),
            Some(tool) if record.decision.is_allow() && self.is_counted(tool) => tool.to_string(),
            Some(tool) => format!("{}/?", tool.server()),
        };
        self.0.decisions.get_or_create(&Decided { tool, code }).inc();
        self.took("decide", record.micros as f64 / 1e6);
    }

    fn is_counted(&self, tool: &Tool) -> bool {
        let mut tools = self.0.tools.lock().unwrap_or_else(PoisonError::into_inner);
        tools.contains(tool) || (tools.len() < TOOLS_MAX && tools.insert(tool.clone()))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Counts what is recorded.
pub(in crate::gateway) struct CountingSink {
    pub(in crate::gateway) sink: Arc<dyn Sink>,
    pub(in crate::gateway) metrics: Metrics,
}

impl Sink for CountingSink {
    fn write(&self, record: Record) -> Result<(), SinkError> {
        self.metrics.decided(&record);
        self.sink.write(record)
    }

    fn blocks(&self) -> bool {
        self.sink.blocks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Decision;
    use crate::model::{Reason, Timestamp};

    #[test]
    fn a_refused_call_makes_no_series_of_its_own() {
        let metrics = Metrics::default();
        let record = |tool: &str, decision| Record {
            tool: Some(tool.parse().unwrap()),
            ..Record::new(Timestamp::from_millis(0), "g", "p", decision)
        };
        metrics.decided(&record("files/read", Decision::Allow { grant: 0 }));
        for i in 0..3 {
            let denied = Decision::deny(Reason::new(Code::NotGranted, ""));
            metrics.decided(&record(&format!("files/x{i}"), denied));
        }
        let text = metrics.text(2, (1, 100));
        for line in [
            r#"hardtack_gateway_decisions_total{tool="files/read",code="allowed"} 1"#,
            r#"hardtack_gateway_decisions_total{tool="files/?",code="not-granted"} 3"#,
            "hardtack_gateway_in_flight 2",
            "hardtack_gateway_known_tokens 1",
            "hardtack_gateway_known_tokens_bytes 100",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
