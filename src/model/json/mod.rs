//! Strict JSON: I-JSON (RFC 7493), read once and kept as written.
//!
//! A gateway forwards the bytes that it judged, so a text that two parsers could read differently
//! is refused here: duplicate names, lone surrogates, numbers that a double cannot hold. What
//! comes out prints its numbers as they were written and has one canonical form (RFC 8785).

mod document;
mod number;
mod parse;
mod write;

use super::limits::{ARGS_BYTES_MAX, ARGS_DEPTH_MAX, ARGS_LEAVES_MAX};

pub use document::{Document, Member, Place};
pub use number::Number;

/// A JSON value, parsed strictly; numbers keep their text.
///
/// *Shape*: nested at most `limits::ARGS_DEPTH_MAX` deep, with at most `limits::ARGS_LEAVES_MAX`
/// leaves when it comes from [`Json::parse`]. Displayed as compact JSON, members in the order
/// written. Values are equal when they are written alike: 5 and 5.0 are different values here.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written.
    Number(Number),
    /// A string, escapes resolved.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; members in the order written, names unique.
    Object(Vec<(String, Json)>),
}

/// Which integers are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonProfile {
    /// RFC 7493: whole numbers within ±(2^53−1).
    #[default]
    Interoperable,
    /// Whole numbers of 64 bits, for servers that take them.
    Integers64,
}

/// How much of a text is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonBounds {
    /// The longest text, in bytes; below 4 GiB.
    pub bytes_max: usize,
    /// The deepest nesting of objects and arrays. Parsing recurses.
    pub depth_max: usize,
    /// The most scalars, empty objects and empty arrays.
    pub leaves_max: usize,
}

impl JsonBounds {
    /// Those of a call's arguments.
    pub const ARGS: Self =
        Self { bytes_max: ARGS_BYTES_MAX, depth_max: ARGS_DEPTH_MAX, leaves_max: ARGS_LEAVES_MAX };
}

/// Why a text is not strict JSON; the number is the byte where that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text is longer than the bounds.
    #[error("the text has {0} bytes, more than are taken")]
    Length(usize),
    /// The bytes are not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    Utf8(usize),
    /// The text starts with a byte order mark, which some parsers drop and some refuse.
    #[error("the text starts with a byte order mark")]
    ByteOrderMark,
    /// The grammar of RFC 8259 expects something else here.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// The text ends inside a value.
    #[error("the text ends at byte {0}, inside a value")]
    End(usize),
    /// Something follows the value.
    #[error("something follows the value at byte {0}")]
    Trailing(usize),
    /// An object names a member twice: parsers differ in which one they keep.
    #[error("a name is given twice in one object at byte {0}")]
    DuplicateName(usize),
    /// An escape names half of a surrogate pair.
    #[error("half of a surrogate pair at byte {0}")]
    Surrogate(usize),
    /// Nested deeper than the bounds.
    #[error("nested too deep at byte {0}")]
    Depth(usize),
    /// More leaves than the bounds.
    #[error("too many values at byte {0}")]
    Leaves(usize),
    /// A whole number that the profile does not take.
    #[error("a whole number out of range at byte {0}")]
    Integer(usize),
    /// A number so close to zero that a double makes it zero.
    #[error("a number too small for a double at byte {0}")]
    Underflow(usize),
    /// A number with more digits than a double holds.
    #[error("a number with more digits than a double holds at byte {0}")]
    Precision(usize),
}

impl Json {
    /// Parses a text strictly.
    ///
    /// *Errors*: everything [`JsonError`] lists. The cost is linear in the text, and nothing is
    /// allocated beyond its size, whatever the text holds.
    ///
    /// *Source*: RFC 8259 for the grammar, RFC 7493 for what is refused.
    pub fn parse(text: &[u8], profile: JsonProfile) -> Result<Self, JsonError> {
        parse::parse(text, profile, JsonBounds::ARGS, ())
    }

    /// The canonical form, of which there is one for every spelling of the same value.
    ///
    /// *Shape*: UTF-8 bytes. RFC 8785 has no form for an integer beyond ±(2^53−1); in
    /// [`JsonProfile::Integers64`] such a one is printed as plain decimal digits.
    ///
    /// *Source*: RFC 8785.
    pub fn canonical(&self) -> Vec<u8> {
        write::canonical(self).into_bytes()
    }

    /// The member of an object; `None` for any other value.
    pub fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// What the value is, in one word: `null`, `boolean`, `number`, `string`, `array`, `object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_members_are_told_apart() {
        let text = br#"{"a":null,"b":true,"c":1,"d":"x","e":[],"f":{}}"#;
        let json = Json::parse(text, JsonProfile::default()).unwrap();
        let kinds: Vec<_> =
            "abcdef".chars().map(|c| json.member(&c.to_string()).unwrap().kind()).collect();
        assert_eq!(kinds, ["null", "boolean", "number", "string", "array", "object"]);
        assert_eq!(json.member("g"), None);
        assert_eq!(Json::Null.member("a"), None);
    }
}
