/// Reads the events of a stream whole, and keeps the bytes that each came in.
///
/// *Shape*: holds one event at a time, at most as many bytes as it was told.
///
/// *Source*: HTML Living Standard, section 9.2.6.
#[derive(Debug)]
pub struct Events {
    bytes_max: usize,
    raw: Vec<u8>,
    /// Where the line begins in `raw`.
    line: usize,
    has_begun: bool,
    after_cr: bool,
}

/// One event, comments and other lines that stand before its end included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SseEvent {
    raw: Vec<u8>,
    is_first: bool,
}

/// An event that is longer than any that is read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than any that is read")]
pub struct EventTooLong;

impl Events {
    /// Reads events of at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, raw: Vec::new(), line: 0, has_begun: false, after_cr: false }
    }

    /// Reads on, and gives the events that ended.
    ///
    /// *Errors*: [`EventTooLong`]; nothing more can be read then.
    pub fn read(&mut self, chunk: &[u8]) -> Result<Vec<SseEvent>, EventTooLong> {
        let mut found = Vec::new();
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                // It belongs to the line before, whose event may have gone already.
                self.extend(b"\n")?;
                self.line = self.raw.len();
                rest = after;
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let Some(end) = end else {
                self.extend(rest)?;
                break;
            };
            let whole = rest.get(end..).is_some_and(|ending| ending.starts_with(b"\r\n"));
            let (line, after) = rest.split_at(end + if whole { 2 } else { 1 });
            rest = after;
            self.extend(line)?;
            self.after_cr = line.last() == Some(&b'\r');
            found.extend(self.end_line());
        }
        Ok(found)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        if self.raw.len().saturating_add(bytes.len()) > self.bytes_max {
            return Err(EventTooLong);
        }
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let line = self.raw.get(self.line..).unwrap_or_default();
        let line = if self.has_begun { line } else { unmarked(line) };
        let is_blank = matches!(line.first(), None | Some(b'\n' | b'\r'));
        self.line = self.raw.len();
        if !is_blank {
            return None;
        }
        self.line = 0;
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        Some(SseEvent { raw: std::mem::take(&mut self.raw), is_first })
    }
}

impl SseEvent {
    /// The bytes that it came in, its end included.
    pub fn into_bytes(self) -> Vec<u8> {
        self.raw
    }

    /// What it says, its lines joined by LF; `None` where it says nothing.
    pub fn data(&self) -> Option<Vec<u8>> {
        let lines: Vec<&[u8]> = self.lines().filter_map(|(line, _)| data(line)).collect();
        (!lines.is_empty()).then(|| lines.join(&b'\n'))
    }

    /// The event with another text to say, every other line as it was.
    #[must_use]
    pub fn with_data(self, text: &[u8]) -> Self {
        let mut raw = Vec::with_capacity(text.len().saturating_add(64));
        let mut written = false;
        for (line, whole) in self.lines() {
            if data(line).is_none() {
                raw.extend_from_slice(whole);
            } else if !std::mem::replace(&mut written, true) {
                raw.extend_from_slice(&data_line(text));
            }
        }
        Self { raw, is_first: self.is_first }
    }

    /// Each line, without and with what ends it.
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = if self.is_first { unmarked(&self.raw) } else { self.raw.as_slice() };
        std::iter::from_fn(move || {
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
            let ending = if rest.get(end..)?.starts_with(b"\r\n") { 2 } else { 1 };
            let (whole, after) = rest.split_at_checked(end + ending)?;
            rest = after;
            Some((whole.get(..end)?, whole))
        })
    }
}

/// An event that says this, and has no identifier.
pub fn event(text: &[u8]) -> Vec<u8> {
    [b"event: message\n", data_line(text).as_slice(), b"\n"].concat()
}

/// A line that says this JSON. A line break in it stands between its values, never in a string.
fn data_line(text: &[u8]) -> Vec<u8> {
    let plain = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    let line = b"data: ".iter().copied().chain(text.iter().map(plain));
    line.chain([b'\n']).collect()
}

/// The value of a `data` line.
fn data(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// The start of a stream without the mark that may stand there.
fn unmarked(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "\u{feff}data: one\r\n\r\n",
        ": comment\nid: 5\ndata:two\ndata\nDATA: x\ndata:  three\n\n",
        "data: four\r\rid: 6\r\n\r\n\n",
        "data: unfinished\n",
    );

    fn read(size: usize) -> Vec<SseEvent> {
        let mut events = Events::new(100);
        STREAM.as_bytes().chunks(size).flat_map(|chunk| events.read(chunk).unwrap()).collect()
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let said = |size| read(size).iter().map(SseEvent::data).collect::<Vec<_>>();
        let some = |text: &str| Some(text.as_bytes().to_vec());
        let want = [some("one"), some("two\n\n three"), some("four"), None, None];
        for size in 1..STREAM.len() {
            assert_eq!(said(size), want, "{size}");
        }
    }

    #[test]
    fn no_byte_is_lost() {
        let stream = "data: a\r\n\r\ndata: b\r\r\n\n: c\r\n\n";
        for size in 1..stream.len() {
            let mut events = Events::new(100);
            let chunks = stream.as_bytes().chunks(size);
            let events = chunks.flat_map(|chunk| events.read(chunk).unwrap());
            let all: Vec<u8> = events.flat_map(SseEvent::into_bytes).collect();
            assert_eq!(String::from_utf8(all).unwrap(), stream, "{size}");
        }
    }

    #[test]
    fn all_lines_but_the_data_stay() {
        let mut events = read(1000);
        let second = events.remove(1);
        assert!(STREAM.contains(std::str::from_utf8(&second.clone().into_bytes()).unwrap()));
        let changed = second.with_data(b"{\n\"a\":1}").into_bytes();
        assert_eq!(changed, b": comment\nid: 5\ndata: { \"a\":1}\nDATA: x\n\n");
        assert_eq!(events.remove(0).with_data(b"1").data(), Some(b"1".to_vec()));
        assert_eq!(event(b"{\r}"), b"event: message\ndata: { }\n\n");
    }

    #[test]
    fn long_events_are_not_read() {
        let mut events = Events::new(20);
        assert_eq!(events.read(b"data: 0123456789\n\n").unwrap().len(), 1);
        assert!(events.read(b"data: 0123456789").is_ok());
        assert_eq!(events.read(b"01234"), Err(EventTooLong));
    }
}
