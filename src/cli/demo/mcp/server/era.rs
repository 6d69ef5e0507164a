//! Which of the two protocols a request speaks: that with sessions, or that without.

use serde_json::{Value, json};

use super::message::{Fault, INVALID_PARAMS, Request, UNSUPPORTED_VERSION};

/// The version without sessions.
pub(super) const MODERN: &str = "2026-07-28";
/// The versions with sessions, newest first.
pub(super) const LEGACY: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// The two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// A session begins with `initialize`.
    Legacy,
    /// Each request says all about itself in `_meta`.
    Modern,
}

/// The version that a request names in its `_meta`.
pub(super) fn version_of(request: &Request) -> Option<&Value> {
    request.meta(VERSION)
}

/// Whether a request of the era without sessions says all it has to.
///
/// *Source*: MCP 2026-07-28, Overview, per-request protocol fields.
pub(super) fn check_modern(request: &Request) -> Result<(), Fault> {
    let Some(version) = version_of(request).and_then(Value::as_str) else {
        return Err(Fault::new(INVALID_PARAMS, format!("`_meta` has no `{VERSION}`")));
    };
    if version != MODERN {
        let data = json!({ "supported": supported(), "requested": version });
        return Err(Fault::new(UNSUPPORTED_VERSION, "this version is not spoken here").with(data));
    }
    match request.meta(CAPABILITIES) {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(Fault::new(INVALID_PARAMS, format!("`_meta` has no `{CAPABILITIES}`"))),
    }
}

/// All versions, newest first.
pub(super) fn supported() -> Vec<&'static str> {
    [MODERN].into_iter().chain(LEGACY).collect()
}

/// The result of `initialize`: the version that the client asked for, or the newest with sessions.
pub(super) fn initialized(request: &Request) -> Result<Value, Fault> {
    let wanted = request.text("protocolVersion")?;
    let version = LEGACY.into_iter().find(|known| *known == wanted).unwrap_or(LEGACY[0]);
    Ok(json!({
        "protocolVersion": version,
        "capabilities": {
            "tools": { "listChanged": true },
            "resources": { "subscribe": true },
            "prompts": {},
            "completions": {},
            "logging": {},
        },
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    }))
}

/// The result of `server/discover`.
pub(super) fn discovered() -> Value {
    json!({
        "supportedVersions": supported(),
        "capabilities": {
            "tools": { "listChanged": true },
            "resources": { "subscribe": true },
            "prompts": {},
            "completions": {},
        },
        "instructions": INSTRUCTIONS,
    })
}

const INSTRUCTIONS: &str = "Some notes to read and write, and mail to send.";

/// What results of an era have besides what they say.
pub(super) fn finished(era: Era, method: &str, mut result: Value) -> Value {
    if let (Era::Modern, Some(members)) = (era, result.as_object_mut()) {
        members.insert("resultType".to_owned(), json!("complete"));
        members.insert("_meta".to_owned(), json!({ SERVER: server_info() }));
        if method.ends_with("/list") || matches!(method, "resources/read" | "server/discover") {
            let scope = if method == "resources/read" { "private" } else { "public" };
            members.insert("ttlMs".to_owned(), json!(60_000));
            members.insert("cacheScope".to_owned(), json!(scope));
        }
    }
    result
}

fn server_info() -> Value {
    json!({ "name": "hardtack-demo", "version": env!("CARGO_PKG_VERSION") })
}
