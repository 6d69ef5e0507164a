//! What the headers of a request have to agree on with its body.
//!
//! *Source*: MCP 2026-07-28, Streamable HTTP, Request Metadata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::HeaderName;
use serde_json::Value;

use super::era::{LEGACY, check_modern, version_of};
use super::message::{Fault, HEADER_MISMATCH, Request};
use super::tools;

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";

/// Whether a header lists all of these media types.
pub(super) fn has(headers: &HeaderMap, name: HeaderName, types: &[&str]) -> bool {
    let values = headers.get_all(name);
    let listed: Vec<&str> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|item| item.split(';').next().unwrap_or_default().trim())
        .collect();
    types.iter().all(|wanted| listed.iter().any(|item| item.eq_ignore_ascii_case(wanted)))
}

/// Whether a request speaks the protocol without sessions, or tries to.
pub(super) fn is_modern(request: &Request, headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION).map(|value| value.to_str().unwrap_or_default());
    version_of(request).is_some() || version.is_some_and(|version| !LEGACY.contains(&version))
}

/// Whether headers and body say the same.
pub(super) fn agree(request: &Request, headers: &HeaderMap) -> Result<(), Fault> {
    let said =
        |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    let same = |name: &str, body: Option<&str>| match (said(name), body) {
        (Some(header), Some(body)) if header == body => Ok(()),
        _ => Err(mismatch(name)),
    };
    // A body that says too little is at fault itself.
    let version = version_of(request).and_then(Value::as_str);
    if version.is_some() {
        same(VERSION, version)?;
    }
    check_modern(request)?;
    same(METHOD, Some(&request.method))?;
    let named = match request.method.as_str() {
        "tools/call" | "prompts/get" => request.text("name"),
        "resources/read" => request.text("uri"),
        _ => return Ok(()),
    };
    if said(NAME).and_then(decoded).as_deref() != Some(named?) {
        return Err(mismatch(NAME));
    }
    let arguments = request.members("arguments");
    for (argument, header) in tools::in_headers(request.text("name").unwrap_or_default()) {
        let value = arguments.and_then(|arguments| arguments.get(*argument)?.as_str());
        if said(header).map(decoded) != value.map(|value| Some(value.to_owned())) {
            return Err(mismatch(header));
        }
    }
    Ok(())
}

fn mismatch(name: &str) -> Fault {
    Fault::new(HEADER_MISMATCH, format!("the header `{name}` and the body do not agree"))
}

/// A header's value, which may be in base64.
fn decoded(value: &str) -> Option<String> {
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match encoded {
        None => Some(value.to_owned()),
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
    }
}
