use crate::model::{Json, Number};

const ANNOTATION: &str = "x-mcp-header";
/// Keywords whose values are data, not schemas.
const DATA: &[&str] = &["enum", "const", "default", "examples"];
/// Keywords whose values are schemas by name.
const BY_NAME: &[&str] = &["$defs", "definitions", "patternProperties", "dependentSchemas"];

/// An argument that callers repeat in a header.
///
/// *Source*: Model Context Protocol 2026-07-28, "Streamable HTTP", "Custom Headers from Tool
/// Parameters".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    header: String,
    path: Vec<String>,
}

/// The value of an argument that is repeated in a header.
pub(super) enum Mirrored<'a> {
    /// There is none.
    Nothing,
    Text(&'a str),
    Number(&'a Number),
    Bool(bool),
    /// One that no header can repeat.
    Other,
}

/// A tool definition whose annotations are not valid: the whole definition is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the definition has an `x-mcp-header` that is not valid")]
pub struct MirrorError;

impl Mirror {
    /// The part of the header's name after `mcp-param-`, in lower case.
    pub fn header(&self) -> &str {
        &self.header
    }

    pub(super) fn find<'a>(&self, arguments: Option<&'a Json>) -> Mirrored<'a> {
        let value = self.path.iter().try_fold(arguments, |value, name| {
            let value = value?;
            Some(value.member(name))
        });
        match value.flatten() {
            None | Some(Json::Null) => Mirrored::Nothing,
            Some(Json::String(text)) => Mirrored::Text(text),
            Some(Json::Number(number)) => Mirrored::Number(number),
            Some(Json::Bool(value)) => Mirrored::Bool(*value),
            Some(_) => Mirrored::Other,
        }
    }
}

impl Mirrored<'_> {
    /// Whether a header of this text repeats the value.
    pub(super) fn is_written(&self, header: &str) -> bool {
        match self {
            Self::Text(text) => *text == header,
            Self::Bool(value) => header == if *value { "true" } else { "false" },
            Self::Number(number) => match Json::parse(header.as_bytes(), Default::default()) {
                Ok(Json::Number(said)) => {
                    said.as_integer().is_some() && said.as_integer() == number.as_integer()
                }
                _ => false,
            },
            Self::Nothing | Self::Other => false,
        }
    }
}

/// The arguments of a tool that callers repeat in headers, from its `inputSchema`.
///
/// *Errors*: [`MirrorError`] where an annotation stands where none may, or is not the name of a
/// header.
pub fn mirrors(schema: &Json) -> Result<Vec<Mirror>, MirrorError> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    let mut names: Vec<_> = found.iter().map(|mirror| &mirror.header).collect();
    names.sort_unstable();
    match names.windows(2).any(|pair| pair.first() == pair.last()) {
        true => Err(MirrorError),
        false => Ok(found),
    }
}

fn collect(
    schema: &Json,
    path: &mut Vec<String>,
    found: &mut Vec<Mirror>,
) -> Result<(), MirrorError> {
    let Json::Object(members) = schema else { return nowhere(schema) };
    for (name, value) in members {
        match (name.as_str(), value) {
            (ANNOTATION, Json::String(header)) if !path.is_empty() => {
                let kind = schema.member("type");
                let primitive = matches!(kind, Some(Json::String(kind))
                    if matches!(kind.as_str(), "string" | "integer" | "boolean"));
                if !primitive || !is_token(header) {
                    return Err(MirrorError);
                }
                let header = header.to_ascii_lowercase();
                found.push(Mirror { header, path: path.clone() });
            }
            (ANNOTATION, _) => return Err(MirrorError),
            ("properties", Json::Object(properties)) => {
                for (name, property) in properties {
                    path.push(name.clone());
                    collect(property, path, found)?;
                    path.pop();
                }
            }
            (name, _) if DATA.contains(&name) => {}
            (name, Json::Object(schemas)) if BY_NAME.contains(&name) => {
                schemas.iter().try_for_each(|(_, schema)| nowhere(schema))?;
            }
            (_, value) => nowhere(value)?,
        }
    }
    Ok(())
}

/// Refuses an annotation anywhere in the schema.
fn nowhere(schema: &Json) -> Result<(), MirrorError> {
    match schema {
        Json::Array(items) => items.iter().try_for_each(nowhere),
        Json::Object(members) => members.iter().try_for_each(|(name, value)| match value {
            _ if name == ANNOTATION => Err(MirrorError),
            _ if DATA.contains(&name.as_str()) => Ok(()),
            Json::Object(named) if name == "properties" || BY_NAME.contains(&name.as_str()) => {
                named.iter().try_for_each(|(_, schema)| nowhere(schema))
            }
            value => nowhere(value),
        }),
        _ => Ok(()),
    }
}

/// Whether a text can be the name of a header (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    let tchar = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= 128 && text.bytes().all(tchar)
}

#[cfg(test)]
mod tests {
    use super::super::headers::{HeaderFault, Headers};
    use super::super::message::Message;
    use super::super::version::Era;
    use super::*;

    fn read(schema: &str) -> Result<Vec<Mirror>, MirrorError> {
        mirrors(&Json::parse(schema.as_bytes(), Default::default()).unwrap())
    }

    const SCHEMA: &str = r#"{"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "x-mcp-header":{"type":"string"},
        "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}},
        "on":{"type":"boolean","x-mcp-header":"On","default":{"x-mcp-header":1}}}}"#;

    #[test]
    fn annotations_are_valid_where_they_can_be_reached() {
        let found = read(SCHEMA).unwrap();
        let names: Vec<_> = found.iter().map(Mirror::header).collect();
        assert_eq!(names, ["region", "n", "on"]);
        for schema in [
            r#"{"x-mcp-header":"A"}"#,
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#,
            r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#,
        ] {
            assert_eq!(read(schema), Err(MirrorError), "{schema}");
        }
    }

    #[test]
    fn headers_are_held_against_arguments() {
        let found = read(SCHEMA).unwrap();
        let check = |headers: &[(&str, &str)], arguments: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","arguments":{arguments}}}}}"#
            );
            let message = Message::parse(text, Default::default()).unwrap();
            let headers =
                Headers::new(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
            headers.agree_with_arguments(&message, &found, Era::Modern)
        };
        let all = r#"{"region":" é","deep":{"n":42},"on":true}"#;
        let (r, n, on) = ("mcp-param-region", "mcp-param-n", "mcp-param-on");
        let encoded = "=?base64?IMOp?=";
        assert_eq!(check(&[(r, encoded), (n, "42.0"), (on, "true")], all), Ok(()));
        assert_eq!(check(&[], r#"{"region":null}"#), Ok(()));
        assert_eq!(check(&[("mcp-param-unknown", "z")], "{}"), Ok(()));
        for (headers, arguments) in [
            ([(r, "x"), (n, "42"), (on, "true")].as_slice(), all),
            (&[(r, encoded), (n, "43"), (on, "true")], all),
            (&[(r, encoded), (n, "42"), (on, "True")], all),
            (&[(r, encoded), (on, "true")], all),
            (&[(r, "x")], r#"{"region":null}"#),
            (&[(r, "x"), (r, "x")], r#"{"region":"x"}"#),
            (&[(r, "[]")], r#"{"region":[]}"#),
        ] {
            let fault = check(headers, arguments).unwrap_err();
            assert!(matches!(fault, HeaderFault::Mismatch(_)), "{headers:?}");
        }
    }
}
