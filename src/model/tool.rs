use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const PART_BYTES_MAX: usize = 128;

/// A tool of a server, written `server/tool`.
///
/// *Shape*: both parts are 1–128 visible ASCII characters without `*`, `"` and `\`; the server has
/// no `/`. The text form splits at the first `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tool {
    server: String,
    name: String,
}

/// Why a text names no tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// No `/` between server and tool.
    #[error("`{0}` is not of the form `server/tool`")]
    NoSlash(String),
    /// A part is empty, too long, or holds a character that is not allowed.
    #[error("`{0}` holds a part that is empty, longer than 128 bytes or not plain ASCII")]
    BadPart(String),
    /// A `*` where one tool is needed.
    #[error("`{0}` stands for many tools where one is needed")]
    Wildcard(String),
}

impl Tool {
    /// A tool from its two parts.
    ///
    /// *Errors*: [`ToolError::BadPart`] where a part breaks the rules of [`Tool`].
    pub fn new(server: &str, name: &str) -> Result<Self, ToolError> {
        let text = || shown(&format!("{server}/{name}"));
        if name == "*" {
            return Err(ToolError::Wildcard(text()));
        }
        if !is_part(server) || server.contains('/') || !is_part(name) {
            return Err(ToolError::BadPart(text()));
        }
        Ok(Self { server: server.to_owned(), name: name.to_owned() })
    }

    /// The server's name.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The tool's name on that server.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Tool {
    type Err = ToolError;

    fn from_str(text: &str) -> Result<Self, ToolError> {
        let (server, name) = text.split_once('/').ok_or_else(|| ToolError::NoSlash(shown(text)))?;
        Self::new(server, name)
    }
}

impl TryFrom<String> for Tool {
    type Error = ToolError;

    fn try_from(text: String) -> Result<Self, ToolError> {
        text.parse()
    }
}

impl From<Tool> for String {
    fn from(tool: Tool) -> String {
        tool.to_string()
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.name)
    }
}

/// One tool, or every tool of a server (`server/*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolPattern {
    /// Exactly this tool.
    One(Tool),
    /// Every tool of the named server.
    Server(String),
}

impl ToolPattern {
    /// The server that the pattern is about.
    pub fn server(&self) -> &str {
        match self {
            Self::One(tool) => tool.server(),
            Self::Server(server) => server,
        }
    }

    /// Whether the pattern stands for this tool.
    pub fn matches(&self, tool: &Tool) -> bool {
        match self {
            Self::One(one) => one == tool,
            Self::Server(server) => server == tool.server(),
        }
    }

    /// Whether every tool of `other` is one of this pattern.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Server(server), other) => server == other.server(),
            (Self::One(one), Self::One(two)) => one == two,
            (Self::One(_), Self::Server(_)) => false,
        }
    }
}

impl FromStr for ToolPattern {
    type Err = ToolError;

    fn from_str(text: &str) -> Result<Self, ToolError> {
        match text.split_once('/') {
            Some((server, "*")) if is_part(server) => Ok(Self::Server(server.to_owned())),
            _ => text.parse().map(Self::One),
        }
    }
}

impl fmt::Display for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(tool) => tool.fmt(f),
            Self::Server(server) => write!(f, "{server}/*"),
        }
    }
}

fn is_part(part: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_graphic() && !matches!(b, b'*' | b'"' | b'\\');
    !part.is_empty() && part.len() <= PART_BYTES_MAX && part.bytes().all(allowed)
}

/// At most 80 characters of a text, control characters made visible.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_splits_at_the_first_slash() {
        let tool: Tool = "fs/dir/read".parse().unwrap();
        assert_eq!((tool.server(), tool.name()), ("fs", "dir/read"));
        assert_eq!(tool.to_string(), "fs/dir/read");
    }

    #[test]
    fn bad_tools_are_refused() {
        for text in ["", "crm", "/x", "crm/", "crm/*", "*/x", "crm/a b", "crm/\u{430}", "c\"/x"] {
            assert!(text.parse::<Tool>().is_err(), "{text}");
        }
        assert!("x".repeat(129).parse::<ToolPattern>().is_err());
        assert!("*/*".parse::<ToolPattern>().is_err());
    }

    #[test]
    fn a_server_pattern_covers_its_tools_only() {
        let all: ToolPattern = "crm/*".parse().unwrap();
        assert!(all.matches(&"crm/x".parse().unwrap()));
        assert!(!all.matches(&"crm2/x".parse().unwrap()));
        assert!(all.covers(&"crm/x".parse().unwrap()));
        assert!(!"crm/x".parse::<ToolPattern>().unwrap().covers(&all));
    }
}
