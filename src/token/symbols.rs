//! The texts and keys that blocks name by number.

use std::collections::HashMap;
use std::ops::Range;

use biscuit_auth::PublicKey;

use super::decode::Wrong;

/// Numbers below this one name a text of the default table.
const OFFSET: u64 = 1024;

/// The texts that every token may name without carrying them.
///
/// *Source*: Biscuit specification, "Symbol table".
const DEFAULT: [&str; 28] = [
    "read",
    "write",
    "resource",
    "operation",
    "right",
    "time",
    "role",
    "owner",
    "tenant",
    "namespace",
    "user",
    "team",
    "service",
    "admin",
    "email",
    "group",
    "member",
    "ip_address",
    "client",
    "client_ip",
    "domain",
    "path",
    "version",
    "cluster",
    "node",
    "hostname",
    "nonce",
    "query",
];

/// What one block adds to the tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// Where its texts stand in the token.
    pub(super) texts: Vec<Range<usize>>,
    /// The public keys it lists.
    pub(super) keys: Vec<PublicKey>,
}

/// The tables as a block sees them: those of the first-party blocks before it and its own. A
/// third-party block sees its own alone.
#[derive(Debug)]
pub(super) struct Symbols<'a> {
    bytes: &'a [u8],
    texts: Vec<&'a str>,
    /// The place of each text.
    places: HashMap<&'a str, usize>,
    keys: Vec<PublicKey>,
}

impl<'a> Symbols<'a> {
    /// Empty tables over the bytes of a token.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, texts: Vec::new(), places: HashMap::new(), keys: Vec::new() }
    }

    /// Adds what a block lists. No text may be in the tables already, nor any key.
    pub(super) fn add(&mut self, table: &Table) -> Result<(), Wrong> {
        self.texts.reserve(table.texts.len());
        self.places.reserve(table.texts.len());
        for place in &table.texts {
            let bytes = self.bytes.get(place.clone()).unwrap_or_default();
            let text = std::str::from_utf8(bytes).map_err(|_| Wrong::Form)?;
            if DEFAULT.contains(&text) || self.places.insert(text, self.texts.len()).is_some() {
                return Err(Wrong::Repeated);
            }
            self.texts.push(text);
        }
        for key in &table.keys {
            if self.keys.contains(key) {
                return Err(Wrong::Repeated);
            }
            self.keys.push(*key);
        }
        Ok(())
    }

    /// The text of this number, and whether the token carries it.
    pub(super) fn text(&self, number: u64) -> Option<(&'a str, bool)> {
        match number.checked_sub(OFFSET) {
            None => DEFAULT.get(usize::try_from(number).ok()?).map(|text| (*text, false)),
            Some(place) => self.texts.get(usize::try_from(place).ok()?).map(|text| (*text, true)),
        }
    }

    /// The number of a text, which is added where the tables do not have it.
    pub(super) fn number(&mut self, text: &'a str) -> u64 {
        if let Some(place) = DEFAULT.iter().position(|known| *known == text) {
            return place as u64;
        }
        let place = *self.places.entry(text).or_insert(self.texts.len());
        if place == self.texts.len() {
            self.texts.push(text);
        }
        OFFSET + place as u64
    }

    /// The number of a key, which is added where the tables do not have it.
    pub(super) fn key_number(&mut self, key: &PublicKey) -> u64 {
        let place = self.keys.iter().position(|known| known == key);
        let place = place.unwrap_or_else(|| {
            self.keys.push(*key);
            self.keys.len() - 1
        });
        place as u64
    }

    /// How many texts and keys there are.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.texts.len(), self.keys.len())
    }

    /// The texts and keys that came after there were so many.
    pub(super) fn since(&self, (texts, keys): (usize, usize)) -> (&[&'a str], &[PublicKey]) {
        (self.texts.get(texts..).unwrap_or_default(), self.keys.get(keys..).unwrap_or_default())
    }

    /// The key of this number.
    pub(super) fn key(&self, number: i64) -> Option<PublicKey> {
        self.keys.get(usize::try_from(number).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_table_is_that_of_the_reference_library() {
        let reference = biscuit_auth::datalog::SymbolTable::new();
        for number in 0..OFFSET {
            let text = Symbols::new(&[]).text(number).map(|(text, _)| text);
            assert_eq!(text, reference.get_symbol(number), "{number}");
        }
    }
}
