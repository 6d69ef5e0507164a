/// Longest event, in bytes, its lines and what is kept of them together.
const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The mark that a stream of text may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads server-sent events as they arrive.
///
/// *Shape*: holds one event and one line at a time, at most 8 MiB of them. Lines end in CRLF, LF or CR.
/// Comments, identifiers and reconnection times are passed over: what follows is known from what an
/// event says, and a server has no say in when it is asked again.
///
/// *Source*: HTML Living Standard, section 9.2.6.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    /// Whether the event has a `data` line yet, and the stream a first line.
    has_data: bool,
    has_begun: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name; empty where it has none, which means `message`.
    pub name: Vec<u8>,
    /// What it says, its lines joined by LF.
    pub data: Vec<u8>,
}

/// An event, or a line, that is longer than any that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
pub struct EventTooLong;

impl Event {
    /// Whether it is a message of the feed.
    pub(super) fn is_message(&self) -> bool {
        matches!(self.name.as_slice(), b"" | b"message")
    }
}

impl EventReader {
    /// Reads on, and gives the events that ended.
    ///
    /// *Errors*: [`EventTooLong`]; nothing more can be read then.
    pub fn read(&mut self, chunk: &[u8]) -> Result<Vec<Event>, EventTooLong> {
        let mut events = Vec::new();
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = after;
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend(rest)?;
                break;
            };
            let (text, ended) = rest.split_at(end);
            self.extend(text)?;
            self.after_cr = ended.first() == Some(&b'\r');
            rest = ended.get(1..).unwrap_or_default();
            events.extend(self.end_line()?);
        }
        Ok(events)
    }

    fn extend(&mut self, text: &[u8]) -> Result<(), EventTooLong> {
        let kept =
            [&self.line, &self.data, &self.name].iter().map(|part| part.len()).sum::<usize>();
        if kept.saturating_add(text.len()) > EVENT_BYTES_MAX {
            return Err(EventTooLong);
        }
        self.line.extend_from_slice(text);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Event>, EventTooLong> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.has_begun, true) && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (field, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                // Even empty lines add up.
                if self.data.len() > EVENT_BYTES_MAX { Err(EventTooLong) } else { Ok(None) }
            }
            b"event" => {
                self.name = value.to_vec();
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn end_event(&mut self) -> Option<Event> {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        std::mem::take(&mut self.has_data).then_some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(text: &[u8]) -> Vec<(String, String)> {
        let events = EventReader::default().read(text).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        events.iter().map(|event| (text(&event.name), text(&event.data))).collect()
    }

    #[test]
    fn events_are_read() {
        for (text, expected) in [
            ("data: a\n\n", vec![("", "a")]),
            ("data:a\r\rdata: b\r\n\r\n", vec![("", "a"), ("", "b")]),
            ("\u{feff}data: a\n\n", vec![("", "a")]),
            (
                ": beat\n\n\nid: 1-2\nretry: 5\nevent: message\ndata: a\ndata:  b\ndata\n\n",
                vec![("message", "a\n b\n")],
            ),
            // An event without data is none, and its name is not the next one's.
            ("event: other\n\ndata: a\n\n", vec![("", "a")]),
            ("data: cut off\n", vec![]),
            ("data\n\n", vec![("", "")]),
            ("dat: a\ndata : b\n\n", vec![]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(n, d)| ((*n).to_owned(), (*d).to_owned())).collect();
            assert_eq!(events(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_never_ends_is_not_kept() {
        for part in ["x".repeat(1024), "data: x\n".repeat(128), "data\n".repeat(256)] {
            let mut reader = EventReader::default();
            let read = |_| reader.read(part.as_bytes()).err();
            let ended = (0..64 * 1024).find_map(read);
            assert_eq!(ended, Some(EventTooLong), "{}", &part[..8]);
            assert!(reader.line.len() + reader.data.len() <= EVENT_BYTES_MAX + 1024);
        }
        // Ten times as much in comments is nothing.
        let mut reader = EventReader::default();
        let comment = format!(": {}\n", "x".repeat(1024 * 1024));
        (0..80).for_each(|_| assert_eq!(reader.read(comment.as_bytes()), Ok(vec![])));
    }

    proptest! {
        #[test]
        fn any_chunks_make_the_same_events(
            text in "(data|data:|event: m|id: 1|: |a|\u{feff}|\n|\n\n|\r|\r\n|\r\r){0,40}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let bytes = text.as_bytes();
            let whole = EventReader::default().read(bytes).unwrap();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let (mut reader, mut events, mut from) = (EventReader::default(), Vec::new(), 0);
            for cut in cuts.into_iter().chain([bytes.len()]) {
                events.extend(reader.read(&bytes[from..cut]).unwrap());
                from = cut;
            }
            prop_assert_eq!(events, whole);
        }
    }
}
