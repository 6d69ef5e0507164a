//! The messages of blocks as syntax trees.

use std::sync::Arc;

use biscuit_auth::{Algorithm, PublicKey};

use super::TokenError;
use super::envelope::{Envelope, SignedBlock, ed25519_key};
use super::statements::Statements;
use super::symbols::{Symbols, Table};
use super::version;
use super::wire::{NotCanonical, Reader, number, sized};
use crate::model::{Block, Code, limits};

/// Why a block cannot be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Form,
    Version,
    Repeated,
    Unknown,
    NotEd25519,
    Many { what: &'static str, max: usize },
    Text,
    Nested,
    Parameter,
}

impl From<NotCanonical> for Wrong {
    fn from(_: NotCanonical) -> Self {
        Self::Form
    }
}

impl Wrong {
    pub(super) fn at(self, index: usize) -> TokenError {
        let malformed = |what: &str| TokenError::malformed(format!("block {index} {what}"));
        let complex =
            |what: String| TokenError::new(Code::TokenTooComplex, format!("block {index} {what}"));
        match self {
            Self::Form => malformed("is not a Biscuit block in its canonical encoding"),
            Self::Version => malformed("is of a Datalog version that does not know what it says"),
            Self::Repeated => malformed("repeats a symbol or key"),
            Self::Unknown => malformed("uses a symbol or key that it does not define"),
            Self::NotEd25519 => malformed("has a key or signature that is not ed25519"),
            Self::Many { what, max } => complex(format!("holds more than {max} {what}")),
            Self::Text => {
                let max = limits::TOKEN_DECODED_BYTES_MAX;
                complex(format!("names texts of more than {max} bytes"))
            }
            Self::Parameter => malformed("has an open parameter"),
            Self::Nested => complex("nests collections or closures too deeply".to_owned()),
        }
    }
}

/// The blocks of a token, read.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    pub(super) list: Vec<Arc<Block>>,
    tables: Vec<Arc<Table>>,
    /// The bytes of text that each block took where it named them.
    text_bytes: Vec<usize>,
}

impl Blocks {
    /// Reads the blocks that follow the first so many, which are those of `known`.
    pub(super) fn read_after(
        envelope: &Envelope,
        known: &Self,
        count: usize,
    ) -> Result<Self, TokenError> {
        let mut blocks = Self {
            list: known.list.iter().take(count).cloned().collect(),
            tables: known.tables.iter().take(count).cloned().collect(),
            text_bytes: known.text_bytes.iter().take(count).copied().collect(),
        };
        let mut shared = blocks.symbols(envelope)?;
        for (index, signed) in envelope.blocks().iter().enumerate().skip(count) {
            blocks.read(envelope, signed, &mut shared).map_err(|wrong| wrong.at(index))?;
        }
        Ok(blocks)
    }

    /// The tables that the next first-party block shares.
    pub(super) fn symbols<'a>(&self, envelope: &'a Envelope) -> Result<Symbols<'a>, TokenError> {
        let mut shared = Symbols::new(envelope.as_bytes());
        for (block, table) in self.list.iter().zip(&self.tables) {
            if block.external_key.is_none() {
                shared.add(table).map_err(|wrong| wrong.at(0))?;
            }
        }
        Ok(shared)
    }

    fn read<'a>(
        &mut self,
        envelope: &'a Envelope,
        signed: &SignedBlock,
        shared: &mut Symbols<'a>,
    ) -> Result<(), Wrong> {
        let external_key = match &signed.external {
            Some(external) => Some(public_key(&external.key)?),
            None => None,
        };
        let mut own = Symbols::new(envelope.as_bytes());
        let symbols = if external_key.is_some() { &mut own } else { shared };
        let mut reader = Reader::within(envelope.as_bytes(), signed.place.clone());
        let mut table = Table::default();
        while reader.has(sized(1)) {
            table.texts.push(reader.place()?);
        }
        if reader.has(sized(2)) {
            std::str::from_utf8(reader.bytes()?).map_err(|_| Wrong::Form)?;
        }
        let version = if reader.has(number(3)) { reader.varint_u32()? } else { 0 };
        let others = self.tables.iter().map(|table| table.keys.len()).sum();
        table.keys = keys(reader, others)?;
        symbols.add(&table)?;
        let used: usize = self.text_bytes.iter().sum();
        let room = limits::TOKEN_DECODED_BYTES_MAX.saturating_sub(used);
        let mut statements = Statements::new(symbols, room);
        let block = statements.block(reader, external_key)?;
        if !version::knows(version, &block, statements.states_kind) {
            return Err(Wrong::Version);
        }
        self.text_bytes.push(room - statements.room);
        self.list.push(Arc::new(block));
        self.tables.push(Arc::new(table));
        Ok(())
    }
}

/// The keys at the end of a block, which the statements before them name by number.
fn keys(mut reader: Reader<'_>, others: usize) -> Result<Vec<PublicKey>, Wrong> {
    for field in 4..8 {
        while reader.has(sized(field)) {
            reader.place()?;
        }
    }
    let mut keys = Vec::new();
    while reader.has(sized(8)) {
        // Each costs the work of finding a point of the curve.
        if others + keys.len() == limits::TOKEN_KEYS_MAX {
            return Err(Wrong::Many { what: "keys", max: limits::TOKEN_KEYS_MAX });
        }
        let key = ed25519_key(reader.message()?)?.ok_or(Wrong::NotEd25519)?;
        keys.push(public_key(&key)?);
    }
    reader.finish()?;
    Ok(keys)
}

fn public_key(bytes: &[u8; 32]) -> Result<PublicKey, Wrong> {
    PublicKey::from_bytes(bytes, Algorithm::Ed25519).map_err(|_| Wrong::NotEd25519)
}
