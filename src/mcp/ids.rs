/// Longest identifier that is looked at, in bytes.
const ID_BYTES_MAX: usize = 1024;

/// Reads along with a stream of events that is passed on as it is, and finds their identifiers.
///
/// *Shape*: holds the beginning of one line.
///
/// *Source*: HTML Living Standard, section 9.2.6.
#[derive(Debug, Default)]
pub struct EventIds {
    line: Vec<u8>,
    has_begun: bool,
}

impl EventIds {
    /// Reads on, and gives the identifiers whose lines ended.
    pub fn read(&mut self, chunk: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for part in chunk.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
            let (text, is_whole) = match part.split_last() {
                Some((b'\r' | b'\n', text)) => (text, true),
                _ => (part, false),
            };
            let room = (ID_BYTES_MAX + 8).saturating_sub(self.line.len());
            self.line.extend_from_slice(text.get(..room).unwrap_or(text));
            if is_whole {
                found.extend(self.id());
                self.line.clear();
                self.has_begun = true;
            }
        }
        found
    }

    fn id(&self) -> Option<Vec<u8>> {
        let line = self.line.as_slice();
        let mark = b"\xef\xbb\xbf".as_slice();
        let line = if self.has_begun { line } else { line.strip_prefix(mark).unwrap_or(line) };
        let value = line.strip_prefix(b"id:")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        (!value.is_empty() && value.len() <= ID_BYTES_MAX).then(|| value.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_found_however_the_stream_is_cut() {
        let long = "x".repeat(ID_BYTES_MAX);
        let stream = format!(
            "\u{feff}id: a-1\r\ndata: id: no\rid:b\n\nid\nid: \nidea: no\n id: no\nid:  c\n{}\nid: {long}\nid: {long}x\nid: unfinished",
            format_args!("data: {long}"),
        );
        let want = ["a-1", "b", " c", &long];
        for size in [1, 2, 3, 7, 100, 10_000] {
            let mut ids = EventIds::default();
            let found: Vec<_> =
                stream.as_bytes().chunks(size).flat_map(|one| ids.read(one)).collect();
            assert_eq!(found, want.map(|id| id.as_bytes().to_vec()), "{size}");
            assert!(ids.line.capacity() < 4 * ID_BYTES_MAX);
        }
    }
}
