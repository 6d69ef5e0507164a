use std::fmt;
use std::sync::Arc;

use rand::RngCore;
use rand::rngs::OsRng;

use super::context::TraceContext;
use super::span::{Kind, Span, SpanRecord};
use crate::model::Clock;

/// Takes spans that are over.
pub trait Export: Send + Sync {
    /// Takes one, without waiting; one that cannot be kept is lost.
    fn export(&self, span: SpanRecord);

    /// Sends what is left; takes its time.
    fn close(&self) {}
}

/// Where spans come from.
///
/// *Shape*: cheap to clone. By default nobody collects any.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Source>>);

pub(super) struct Source {
    pub(super) export: Arc<dyn Export>,
    clock: Arc<dyn Clock>,
    /// What lies between the clock's microseconds and those since 1970.
    offset: u64,
    /// A trace that begins here is collected where a random number is below this.
    share: u64,
}

impl Traces {
    /// Spans for whoever takes them. `share`, from 0 to 1, is how many of the traces that begin here
    /// are collected; what callers name is collected where they say that it is.
    pub fn new(export: Arc<dyn Export>, clock: Arc<dyn Clock>, share: f64) -> Self {
        let offset = clock.now().millis().saturating_mul(1000).saturating_sub(clock.micros());
        // A cast of a number too large gives the largest.
        let share = (share * u64::MAX as f64) as u64;
        Self(Some(Arc::new(Source { export, clock, offset, share })))
    }

    /// Begins the span of a call that names this place as the one above it.
    pub fn begin(&self, kind: Kind, name: &str, parent: Option<TraceContext>) -> Span {
        let Some(source) = &self.0 else { return Span::default() };
        let is_sampled = match &parent {
            Some(parent) => parent.is_sampled,
            None => source.share > 0 && u64::from_be_bytes(source.random()) <= source.share,
        };
        if !is_sampled {
            return Span::default();
        }
        let trace = parent.map_or_else(|| source.random(), |parent| parent.trace);
        let record = SpanRecord {
            context: TraceContext { trace, span: source.random(), is_sampled },
            parent: parent.map(|parent| parent.span),
            is_parent_remote: parent.is_some(),
            kind,
            name: name.to_owned(),
            began: source.now(),
            ended: 0,
            attributes: Vec::new(),
            error: None,
        };
        Span::new(source, record)
    }
}

impl Traces {
    /// Sends what is left.
    pub async fn close(&self) {
        if let Some(source) = self.0.clone() {
            // A panic there takes nothing else with it.
            drop(tokio::task::spawn_blocking(move || source.export.close()).await);
        }
    }
}

impl Source {
    /// The moment, in microseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.clock.micros().saturating_add(self.offset)
    }

    /// An identifier, which is never zero.
    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        while bytes == [0; N] {
            OsRng.fill_bytes(&mut bytes);
        }
        bytes
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traces({})", if self.0.is_some() { "collected" } else { "none" })
    }
}
