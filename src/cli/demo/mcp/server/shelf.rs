//! Everything else that is offered: resources, a prompt, and completion.

use serde_json::{Value, json};

use super::message::{Fault, INVALID_PARAMS, Request, text};
use super::world::World;

/// What a resource's URI begins with; the path of a file follows.
const SCHEME: &str = "demo://";

pub(super) fn resources() -> Value {
    let resource = |path: &str| json!({ "uri": format!("{SCHEME}{path}"), "name": path, "mimeType": "text/plain" });
    json!({ "resources": [resource("/notes/todo.txt"), resource("/private/salaries.txt")] })
}

pub(super) fn templates() -> Value {
    let uri = format!("{SCHEME}{{+path}}");
    json!({ "resourceTemplates": [{ "uriTemplate": uri, "name": "a file", "mimeType": "text/plain" }] })
}

pub(super) fn read(world: &World, request: &Request) -> Result<Value, Fault> {
    let uri = request.text("uri")?;
    match path_of(uri).and_then(|path| world.read(path)) {
        Some(text) => {
            Ok(json!({ "contents": [{ "uri": uri, "mimeType": "text/plain", "text": text }] }))
        }
        None => {
            let missing = Fault::new(INVALID_PARAMS, "there is no such resource");
            Err(missing.with(json!({ "uri": uri })))
        }
    }
}

/// The path of the file that a URI names.
pub(super) fn path_of(uri: &str) -> Option<&str> {
    uri.strip_prefix(SCHEME)
}

/// The URI of a file.
pub(super) fn uri_of(path: &str) -> String {
    format!("{SCHEME}{path}")
}

pub(super) fn prompts() -> Value {
    json!({ "prompts": [{
        "name": "summarize",
        "description": "Have a file summed up.",
        "arguments": [{ "name": "path", "required": true }],
    }] })
}

pub(super) fn prompt(world: &World, request: &Request) -> Result<Value, Fault> {
    if request.text("name")? != "summarize" {
        return Err(Fault::new(INVALID_PARAMS, "there is no such prompt"));
    }
    let arguments = request.members("arguments").cloned().unwrap_or_default();
    let path = text(&arguments, "path")?;
    let Some(words) = world.read(path) else {
        return Err(Fault::new(INVALID_PARAMS, "no such file"));
    };
    let words = format!("Sum this up in one sentence: {words}");
    Ok(json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": words } }] }))
}

/// The files whose path begins with what was typed.
pub(super) fn complete(world: &World, request: &Request) -> Result<Value, Fault> {
    let Some(argument) = request.members("argument") else {
        return Err(Fault::new(INVALID_PARAMS, "`argument` has to be an object"));
    };
    let (_, typed) = (text(argument, "name")?, text(argument, "value")?);
    let mut values = world.list("/");
    values.retain(|path| path.starts_with(typed));
    Ok(json!({ "completion": { "values": values, "total": values.len(), "hasMore": false } }))
}
