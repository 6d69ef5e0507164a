//! The request of `hardtack verify`, JSON to a [`Request`].

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::config::SystemClock;
use crate::model::{Args, Clock, Code, JsonProfile, Reason, Request, Timestamp, Tool};

/// A request as it is written.
///
/// *Shape*: members stand once; `args` keeps its text, so that the strict parser judges the very
/// bytes; a `null` is not an absent member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    tool: String,
    #[serde(default, borrow, deserialize_with = "given")]
    args: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "given")]
    args_raw: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default, deserialize_with = "given")]
    audience: Option<String>,
    #[serde(default, deserialize_with = "given")]
    time: Option<Timestamp>,
    #[serde(default, deserialize_with = "given")]
    method: Option<String>,
    #[serde(default, deserialize_with = "given")]
    path: Option<String>,
}

/// A member that is there: `null` is a value like any other, and mostly a wrong one.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Reads a request.
///
/// *Errors*: a reason with `request-malformed`.
pub(super) fn parse(text: &[u8], profile: JsonProfile) -> Result<Request, Reason> {
    let wire: Wire<'_> = serde_json::from_slice(text).map_err(|error| malformed(json(&error)))?;
    let tool: Tool = wire.tool.parse().map_err(|error| malformed(format!("`tool`: {error}")))?;
    let args = match (wire.args, wire.args_raw) {
        (Some(_), Some(_)) => return Err(malformed("it has both `args` and `args_raw`")),
        (Some(args), None) => Args::parse(args.get(), profile),
        (None, Some(args)) => Args::parse(args, profile),
        (None, None) => Ok(Args::none()),
    };
    let http = match (wire.method, wire.path) {
        (Some(method), Some(path)) => Some((method, path)),
        (None, None) => None,
        _ => return Err(malformed("it has one of `method` and `path` without the other")),
    };
    Ok(Request {
        tool,
        args: args.map_err(malformed)?,
        labels: wire.labels.into_iter().collect(),
        audience: wire.audience.unwrap_or_else(|| "local".to_owned()),
        time: wire.time.unwrap_or_else(|| SystemClock.now()),
        http,
    })
}

/// A reason with `request-malformed`.
pub(super) fn malformed(why: impl std::fmt::Display) -> Reason {
    Reason::new(Code::RequestMalformed, format!("the request cannot be judged: {why}"))
}

/// A parser's message without its Rust.
pub(super) fn json(error: &serde_json::Error) -> String {
    error.to_string().replace("invalid type: ", "").replace(", expected one of", "; known are")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, Reason> {
        parse(text.as_bytes(), JsonProfile::Interoperable)
    }

    #[test]
    fn the_arguments_keep_their_bytes() {
        let request = read(r#"{"tool": "a/b", "args": {"x" :  5.0}}"#).unwrap();
        assert_eq!(request.args.bytes(), br#"{"x" :  5.0}"#);
        let request = read(r#"{"tool": "a/b", "args_raw": "{\"x\" :5}"}"#).unwrap();
        assert_eq!(request.args.bytes(), br#"{"x" :5}"#);
        let request = read(r#"{"tool": "a/b"}"#).unwrap();
        assert_eq!((request.args.bytes(), request.audience.as_str()), (&b"{}"[..], "local"));
    }

    #[test]
    fn what_is_not_strict_is_malformed() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"tool": "a"}"#,
            r#"{"tool": "a/*"}"#,
            r#"{"tool": 5}"#,
            r#"{"tool": "a/b", "tool": "a/c"}"#,
            r#"{"tool": "a/b", "extra": 1}"#,
            r#"{"tool": "a/b", "args": null}"#,
            r#"{"tool": "a/b", "args": []}"#,
            r#"{"tool": "a/b", "args": "{}"}"#,
            r#"{"tool": "a/b", "args": {"x": 1, "x": 2}}"#,
            r#"{"tool": "a/b", "args": {"x": 1, "\u0078": 2}}"#,
            r#"{"tool": "a/b", "args": {"x": "\ud800"}}"#,
            r#"{"tool": "a/b", "args": {"x": 9007199254740993}}"#,
            r#"{"tool": "a/b", "args": {"x": 1e999}}"#,
            r#"{"tool": "a/b", "args": {"x": 01}}"#,
            r#"{"tool": "a/b", "args": {}, "args_raw": "{}"}"#,
            r#"{"tool": "a/b", "args_raw": "{\"x\":1,\"x\":2}"}"#,
            r#"{"tool": "a/b", "args_raw": "{} {}"}"#,
            r#"{"tool": "a/b", "args_raw": {}}"#,
            r#"{"tool": "a/b", "labels": "read"}"#,
            r#"{"tool": "a/b", "time": "now"}"#,
            r#"{"tool": "a/b", "time": null}"#,
            r#"{"tool": "a/b", "method": "GET"}"#,
            r#"{"tool": "a/b"} trailing"#,
        ] {
            assert_eq!(
                read(text).map_err(|reason| reason.code),
                Err(Code::RequestMalformed),
                "{text}"
            );
        }
        let deep =
            format!(r#"{{"tool": "a/b", "args": {}{}}}"#, "[".repeat(5000), "]".repeat(5000));
        assert!(read(&deep).is_err());
    }

    #[test]
    fn integers_of_64_bits_are_for_those_who_ask() {
        let text = br#"{"tool": "a/b", "args": {"x": 9007199254740993}}"#;
        assert!(parse(text, JsonProfile::Integers64).is_ok());
    }
}
