//! What facts are handed to.

use biscuit_auth::builder::{Fact, Term};

use super::names::WordId;

/// A term of a request fact, borrowed from wherever the request keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TermRef<'a> {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// Seconds since 1970.
    Date(u64),
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A set of text, in any order and with any repetition.
    TextSet(&'a [&'a str]),
    /// A set of terms that are not sets themselves, in any order and with any repetition.
    Set(&'a [TermRef<'a>]),
    /// An array.
    Array(&'a [TermRef<'a>]),
}

/// Takes the facts of a request, one by one, as they are made.
pub trait FactSink {
    /// Takes one fact.
    fn fact(&mut self, word: WordId, terms: &[TermRef<'_>]);

    /// Takes one fact whose terms somebody owns: those of the predicate that asked for it.
    fn fact_of(&mut self, word: WordId, terms: &[Term]);
}

impl FactSink for Vec<Fact> {
    fn fact(&mut self, word: WordId, terms: &[TermRef<'_>]) {
        self.fact_of(word, &terms.iter().map(owned).collect::<Vec<_>>());
    }

    fn fact_of(&mut self, word: WordId, terms: &[Term]) {
        if let Some(word) = word.word() {
            self.push(Fact::new(word.name.to_owned(), terms.to_vec()));
        }
    }
}

/// The term as Biscuit's builders write it; the arguments' own depth bounds the nesting.
pub(super) fn owned(term: &TermRef<'_>) -> Term {
    match term {
        TermRef::Null => Term::Null,
        TermRef::Bool(bool) => Term::Bool(*bool),
        TermRef::Int(int) => Term::Integer(*int),
        TermRef::Date(secs) => Term::Date(*secs),
        TermRef::Str(text) => Term::Str((*text).to_owned()),
        TermRef::Bytes(bytes) => Term::Bytes(bytes.to_vec()),
        TermRef::TextSet(texts) => {
            Term::Set(texts.iter().map(|text| Term::Str((*text).to_owned())).collect())
        }
        TermRef::Set(items) => Term::Set(items.iter().map(owned).collect()),
        TermRef::Array(items) => Term::Array(items.iter().map(owned).collect()),
    }
}
