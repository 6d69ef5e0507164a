use std::fmt;

use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::work::{Steps, references};
use crate::mcp::{Mirror, mirrors};
use crate::model::{Args, Json, JsonProfile};

/// The members of a definition that a model or its user acts on.
const PINNED: &[&str] =
    &["annotations", "description", "inputSchema", "name", "outputSchema", "title"];

/// Longest schema that arguments are checked against, in bytes.
const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// A tool's definition, as its server gives it.
///
/// *Source*: Model Context Protocol, "Tools".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What names this very definition.
    pub digest: Digest,
    /// The definition, without what no one acts on.
    pub definition: serde_json::Value,
}

/// SHA-256 of the RFC 8785 canonical form of a definition: its name, title, description, schemas and
/// annotations.
///
/// *Shape*: `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// The label that a tool has whose definition is this one: a grant that asks for it ends with
    /// the definition.
    pub fn label(&self) -> String {
        format!("definition:{}", self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Definition {
    /// Reads a definition, strictly.
    ///
    /// *Errors*: a sentence, where it is not strict JSON or has no name.
    pub fn read(bytes: &[u8]) -> Result<(String, Self), String> {
        let json = Json::parse(bytes, JsonProfile::Integers64).map_err(|why| why.to_string())?;
        Self::of(&json)
    }

    /// The definition that was read strictly.
    ///
    /// *Errors*: a sentence, where it has no name.
    pub fn of(json: &Json) -> Result<(String, Self), String> {
        let Some(Json::String(name)) = json.member("name") else {
            return Err("has no name".to_owned());
        };
        let Json::Object(members) = json else { return Err("is no object".to_owned()) };
        let pinned = |(name, _): &&(String, Json)| PINNED.contains(&name.as_str());
        let kept = Json::Object(members.iter().filter(pinned).cloned().collect());
        let canonical = kept.canonical();
        let definition = serde_json::from_slice(&canonical).map_err(|why| why.to_string())?;
        let digest = Digest(format!("sha256:{}", hex::encode(Sha256::digest(&canonical))));
        Ok((name.clone(), Self { digest, definition }))
    }

    /// The arguments that callers repeat in headers; none where the definition says that wrongly.
    pub(super) fn mirrors(&self) -> Option<Vec<Mirror>> {
        let Some(schema) = self.definition.get("inputSchema") else { return Some(Vec::new()) };
        let json = Json::parse(schema.to_string().as_bytes(), JsonProfile::Integers64).ok()?;
        mirrors(&json).ok()
    }

    /// Whether the digest is that of the definition beside it.
    pub(super) fn is_whole(&self) -> bool {
        let text = self.definition.to_string();
        Self::read(text.as_bytes()).is_ok_and(|(_, read)| read.digest == self.digest)
    }
}

/// What arguments are checked against.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    text: serde_json::Value,
}

impl Schema {
    /// Makes a definition's schema ready. Nothing is fetched for it, and its patterns are matched
    /// in linear time.
    ///
    /// *Errors*: a sentence.
    pub(super) fn of(definition: &serde_json::Value) -> Result<Option<Self>, String> {
        let Some(schema) = definition.get("inputSchema") else { return Ok(None) };
        if schema.to_string().len() > SCHEMA_BYTES_MAX {
            return Err(format!("has a schema of more than {SCHEMA_BYTES_MAX} bytes"));
        }
        references(schema)?;
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        let validator = options.build(schema);
        let text = schema.clone();
        validator.map(|validator| Some(Self { validator, text })).map_err(|error| {
            let why: String = error.to_string().chars().take(200).collect();
            format!("has a schema that is none: {why}")
        })
    }

    /// Whether arguments are as the schema says.
    ///
    /// *Errors*: where the first that is not so stands, without its value.
    pub(super) fn check(&self, args: &Args) -> Result<(), String> {
        let value: serde_json::Value =
            serde_json::from_slice(args.bytes()).map_err(|why| why.to_string())?;
        if !Steps::new(&self.text).suffice(&value) {
            return Err("the arguments take too long to hold against the tool's schema".to_owned());
        }
        match self.validator.iter_errors(&value).next() {
            None => Ok(()),
            Some(error) => {
                let at: String = error.instance_path().to_string().chars().take(100).collect();
                let rule = error.schema_path().to_string();
                let rule: String = rule.chars().take(100).collect();
                Err(match at.is_empty() {
                    true => format!("the arguments are not as the tool's schema says: `{rule}`"),
                    false => format!("`{at}` is not as the tool's schema says: `{rule}`"),
                })
            }
        }
    }
}
