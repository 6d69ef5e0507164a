//! Strict JSON (I-JSON).

/// A JSON value, parsed strictly; numbers keep their text.
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

/// A JSON number as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Number(String);

/// Which integers are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonProfile {
    /// RFC 7493: whole numbers within ±(2^53−1).
    #[default]
    Interoperable,
    /// Whole numbers of 64 bits, for servers that take them.
    Integers64,
}

/// Why a text is not strict JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not written yet.
    #[error("not JSON")]
    Syntax,
}

impl Number {
    /// The number as an integer, where its value is whole (5, 5.0 and 5e0 alike) and fits 64 bits.
    pub fn as_integer(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The number in millionths, exactly; `None` where that takes more digits or range.
    pub fn micros(&self) -> Option<i64> {
        self.as_integer()?.checked_mul(1_000_000)
    }
}

impl Json {
    /// Parses a text strictly.
    pub fn parse(text: &[u8], _profile: JsonProfile) -> Result<Self, JsonError> {
        let _ = text;
        Err(JsonError::Syntax)
    }

    /// RFC 8785 canonical form.
    pub fn canonical(&self) -> Vec<u8> {
        Vec::new()
    }

    /// The member of an object.
    pub fn member(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, v)| v),
            _ => None,
        }
    }
}
