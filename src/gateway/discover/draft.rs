use std::fmt::Write;

use super::Offered;
use crate::model::Json;

/// Names of arguments that are mostly paths, and that are mostly URLs.
const PATHS: &[&str] = &[
    "path",
    "paths",
    "file",
    "files",
    "filename",
    "filepath",
    "file_path",
    "dir",
    "directory",
    "folder",
    "source",
    "destination",
    "src",
    "dst",
    "cwd",
    "root",
];
const URLS: &[&str] = &["url", "urls", "uri", "href", "link", "endpoint", "webhook"];

/// A draft of what settings could say of a server's tools, in TOML.
///
/// *Shape*: each proposal has what it was made of beside it. A server's hints are its own word, and
/// names mean what their author likes: the draft is for a person to edit.
pub fn draft(server: &str, tools: &[Offered]) -> String {
    let mut text = format!(
        "# Tools of `{server}`, proposed from what it says of itself. Nobody has checked that: read\n\
         # each line, then put it below the `[[server]]` with this name.\n"
    );
    for tool in tools {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}", of_tool(tool));
    }
    text
}

fn of_tool(tool: &Offered) -> String {
    let hint = |name: &str| {
        tool.definition.member("annotations").and_then(|hints| hints.member(name)).cloned()
    };
    let says = |name: &str, value: bool| hint(name) == Some(Json::Bool(value));
    let mut labels = Vec::new();
    let mut why = Vec::new();
    if says("readOnlyHint", true) {
        labels.push("read");
        why.push("it says that it only reads");
    } else if says("destructiveHint", false) {
        labels.push("write");
        why.push("it says that it writes, and destroys nothing");
    } else {
        labels.extend(["write", "destructive"]);
        why.push("it does not say that it only reads, or destroys nothing");
    }
    if !says("openWorldHint", false) {
        labels.push("egress");
        why.push("nor that it stays inside");
    }
    let quoted =
        |text: &str| serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f");
    let labels: Vec<String> = labels.into_iter().map(quoted).collect();
    let mut text = String::new();
    let _ = writeln!(text, "[server.tool.{}]", quoted(&tool.name));
    let _ = writeln!(text, "labels = [{}]  # {}", labels.join(", "), why.join(", "));
    let kinds: Vec<String> = arguments(&tool.definition)
        .into_iter()
        .map(|(path, kind)| format!("{} = {}", quoted(&path), quoted(kind)))
        .collect();
    if !kinds.is_empty() {
        let _ = writeln!(text, "arguments = {{ {} }}  # by their names", kinds.join(", "));
    }
    text
}

/// What arguments seem to be, by their names: only texts, and arrays of texts.
fn arguments(definition: &Json) -> Vec<(String, &'static str)> {
    let schema = definition.member("inputSchema");
    let Some(Json::Object(properties)) = schema.and_then(|schema| schema.member("properties"))
    else {
        return Vec::new();
    };
    let is = |schema: Option<&Json>, kind: &str| {
        schema.and_then(|schema| schema.member("type")) == Some(&Json::String(kind.to_owned()))
    };
    let mut found = Vec::new();
    for (name, schema) in properties {
        let path = if is(Some(schema), "string") {
            name.clone()
        } else if is(Some(schema), "array") && is(schema.member("items"), "string") {
            format!("{name}/*")
        } else {
            continue;
        };
        let word = name.to_lowercase();
        let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        match word.as_str() {
            word if is_plain && PATHS.contains(&word) => found.push((path, "path")),
            word if is_plain && URLS.contains(&word) => found.push((path, "url")),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::gateway::GatewaySettings;
    use crate::model::JsonProfile;

    fn offered(name: &str, rest: &str) -> Offered {
        let text = format!(r#"{{"name":"x",{rest}}}"#);
        let definition = Json::parse(text.as_bytes(), JsonProfile::default()).unwrap();
        Offered { name: name.to_owned(), definition }
    }

    #[test]
    fn a_draft_can_be_used_as_it_is() {
        let tools = [
            offered(
                "read",
                r#""annotations":{"readOnlyHint":true,"openWorldHint":false},
                "inputSchema":{"properties":{"path":{"type":"string"},"n":{"type":"number"}}}"#,
            ),
            offered(
                "odd name\n[x]",
                r#""annotations":{"destructiveHint":false},
                "inputSchema":{"properties":{"urls":{"type":"array","items":{"type":"string"}}}}"#,
            ),
            offered("bare", r#""inputSchema":{}"#),
        ];
        let draft = draft("files", &tools);
        insta::assert_snapshot!(draft);
        let settings = format!(
            "gateway = \"g\"\n[authority]\nroots = [\"ed25519/{}\"]\nbundle = \"b\"\n[[server]]\n\
             name = \"files\"\nkind = \"mcp-http\"\nurl = \"http://127.0.0.1:1/mcp\"\n{draft}",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        let settings = GatewaySettings::from_toml(&settings).unwrap();
        assert_eq!(settings.servers[0].tools.len(), 3);
    }
}
