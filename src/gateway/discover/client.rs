use serde_json::{Value, json};

use super::Offered;
use super::line::Line;
use crate::config::gateway::Server;
use crate::mcp::{Era, ListKind, Reply, Version, narrow};

/// Most pages of a list.
const PAGES_MAX: usize = 100;

/// Why a server could not be asked what it offers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// It could not be reached.
    #[error("could not be asked: {0}")]
    Reach(String),
    /// It answered something else.
    #[error("its answer {0}")]
    Answer(String),
}

/// Asks a server for its tools, as any client would: first by the newest version, then by a
/// handshake.
///
/// *Errors*: [`DiscoverError`].
pub async fn tools(server: &Server) -> Result<Vec<Offered>, DiscoverError> {
    let mut line = Line::open(server).await?;
    let modern = Version::V2026_07_28;
    let discovered = line.ask(&question(0, "server/discover", None, Era::Modern), modern).await?;
    let (era, version) = match discovered.is_some_and(|answer| is_result(&answer)) {
        true => (Era::Modern, modern),
        false => (Era::Legacy, handshake(&mut line).await?),
    };
    let (mut offered, mut cursor) = (Vec::new(), None);
    for page in 0..PAGES_MAX {
        let id = page as u64 + 2;
        let asked = line.ask(&question(id, "tools/list", cursor.as_deref(), era), version).await?;
        let answer =
            asked.ok_or_else(|| DiscoverError::Answer("refuses `tools/list`".to_owned()))?;
        if !is_result(&answer) {
            return Err(DiscoverError::Answer("is an error".to_owned()));
        }
        let narrowed = narrow(&answer, Some(ListKind::Tools), era, None, |listed| {
            let (name, definition) = (listed.name.to_owned(), listed.definition.clone());
            offered.push(Offered { name, definition });
            true
        });
        narrowed.map_err(|why| DiscoverError::Answer(format!("is no list: {why}")))?;
        cursor = next(&answer);
        if cursor.is_none() {
            return Ok(offered);
        }
    }
    Err(DiscoverError::Answer(format!("goes on for more than {PAGES_MAX} pages")))
}

async fn handshake(line: &mut Line) -> Result<Version, DiscoverError> {
    let ours = Version::V2025_11_25;
    let client = json!({ "name": "hardtack", "version": env!("CARGO_PKG_VERSION") });
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": { "protocolVersion": ours.as_str(), "capabilities": {}, "clientInfo": client },
    });
    let refused = || DiscoverError::Answer("refuses `initialize`".to_owned());
    let answer = line.ask(&hello, ours).await?.ok_or_else(refused)?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|_| refused())?;
    let version = answer.pointer("/result/protocolVersion").and_then(Value::as_str);
    let version = version.and_then(|text| text.parse().ok()).ok_or_else(refused)?;
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    line.tell(&told, version).await?;
    Ok(version)
}

fn question(id: u64, method: &str, cursor: Option<&str>, era: Era) -> Value {
    let mut params = serde_json::Map::new();
    if let Some(cursor) = cursor {
        params.insert("cursor".to_owned(), json!(cursor));
    }
    if era == Era::Modern {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": Version::V2026_07_28.as_str(),
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {
                "name": "hardtack", "version": env!("CARGO_PKG_VERSION"),
            },
        });
        params.insert("_meta".to_owned(), meta);
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn is_result(answer: &[u8]) -> bool {
    Reply::read(answer).is_ok_and(|reply| reply.place("result").is_some())
}

fn next(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.pointer("/result/nextCursor")?.as_str().map(str::to_owned)
}
