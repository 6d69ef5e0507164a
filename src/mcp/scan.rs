use super::fold::is_disguised;
use super::message::{ENVELOPE, Id};

/// Longest name or identifier that is looked at, in bytes as written.
const KEPT_BYTES_MAX: usize = 256;
/// The members that say what a message is.
const KNOWN: [&str; 4] = ["id", "method", "result", "error"];

/// Reads along with an event stream that is passed on as it is: of each message what it is, and under
/// which identifier.
///
/// *Shape*: holds a few hundred bytes, whatever goes by. It looks at the outermost level alone.
///
/// *Source*: HTML Living Standard, section 9.2.6; RFC 8259.
#[derive(Debug, Default)]
pub struct Scan {
    line: Line,
    field: Vec<u8>,
    has_begun: bool,
    after_cr: bool,
    /// The event has a `data` line.
    has_data: bool,
    message: Envelope,
}

/// Reads along with one message that is passed on as it is.
///
/// *Shape*: as [`Scan`].
#[derive(Debug, Default)]
pub struct ScanOne(Envelope);

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// Nothing but white space.
    Blank,
    /// A request, or a notification where it has no identifier.
    Asks(Option<Id>, String),
    /// A response, to the request of this identifier, where that can be read.
    Answers(Option<Id>),
    /// No message, or one that could be read in two ways.
    Unclear,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Line {
    /// Within the name of a field.
    #[default]
    Name,
    /// At the first character of a `data` field, which may be a space that does not count.
    First,
    /// Within a `data` field.
    Data,
    /// Within any other line.
    Other,
}

/// The outermost level of a message, as far as it went by.
#[derive(Debug, Default)]
struct Envelope {
    depth: u64,
    in_string: bool,
    escaped: bool,
    in_value: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    /// The members that were seen, by their places in [`KNOWN`].
    seen: [bool; KNOWN.len()],
    id: Vec<u8>,
    method: Option<String>,
    has_begun: bool,
    is_over: bool,
    is_unclear: bool,
}

impl Scan {
    /// Reads on, and gives what the events were that ended.
    pub fn read(&mut self, chunk: &[u8]) -> Vec<Scanned> {
        let mut found = Vec::new();
        for &byte in chunk {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                self.after_cr = byte == b'\r';
                found.extend(self.end_line());
            } else {
                self.in_line(byte);
            }
        }
        found
    }

    /// Whether an event says something and has not ended.
    pub fn is_within(&self) -> bool {
        self.has_data
    }

    fn in_line(&mut self, byte: u8) {
        match self.line {
            Line::Other => {}
            Line::First if byte == b' ' => self.line = Line::Data,
            Line::First | Line::Data => {
                self.line = Line::Data;
                self.message.read(byte);
            }
            Line::Name if byte == b':' => {
                let is_data = self.field_name() == b"data";
                self.line = if is_data { Line::First } else { Line::Other };
                if is_data {
                    self.begin_data();
                }
            }
            // `\u{feff}data` is the longest that matters.
            Line::Name if self.field.len() < 8 => self.field.push(byte),
            Line::Name => self.line = Line::Other,
        }
    }

    /// The name of the field; a mark at the very start of the stream does not count.
    fn field_name(&self) -> &[u8] {
        let name = self.field.as_slice();
        match self.has_begun {
            true => name,
            false => name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name),
        }
    }

    fn begin_data(&mut self) {
        if std::mem::replace(&mut self.has_data, true) {
            self.message.read(b'\n');
        }
    }

    fn end_line(&mut self) -> Option<Scanned> {
        let is_blank = self.line == Line::Name && self.field_name().is_empty();
        if self.line == Line::Name && self.field_name() == b"data" {
            self.begin_data();
        }
        self.has_begun = true;
        self.line = Line::Name;
        self.field.clear();
        if !is_blank {
            return None;
        }
        let message = std::mem::take(&mut self.message);
        std::mem::take(&mut self.has_data).then(|| message.end())
    }
}

impl ScanOne {
    /// Reads on.
    pub fn read(&mut self, chunk: &[u8]) {
        chunk.iter().for_each(|byte| self.0.read(*byte));
    }

    /// What it was.
    pub fn end(self) -> Scanned {
        self.0.end()
    }
}

impl Envelope {
    fn read(&mut self, byte: u8) {
        if self.depth == 0 && !self.in_string {
            self.begin(byte);
        }
        if self.in_string {
            // Some readers take more than CR and LF for the end of a line.
            self.is_unclear |= byte < b' ';
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => {
                self.keep(byte);
                self.depth = self.depth.saturating_add(1);
            }
            b'}' | b']' => {
                if self.depth == 1 {
                    self.end_member();
                    self.is_over = true;
                }
                self.depth = self.depth.saturating_sub(1);
                self.keep(byte);
            }
            b',' if self.depth == 1 => self.end_member(),
            b':' if self.depth == 1 => self.in_value = true,
            byte => self.keep(byte),
        }
    }

    /// Outside of the message there is white space, and one object.
    fn begin(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'{' if !self.has_begun => self.has_begun = true,
            _ => self.is_unclear = true,
        }
    }

    /// Keeps a byte of the outermost level, and of what is deeper none.
    fn keep(&mut self, byte: u8) {
        let kept = if self.in_value { &mut self.value } else { &mut self.name };
        if self.depth == 1 && kept.len() <= KEPT_BYTES_MAX {
            kept.push(byte);
        }
    }

    fn end_member(&mut self) {
        self.in_value = false;
        let value = std::mem::take(&mut self.value);
        let name = std::mem::take(&mut self.name);
        let Ok(name) = serde_json::from_slice::<String>(&name) else {
            // An object without members has none here.
            self.is_unclear |= !name.trim_ascii().is_empty() || !value.is_empty();
            return;
        };
        self.is_unclear |= is_disguised(&name, ENVELOPE);
        let Some(place) = KNOWN.iter().position(|known| *known == name) else { return };
        if let Some(seen) = self.seen.get_mut(place) {
            self.is_unclear |= std::mem::replace(seen, true);
        }
        match name.as_str() {
            "id" => self.id = value.trim_ascii().to_vec(),
            "method" => self.method = serde_json::from_slice(&value).ok(),
            _ => {}
        }
    }

    fn end(self) -> Scanned {
        let [_, asks, result, error] = self.seen;
        let is_one = self.is_over && !self.is_unclear && self.depth == 0;
        match (self.has_begun || self.is_unclear, is_one, asks, result, error) {
            (false, ..) => Scanned::Blank,
            (_, true, true, false, false) => match self.method {
                Some(method) => Scanned::Asks(Id::from_text(&self.id), method),
                None => Scanned::Unclear,
            },
            (_, true, false, true, false) | (_, true, false, false, true) => {
                Scanned::Answers(Id::from_text(&self.id))
            }
            _ => Scanned::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "\u{feff}data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\"}\r\n\r\n",
        ": a comment\nid: 5\ndata\n\n",
        "event: message\rdata:{\"result\":{\"id\":1,\"method\":[\"}\\\"\"]},\rdata: \"\\u0069d\" : \"a b\" }\r\r",
        "data: {\"method\":\"notifications/x\",\"params\":{\"a\":{}}}\n\n",
        "retry: 3\n\ndata: {\"id\":null}\n\ndata: {\"id\":9,\"method\":\"unfinished\"}\n",
    );

    #[test]
    fn the_outermost_level_is_seen_however_the_stream_is_cut() {
        let (number, text) = (Id::Number(7), Id::Text("a b".to_owned()));
        let want = [
            Scanned::Asks(Some(number), "roots/list".to_owned()),
            Scanned::Blank,
            Scanned::Answers(Some(text)),
            Scanned::Asks(None, "notifications/x".to_owned()),
            Scanned::Unclear,
        ];
        for size in 1..STREAM.len() {
            let mut scan = Scan::default();
            let chunks = STREAM.as_bytes().chunks(size);
            let found: Vec<_> = chunks.flat_map(|chunk| scan.read(chunk)).collect();
            assert_eq!(found, want, "{size}");
        }
    }

    fn one(text: &str) -> Scanned {
        let mut scan = ScanOne::default();
        scan.read(text.as_bytes());
        scan.end()
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_unclear() {
        let long = format!(r#"{{{}"id":1,"result":{{}}}}"#, " ".repeat(2 * KEPT_BYTES_MAX));
        for text in [
            "[]",
            "7",
            "{}",
            r#"[{"id":1,"result":{}}]"#,
            r#"{"id":1,"result":{}} {}"#,
            r#"{"id":1,"result":{}"#,
            r#"{"id":1,"result":{},"result":{}}"#,
            r#"{"id":1,"result":{},"id":2}"#,
            r#"{"id":1,"result":{},"\u0069d":2}"#,
            r#"{"id":1,"result":{},"Id":2}"#,
            r#"{"id":1,"error":{},"Result":{}}"#,
            r#"{"id":1,"result":{},"method":"x"}"#,
            r#"{"id":1,"result":{},"error":{}}"#,
            r#"{"id":1,"method":7}"#,
            "\u{feff}{\"id\":1,\"result\":{}}",
            "{\"id\":1,\"result\":{\"a\":\"\u{b}data: x\u{b}\"}}",
            &long,
        ] {
            assert_eq!(one(text), Scanned::Unclear, "{text}");
        }
        assert_eq!(
            one(" \r\n\t{\"result\":[{}],\"id\": 1 }\n "),
            Scanned::Answers(Some(Id::Number(1)))
        );
        assert_eq!(one(r#"{"id":null,"error":{}}"#), Scanned::Answers(None));
        assert_eq!(one(" "), Scanned::Blank);
        let mut scan = Scan::default();
        scan.read(b"data: {\"id\":1}\n");
        assert!(scan.is_within());
        scan.read(b"\n: comment\n");
        assert!(!scan.is_within());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut scan = Scan::default();
        scan.read(b"data: {\"id\":\"");
        for _ in 0..1000 {
            scan.read(&[b'x'; 1000]);
        }
        assert!(scan.message.value.capacity() < 4 * KEPT_BYTES_MAX);
        assert_eq!(scan.read(b"\",\"result\":1}\n\n"), [Scanned::Answers(None)]);
    }
}
