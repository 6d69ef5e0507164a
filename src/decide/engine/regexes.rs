use std::collections::HashMap;
use std::sync::Arc;

use crate::model::limits::TOKEN_REGEXES_MAX;
use crate::model::{Regex, RegexError, RegexScratch, RegexWork};

use super::budget::{Budget, Stop};
use super::error::{CompileFault, Origin};

/// States and ways between them that one step may lead through; a simulation takes some 6 ns for
/// each where all are live.
const WEIGHT_PER_STEP: usize = 3;
/// Bytes of text that the first look at a text counts for.
const TEXT_BYTES_MIN: u64 = 16;

/// The regular expressions of a program, each compiled once.
#[derive(Clone, Debug, Default)]
pub(super) struct Regexes {
    compiled: Vec<Arc<Regex>>,
    places: HashMap<String, u32>,
    /// How many are the token's.
    of_token: usize,
    token_work: RegexWork,
    policy_work: RegexWork,
}

impl Regexes {
    /// The number of `pattern`, if it was compiled before.
    pub(super) fn find(&self, pattern: &str) -> Option<u32> {
        self.places.get(pattern).copied()
    }

    /// The number of `pattern`, compiled now if it is new.
    pub(super) fn insert(&mut self, pattern: &str, origin: Origin) -> Result<u32, CompileFault> {
        if let Some(place) = self.find(pattern) {
            return Ok(place);
        }
        let work = match origin {
            Origin::Policy => &mut self.policy_work,
            Origin::Block(_) => {
                self.of_token += 1;
                if self.of_token > TOKEN_REGEXES_MAX {
                    return Err(CompileFault::TooManyRegexes);
                }
                &mut self.token_work
            }
        };
        let place = u32::try_from(self.compiled.len()).map_err(|_| CompileFault::TooManyRegexes)?;
        let regex = work.compile(pattern).map_err(|error| match error {
            RegexError::Invalid => CompileFault::RegexInvalid,
            RegexError::TooLarge => CompileFault::RegexTooLarge,
        })?;
        self.compiled.push(Arc::new(regex));
        self.places.insert(pattern.to_owned(), place);
        Ok(place)
    }

    /// What those of the token take, in bytes, and somewhat more.
    pub(super) fn token_bytes(&self) -> usize {
        self.token_work.spent()
    }

    /// Whether regular expression `place` matches somewhere in `text`.
    pub(super) fn is_match(
        &self,
        place: u32,
        text: &str,
        scratch: &mut RegexScratch,
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        let Some(regex) = self.compiled.get(place as usize) else { return Ok(false) };
        let length = TEXT_BYTES_MIN + text.len() as u64;
        let weight = regex.weight().div_ceil(WEIGHT_PER_STEP) as u64;
        budget.charge(length.saturating_mul(weight))?;
        Ok(regex.is_match(text, scratch))
    }
}
