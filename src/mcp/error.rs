use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::headers::HeaderFault;
use super::message::MessageError;
use super::version::{Era, Version};
use crate::model::JsonError;

/// The numbers of errors.
///
/// *Source*: JSON-RPC 2.0, section 5.1; Model Context Protocol 2026-07-28, "Error Codes". Numbers of
/// the gateway's own are 7000 and the HTTP status that goes with the refusal.
pub mod code {
    /// The text is not JSON.
    pub const PARSE: i64 = -32700;
    /// The text is no message.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The parameters cannot be taken.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The server failed.
    pub const INTERNAL: i64 = -32603;
    /// Header and body differ.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The version is not known.
    pub const UNSUPPORTED_VERSION: i64 = -32022;

    /// The number of a refusal with this HTTP status.
    pub fn refusal(status: u16) -> i64 {
        7000 + i64::from(status)
    }
}

/// The metadata of a tool's result that says why the gateway refused the call.
const META_PROBLEM: &str = "io.hardtack/problem";

/// An error as it is told to a caller: its number, one sentence, and more for a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// One of [`code`].
    pub code: i64,
    /// One sentence.
    pub message: String,
    /// What else there is to say.
    pub data: Option<Value>,
}

impl Fault {
    /// An error of this number and sentence.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

impl From<&MessageError> for Fault {
    fn from(error: &MessageError) -> Self {
        let number = match error {
            MessageError::Json(
                JsonError::Syntax(_)
                | JsonError::End(_)
                | JsonError::Trailing(_)
                | JsonError::Utf8(_),
            ) => code::PARSE,
            _ => code::INVALID_REQUEST,
        };
        Self::new(number, error.to_string())
    }
}

impl From<&HeaderFault> for Fault {
    fn from(fault: &HeaderFault) -> Self {
        let number = match fault {
            HeaderFault::Mismatch(_) => code::HEADER_MISMATCH,
            HeaderFault::UnsupportedVersion(_) => code::UNSUPPORTED_VERSION,
            HeaderFault::Meta(_) => code::INVALID_PARAMS,
            HeaderFault::Response => code::INVALID_REQUEST,
        };
        let mut error = Self::new(number, fault.to_string());
        if let HeaderFault::UnsupportedVersion(requested) = fault {
            // As `server/discover` would say it: the older ones are agreed on by `initialize`.
            let known = Version::ALL.iter().filter(|version| version.era() == Era::Modern);
            let supported: Vec<_> = known.map(|version| version.as_str()).collect();
            error.data =
                Some(serde_json::json!({ "supported": supported, "requested": requested }));
        }
        error
    }
}

#[derive(Serialize)]
struct Answer<'a, T> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct ErrorMember<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
}

/// An error response to the request whose identifier was written so; to none where that is not
/// known.
pub fn error(id: Option<&[u8]>, fault: &Fault) -> Vec<u8> {
    let body = ErrorBody { code: fault.code, message: &fault.message, data: fault.data.as_ref() };
    answer(id, ErrorMember { error: body })
}

/// A refusal as the result of a tool: the sentence for the model, the problem for a program.
pub fn tool_error(id: &[u8], era: Era, sentence: &str, problem: Value) -> Vec<u8> {
    let mut told = serde_json::json!({
        "content": [{ "type": "text", "text": sentence }],
        "isError": true,
        "_meta": { META_PROBLEM: problem },
    });
    if let (Era::Modern, Value::Object(members)) = (era, &mut told) {
        members.insert("resultType".to_owned(), "complete".into());
    }
    result(id, told)
}

/// A response to the request whose identifier was written so.
pub fn result(id: &[u8], result: Value) -> Vec<u8> {
    answer(Some(id), serde_json::json!({ "result": result }))
}

fn answer(id: Option<&[u8]>, rest: impl Serialize) -> Vec<u8> {
    let id: Option<&RawValue> = id.and_then(|id| serde_json::from_slice(id).ok());
    serde_json::to_vec(&Answer { jsonrpc: "2.0", id, rest }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_the_identifier_as_it_was_written() {
        let fault = Fault::new(code::refusal(403), "no");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(error(Some(br#""\u0061""#), &fault)),
            r#"{"jsonrpc":"2.0","id":"\u0061","error":{"code":7403,"message":"no"}}"#
        );
        assert_eq!(
            text(error(None, &fault)),
            r#"{"jsonrpc":"2.0","error":{"code":7403,"message":"no"}}"#
        );
        let problem = serde_json::json!({"code": "not-granted"});
        assert_eq!(
            text(tool_error(b"12345678901234567", Era::Modern, "no", problem)),
            concat!(
                r#"{"jsonrpc":"2.0","id":12345678901234567,"result":{"content":"#,
                r#"[{"type":"text","text":"no"}],"isError":true,"#,
                r#""_meta":{"io.hardtack/problem":{"code":"not-granted"}},"resultType":"complete"}}"#
            )
        );
    }

    #[test]
    fn an_unknown_version_is_told_the_known_ones() {
        let fault = Fault::from(&HeaderFault::UnsupportedVersion("1900-01-01".to_owned()));
        assert_eq!(fault.code, -32022);
        let data = fault.data.unwrap();
        assert_eq!(data["requested"], "1900-01-01");
        assert_eq!(data["supported"], serde_json::json!(["2026-07-28"]));
    }
}
