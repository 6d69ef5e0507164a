use std::fmt;

use http::HeaderName;

/// Where a caller or an upstream is told of a trace; in MCP metadata it has the same name.
///
/// *Source*: W3C Trace Context, section 3.2.1; Model Context Protocol 2026-07-28, "`_meta`".
pub(in crate::gateway) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A place in a trace.
///
/// *Shape*: neither identifier is zero. As text it is a `traceparent` of version 00.
///
/// *Source*: W3C Trace Context, section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: [u8; 16],
    /// The span within it.
    pub span: [u8; 8],
    /// Whether the trace is collected.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim_matches([' ', '\t']).split('-');
        let [version] = bytes(fields.next()?)?;
        let (trace, span) = (bytes(fields.next()?)?, bytes(fields.next()?)?);
        let [flags] = bytes(fields.next()?)?;
        // Later versions may add fields; this one has none.
        let is_known = version != 0xff && (version != 0 || fields.next().is_none());
        let is_good = is_known && trace != [0; 16] && span != [0; 8];
        is_good.then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }

    /// The trace, as records name it: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hex::encode(self.trace)
    }
}

/// So many bytes in lower case hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id(), hex::encode(self.span))
    }
}
