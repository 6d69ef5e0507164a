//! Protocol Buffers, read in one encoding only: the one that is written.
//!
//! Numbers in their shortest form, fields in the order of their numbers, nothing unknown, nothing
//! twice. Whatever was read this way would be written as the same bytes again, so that a token has
//! one encoding and nothing in it goes unjudged. Whoever writes keeps to the order of the fields.
//!
//! *Source*: Protocol Buffers, "Encoding"; Biscuit's `schema.proto`.

use std::ops::Range;

/// The bytes are not what an encoder would have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotCanonical;

pub(super) type Read<T> = Result<T, NotCanonical>;

/// What comes before a number field of this number.
pub(super) const fn number(field: u8) -> u8 {
    field << 3
}

/// What comes before a field of this number that has a length: bytes, text, a message.
pub(super) const fn sized(field: u8) -> u8 {
    field << 3 | 2
}

/// The rest of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads all of these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// Reads a part of these bytes; places stay those of the whole.
    pub(super) fn within(bytes: &'a [u8], part: Range<usize>) -> Self {
        Self { bytes, at: part.start, end: part.end.min(bytes.len()) }
    }

    /// Where the reader stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        if self.at < self.end { self.bytes.get(self.at).copied() } else { None }
    }

    /// Goes past the tag if it is the next byte.
    pub(super) fn has(&mut self, tag: u8) -> bool {
        let is_next = self.peek() == Some(tag);
        self.at += usize::from(is_next);
        is_next
    }

    /// Goes past the tag, which must be there.
    pub(super) fn expect(&mut self, tag: u8) -> Read<()> {
        if self.has(tag) { Ok(()) } else { Err(NotCanonical) }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Read<()> {
        if self.at == self.end { Ok(()) } else { Err(NotCanonical) }
    }

    /// A number, in as few bytes as it takes.
    pub(super) fn varint(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.peek().ok_or(NotCanonical)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(NotCanonical);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = shift == 0 || bits != 0;
                return if shortest { Ok(value) } else { Err(NotCanonical) };
            }
        }
        Err(NotCanonical)
    }

    /// A number of 32 bits.
    pub(super) fn varint_u32(&mut self) -> Read<u32> {
        u32::try_from(self.varint()?).map_err(|_| NotCanonical)
    }

    /// A signed number of 64 bits.
    pub(super) fn varint_i64(&mut self) -> Read<i64> {
        Ok(self.varint()?.cast_signed())
    }

    /// A number of an enumeration.
    pub(super) fn varint_enum(&mut self) -> Read<i32> {
        i32::try_from(self.varint_i64()?).map_err(|_| NotCanonical)
    }

    fn extent(&mut self) -> Read<Range<usize>> {
        let length = usize::try_from(self.varint()?).map_err(|_| NotCanonical)?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.end).ok_or(NotCanonical)?;
        let extent = self.at..end;
        self.at = end;
        Ok(extent)
    }

    /// Bytes with their length before them.
    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let extent = self.extent()?;
        self.bytes.get(extent).ok_or(NotCanonical)
    }

    /// Where bytes with their length before them stand.
    pub(super) fn place(&mut self) -> Read<Range<usize>> {
        self.extent()
    }

    /// A message within this one.
    pub(super) fn message(&mut self) -> Read<Reader<'a>> {
        let extent = self.extent()?;
        Ok(Self { bytes: self.bytes, at: extent.start, end: extent.end })
    }
}

/// A message under way. It may hold a private key, so it has no `Debug`.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

/// Where a message within a message began.
#[must_use]
pub(super) struct Begun(usize);

impl Writer {
    /// Goes on after these bytes.
    pub(super) fn after(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while let (rest @ 1.., bits) = (value >> 7, value & 0x7f) {
            self.0.push(bits as u8 | 0x80);
            value = rest;
        }
        self.0.push(value as u8);
    }

    /// A number field.
    pub(super) fn number(&mut self, field: u8, value: u64) {
        self.0.push(number(field));
        self.varint(value);
    }

    /// A field of bytes or text.
    pub(super) fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.0.push(sized(field));
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Fields that were written elsewhere.
    pub(super) fn fields(&mut self, fields: Self) {
        self.0.extend_from_slice(&fields.0);
    }

    /// Begins a message in a field: what follows is within it, up to [`Writer::end`].
    pub(super) fn begin(&mut self, field: u8) -> Begun {
        self.0.push(sized(field));
        Begun(self.0.len())
    }

    /// Ends a message, and puts its length before it.
    pub(super) fn end(&mut self, Begun(start): Begun) {
        let end = self.0.len();
        self.varint(end.saturating_sub(start) as u64);
        let length = self.0.len() - end;
        if let Some(message) = self.0.get_mut(start..) {
            message.rotate_right(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(bytes: &[u8]) -> Read<u64> {
        let mut reader = Reader::new(bytes);
        let value = reader.varint()?;
        reader.finish().map(|()| value)
    }

    #[test]
    fn numbers_are_read_in_their_shortest_form_only() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(value, &mut bytes);
            let mut writer = Writer::default();
            writer.varint(value);
            assert_eq!(writer.into_bytes(), bytes);
            assert_eq!(varint(&bytes), Ok(value));
            let mut longer = bytes.clone();
            *longer.last_mut().unwrap() |= 0x80;
            longer.push(0);
            assert_eq!(varint(&longer), Err(NotCanonical), "{value}");
            bytes.pop();
            assert_eq!(varint(&bytes), Err(NotCanonical), "{value}");
        }
        assert_eq!(varint(&[0xff; 11]), Err(NotCanonical));
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(varint(&beyond), Err(NotCanonical));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 127, 128, 16_383, 16_384] {
            let (text, value) = (vec![7; length], length as u64);
            let mut writer = Writer::default();
            let outer = writer.begin(1);
            let inner = writer.begin(2);
            writer.number(3, value);
            writer.end(inner);
            writer.bytes(4, &text);
            writer.end(outer);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes);
            reader.expect(sized(1)).unwrap();
            let mut outer = reader.message().unwrap();
            outer.expect(sized(2)).unwrap();
            let mut inner = outer.message().unwrap();
            inner.expect(number(3)).unwrap();
            assert_eq!(inner.varint(), Ok(value));
            outer.expect(sized(4)).unwrap();
            assert_eq!(outer.bytes(), Ok(&text[..]));
            assert!([inner, outer, reader].into_iter().all(|rest| rest.finish().is_ok()));
        }
    }

    #[test]
    fn lengths_stay_within_their_message() {
        let mut whole = Reader::new(&[2, 3, 0]);
        let mut inner = whole.message().unwrap();
        assert_eq!(inner.bytes(), Err(NotCanonical));
        assert!(whole.finish().is_ok());
        let far = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(Reader::new(&far).bytes().is_err());
    }
}
