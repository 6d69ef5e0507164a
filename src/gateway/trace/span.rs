use std::fmt;
use std::sync::Arc;

use super::context::TraceContext;
use super::traces::Source;

/// What a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call that came in.
    Server,
    /// A request that went up.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// A span that is over, or under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRecord {
    /// Its place.
    pub context: TraceContext,
    /// The span above it.
    pub parent: Option<[u8; 8]>,
    /// Whether that one is somebody else's.
    pub is_parent_remote: bool,
    /// What it stands for.
    pub kind: Kind,
    /// What it is called: one of few.
    pub name: String,
    /// When it began, in microseconds since 1970.
    pub began: u64,
    /// When it ended; before that, zero.
    pub ended: u64,
    /// What is known of it.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A span under way, which ends when it is dropped.
///
/// *Shape*: where nobody collects its trace there is nothing to it.
#[derive(Default)]
pub struct Span(Option<Box<Live>>);

struct Live {
    source: Arc<Source>,
    record: SpanRecord,
}

impl Span {
    pub(super) fn new(source: &Arc<Source>, record: SpanRecord) -> Self {
        Self(Some(Box::new(Live { source: Arc::clone(source), record })))
    }

    /// Its place, where its trace is collected.
    pub fn context(&self) -> Option<TraceContext> {
        self.0.as_ref().map(|live| live.record.context)
    }

    /// A span below this one, that begins now.
    pub fn child(&self, kind: Kind) -> Self {
        let Some(live) = &self.0 else { return Self::default() };
        let of = &live.record;
        let context = TraceContext { span: live.source.random(), ..of.context };
        let record = SpanRecord {
            context,
            parent: Some(of.context.span),
            is_parent_remote: false,
            kind,
            name: of.name.clone(),
            began: live.source.now(),
            ended: 0,
            attributes: Vec::new(),
            error: None,
        };
        Self::new(&live.source, record)
    }

    /// Gives it another name.
    pub fn rename(&mut self, name: impl FnOnce() -> String) {
        if let Some(live) = &mut self.0 {
            live.record.name = name();
        }
    }

    /// Says something of it.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(live) = &mut self.0 {
            live.record.attributes.push((key, value.into()));
        }
    }

    /// Says why it failed: one of few words, of which the first counts.
    pub fn fail(&mut self, error: &str) {
        if let Some(live) = &mut self.0 {
            live.record.error.get_or_insert_with(|| error.to_owned());
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.record.ended = self.source.now();
        self.source.export.export(self.record.clone());
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Span({:?})", self.context())
    }
}
