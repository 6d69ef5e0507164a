/// Makes a stream of events one whose lines end alike for every reader.
///
/// *Shape*: CR and LF end lines. Some readers take more for an end, after which a server could say
/// something that the others never see: U+0085, U+2028 and U+2029 become what stands for them in a JSON
/// text, and the control characters that no JSON text may hold become spaces. All else stays. Holds at
/// most two bytes, of a character that has not ended.
///
/// *Source*: HTML Living Standard, section 9.2.6; Python, `str.splitlines`.
#[derive(Debug, Default)]
pub struct LineEnds(Held);

#[derive(Clone, Copy, Debug, Default)]
enum Held {
    #[default]
    Nothing,
    C2,
    E2,
    E280,
}

impl LineEnds {
    /// Reads on, and gives what to pass on instead, where that is another text.
    pub fn read(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        if matches!(self.0, Held::Nothing) && !chunk.iter().any(|byte| is_special(*byte)) {
            return None;
        }
        let mut out = Vec::with_capacity(chunk.len().saturating_add(16));
        for &byte in chunk {
            self.take(byte, &mut out);
        }
        Some(out)
    }

    /// What was held back, once the stream has ended.
    pub fn end(&mut self) -> &'static [u8] {
        match std::mem::take(&mut self.0) {
            Held::Nothing => b"",
            Held::C2 => b"\xc2",
            Held::E2 => b"\xe2",
            Held::E280 => b"\xe2\x80",
        }
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.0, byte) {
            (Held::E2, 0x80) => self.0 = Held::E280,
            (Held::C2, 0x85) => self.stands_for(b"\\u0085", out),
            (Held::E280, 0xa8) => self.stands_for(b"\\u2028", out),
            (Held::E280, 0xa9) => self.stands_for(b"\\u2029", out),
            _ => {
                out.extend_from_slice(self.end());
                match byte {
                    0xc2 => self.0 = Held::C2,
                    0xe2 => self.0 = Held::E2,
                    byte if is_special(byte) => out.push(b' '),
                    byte => out.push(byte),
                }
            }
        }
    }

    fn stands_for(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.0 = Held::Nothing;
        out.extend_from_slice(text);
    }
}

/// Whether a byte ends a line somewhere, or begins what does.
fn is_special(byte: u8) -> bool {
    matches!(byte, 0x0b | 0x0c | 0x1c..=0x1e | 0xc2 | 0xe2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(text: &[u8], size: usize) -> Vec<u8> {
        let (mut ends, mut out) = (LineEnds::default(), Vec::new());
        for chunk in text.chunks(size) {
            out.extend(ends.read(chunk).unwrap_or_else(|| chunk.to_vec()));
        }
        out.extend(ends.end());
        out
    }

    #[test]
    fn lines_end_alike_however_the_stream_is_cut() {
        let text = "data: {\"a\":\"x\u{2028}y\u{2029}z\u{85}“é£\"}\r\n: a\u{b}b\u{c}c\u{1c}d\u{1d}e\u{1e}\n\n";
        let want = "data: {\"a\":\"x\\u2028y\\u2029z\\u0085“é£\"}\r\n: a b c d e \n\n";
        for size in 1..text.len() {
            assert_eq!(through(text.as_bytes(), size), want.as_bytes(), "{size}");
        }
    }

    #[test]
    fn what_is_no_text_stays_too() {
        for bytes in
            [&b"\xe2"[..], b"\xe2\x80", b"\xe2\xe2\x80\x80", b"\xc2\xc2\x84", b"\xe2\xc2\xff"]
        {
            for size in 1..=bytes.len() {
                assert_eq!(through(bytes, size), bytes);
            }
        }
        assert_eq!(through(b"\xe2\xe2\x80\xa8\xc2\xc2\x85", 1), b"\xe2\\u2028\xc2\\u0085");
    }
}
