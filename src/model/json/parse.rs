//! The parser: RFC 8259's grammar with RFC 7493's refusals, bounded in depth and leaves.

use super::{Json, JsonBounds, JsonError, JsonProfile, Number};

/// Where the places of names and values are noted, in the order in which they begin.
pub(super) trait Spans {
    /// Something begins at this byte.
    fn open(&mut self, at: usize) -> usize;
    /// What was opened as this ends before this byte.
    fn close(&mut self, slot: usize, at: usize);
}

impl Spans for () {
    fn open(&mut self, _at: usize) -> usize {
        0
    }

    fn close(&mut self, _slot: usize, _at: usize) {}
}

/// Parses a whole text.
pub(super) fn parse(
    text: &[u8],
    profile: JsonProfile,
    bounds: JsonBounds,
    spans: impl Spans,
) -> Result<Json, JsonError> {
    if text.len() > bounds.bytes_max {
        return Err(JsonError::Length(text.len()));
    }
    let text = std::str::from_utf8(text).map_err(|error| JsonError::Utf8(error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(JsonError::ByteOrderMark);
    }
    let mut parser = Parser { text, at: 0, leaves: 0, profile, bounds, spans };
    let value = parser.value(0)?;
    parser.skip_space();
    if parser.at < text.len() { Err(JsonError::Trailing(parser.at)) } else { Ok(value) }
}

struct Parser<'a, S> {
    text: &'a str,
    at: usize,
    leaves: usize,
    profile: JsonProfile,
    bounds: JsonBounds,
    spans: S,
}

impl<S: Spans> Parser<'_, S> {
    /// One value inside `depth` containers, and the space before it.
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.skip_space();
        let slot = self.spans.open(self.at);
        let value = self.plain_value(depth)?;
        self.spans.close(slot, self.at);
        Ok(value)
    }

    fn plain_value(&mut self, depth: usize) -> Result<Json, JsonError> {
        let Some(byte) = self.peek() else { return Err(JsonError::End(self.at)) };
        if matches!(byte, b'{' | b'[') {
            if depth >= self.bounds.depth_max {
                return Err(JsonError::Depth(self.at));
            }
            self.at += 1;
            return if byte == b'{' { self.object(depth + 1) } else { self.array(depth + 1) };
        }
        self.leaf()?;
        match byte {
            b'"' => self.string().map(Json::String),
            b'-' | b'0'..=b'9' => self.number().map(Json::Number),
            b't' => self.literal("true", Json::Bool(true)),
            b'f' => self.literal("false", Json::Bool(false)),
            b'n' => self.literal("null", Json::Null),
            _ => Err(JsonError::Syntax(self.at)),
        }
    }

    /// The rest of an object, after its brace.
    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members = Vec::new();
        let mut starts = Vec::new();
        self.skip_space();
        if self.eat(b'}') {
            self.leaf()?;
            return Ok(Json::Object(members));
        }
        loop {
            self.skip_space();
            starts.push(self.at);
            let slot = self.spans.open(self.at);
            let name = self.string()?;
            self.spans.close(slot, self.at);
            self.skip_space();
            self.expect(b':')?;
            members.push((name, self.value(depth)?));
            self.skip_space();
            if self.eat(b'}') {
                break;
            }
            self.expect(b',')?;
        }
        refuse_duplicates(&members, &starts)?;
        Ok(Json::Object(members))
    }

    /// The rest of an array, after its bracket.
    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut items = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            self.leaf()?;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Json::Array(items));
            }
            self.expect(b',')?;
        }
    }

    fn literal(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.rest().starts_with(word) {
            return Err(JsonError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Number::read(text, self.profile, start)
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.unexpected()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"')?;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .bytes()
                .position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\'))
                .ok_or(JsonError::End(self.text.len()))?;
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            if self.eat(b'"') {
                return Ok(out);
            }
            let start = self.at;
            self.expect(b'\\')?;
            out.push(self.escape(start)?);
        }
    }

    /// The character of an escape whose backslash stood at `start`.
    fn escape(&mut self, start: usize) -> Result<char, JsonError> {
        let byte = self.peek().ok_or(JsonError::End(self.at))?;
        let escaped = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(JsonError::Syntax(self.at)),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// The character of `\u…`, the second half of a surrogate pair included.
    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let first = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(JsonError::Surrogate(start));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or(JsonError::Surrogate(start))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.unexpected())?;
            self.at += 1;
        }
        Ok(code)
    }

    /// Counts a leaf.
    fn leaf(&mut self) -> Result<(), JsonError> {
        self.leaves += 1;
        if self.leaves > self.bounds.leaves_max { Err(JsonError::Leaves(self.at)) } else { Ok(()) }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> JsonError {
        if self.peek().is_none() { JsonError::End(self.at) } else { JsonError::Syntax(self.at) }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// Sorting finds equal names without comparing each with each.
fn refuse_duplicates(members: &[(String, Json)], starts: &[usize]) -> Result<(), JsonError> {
    let mut names: Vec<_> = members.iter().map(|(name, _)| name).zip(starts).collect();
    names.sort_unstable();
    let pairs = names.iter().zip(names.iter().skip(1));
    let again = pairs.filter(|(one, next)| one.0 == next.0).map(|(_, next)| *next.1).min();
    again.map_or(Ok(()), |at| Err(JsonError::DuplicateName(at)))
}

#[cfg(test)]
mod tests;
