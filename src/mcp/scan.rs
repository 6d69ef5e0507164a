use super::message::Id;

/// Longest name or identifier that is looked at, in bytes as written.
const KEPT_BYTES_MAX: usize = 256;

/// Reads along with an event stream that is passed on as it is: of each message whether it asks for
/// an answer, and under which identifier.
///
/// *Shape*: holds a few hundred bytes, whatever goes by. It judges nothing; of a text that is no
/// message it says nothing in particular.
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

/// What a message on the stream is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Its identifier, where it has one that can be read.
    pub id: Option<Id>,
    /// Its method, where it has one that can be read: with an identifier it is a request, without one a
    /// notification.
    pub method: Option<String>,
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
    id: Vec<u8>,
    method: Option<String>,
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

impl Envelope {
    fn read(&mut self, byte: u8) {
        if self.in_string {
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
                }
                self.depth = self.depth.saturating_sub(1);
                self.keep(byte);
            }
            b',' if self.depth == 1 => self.end_member(),
            b':' if self.depth == 1 => self.in_value = true,
            byte => self.keep(byte),
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
        match serde_json::from_slice::<String>(&name).as_deref() {
            Ok("id") => self.id = value.trim_ascii().to_vec(),
            Ok("method") => self.method = serde_json::from_slice(&value).ok(),
            _ => {}
        }
    }

    fn end(self) -> Scanned {
        Scanned { id: Id::from_text(&self.id), method: self.method }
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
            Scanned { id: Some(number), method: Some("roots/list".to_owned()) },
            Scanned::default(),
            Scanned { id: Some(text), method: None },
            Scanned { id: None, method: Some("notifications/x".to_owned()) },
            Scanned::default(),
        ];
        for size in 1..STREAM.len() {
            let mut scan = Scan::default();
            let chunks = STREAM.as_bytes().chunks(size);
            let found: Vec<_> = chunks.flat_map(|chunk| scan.read(chunk)).collect();
            assert_eq!(found, want, "{size}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut scan = Scan::default();
        scan.read(b"data: {\"id\":\"");
        for _ in 0..1000 {
            scan.read(&[b'x'; 1000]);
        }
        assert!(scan.message.value.capacity() < 4 * KEPT_BYTES_MAX);
        assert_eq!(scan.read(b"\"}\n\n"), [Scanned::default()]);
    }
}
