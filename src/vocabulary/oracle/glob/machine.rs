//! The states of a glob, advanced together.

use super::Token;
use crate::model::limits::REGEX_BYTES_MAX;

/// Words that hold one bit for each token of a pattern and one for its end.
const WORDS: usize = REGEX_BYTES_MAX / 64 + 1;

/// One bit for each state: bit *n* is set when the first *n* tokens have matched what was read.
#[derive(Clone, Copy, Default)]
struct Bits([u64; WORDS]);

impl Bits {
    fn bit(at: usize) -> Self {
        let mut bits = Self::default();
        bits.set(at);
        bits
    }

    fn set(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
        self
    }

    fn or(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    fn advanced(mut self) -> Self {
        let mut carry = 0;
        for word in &mut self.0 {
            (*word, carry) = (*word << 1 | carry, *word >> 63);
        }
        self
    }

    fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// A pattern made ready to match.
pub(super) struct Machine {
    tokens: Vec<Token>,
    runs: Bits,
    deep_runs: Bits,
    /// For each ASCII character, once met: the tokens that take it.
    takers: Vec<Option<Bits>>,
    /// The tokens that take every character beyond ASCII.
    foreign_takers: Bits,
    /// The tokens that take some of these, to be asked each time.
    foreign_askers: Vec<(usize, Token)>,
}

impl Machine {
    /// A machine for the tokens of a pattern, in which no two runs stand side by side.
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        let runs = which(&tokens, |token| matches!(token, Token::Run | Token::DeepRun));
        let deep_runs = which(&tokens, |token| matches!(token, Token::DeepRun));
        let foreign_takers = which(&tokens, |token| {
            // Any character beyond ASCII stands for all.
            !token.tells_foreign_apart() && token.takes(char::MAX)
        });
        let asks = |(_, token): &(usize, Token)| token.tells_foreign_apart();
        let foreign_askers = tokens.iter().cloned().enumerate().filter(asks).collect();
        Self { tokens, runs, deep_runs, takers: vec![None; 128], foreign_takers, foreign_askers }
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&mut self, text: &str) -> bool {
        let mut states = self.past_runs(Bits::bit(0));
        for c in text.chars() {
            let staying = states.and(if c == '/' { &self.deep_runs } else { &self.runs });
            let moving = states.and(&self.takers_of(c)).advanced();
            states = self.past_runs(staying.or(moving));
            if states.is_empty() {
                return false;
            }
        }
        !states.and(&Bits::bit(self.tokens.len())).is_empty()
    }

    /// A run may be empty. Two never stand side by side, so one step is enough.
    fn past_runs(&self, states: Bits) -> Bits {
        states.or(states.and(&self.runs).advanced())
    }

    fn takers_of(&mut self, c: char) -> Bits {
        match self.takers.get_mut(c as usize) {
            Some(known) => *known.get_or_insert_with(|| which(&self.tokens, |t| t.takes(c))),
            None => {
                let mut takers = self.foreign_takers;
                let asked = self.foreign_askers.iter().filter(|(_, token)| token.takes(c));
                asked.for_each(|(at, _)| takers.set(*at));
                takers
            }
        }
    }
}

fn which(tokens: &[Token], wanted: impl Fn(&Token) -> bool) -> Bits {
    let mut bits = Bits::default();
    let found = tokens.iter().enumerate().filter(|(_, token)| wanted(token));
    found.for_each(|(at, _)| bits.set(at));
    bits
}
