use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use crate::model::limits::{REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX, TOKEN_REGEXES_MAX};

use super::budget::{Budget, Stop};
use super::error::{CompileFault, Origin};

/// The regular expressions of a program, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Regexes {
    compiled: Vec<Weighed>,
    places: HashMap<String, u32>,
    of_token: usize,
}

/// A compiled regular expression and what it may cost.
#[derive(Debug)]
struct Weighed {
    regex: Regex,
    /// Steps for each 8 bytes of text.
    weight: u64,
}

/// The compiled size that counts as weight one.
const LIGHT_BYTES: usize = 4 * 1024;
/// The factor between one limit that is tried and the next.
const STEP: usize = 4;

impl Regexes {
    /// The number of `pattern`, compiled now if it is new.
    pub(super) fn insert(&mut self, pattern: &str, origin: Origin) -> Result<u32, CompileFault> {
        if let Some(place) = self.places.get(pattern) {
            return Ok(*place);
        }
        if pattern.len() > REGEX_BYTES_MAX {
            return Err(CompileFault::RegexTooLarge);
        }
        if matches!(origin, Origin::Block(_)) {
            if self.of_token >= TOKEN_REGEXES_MAX {
                return Err(CompileFault::TooManyRegexes);
            }
            self.of_token += 1;
        }
        let place = u32::try_from(self.compiled.len()).map_err(|_| CompileFault::TooManyRegexes)?;
        self.compiled.push(compile(pattern)?);
        self.places.insert(pattern.to_owned(), place);
        Ok(place)
    }

    /// Whether regular expression `place` matches somewhere in `text`.
    pub(super) fn is_match(
        &self,
        place: u32,
        text: &str,
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        let Some(weighed) = self.compiled.get(place as usize) else { return Ok(false) };
        budget.charge((1 + text.len() as u64 / 8).saturating_mul(weighed.weight))?;
        Ok(weighed.regex.is_match(text))
    }
}

/// Compiles under ever larger limits, so that the limit that suffices tells the weight.
fn compile(pattern: &str) -> Result<Weighed, CompileFault> {
    let mut size = LIGHT_BYTES;
    let mut weight = 1;
    loop {
        let built = RegexBuilder::new(pattern)
            .size_limit(size)
            .dfa_size_limit(REGEX_COMPILED_BYTES_MAX * 4)
            .nest_limit(32)
            .build();
        match built {
            Ok(regex) => return Ok(Weighed { regex, weight }),
            Err(regex::Error::CompiledTooBig(_)) if size < REGEX_COMPILED_BYTES_MAX => {
                size *= STEP;
                weight *= STEP as u64;
            }
            Err(regex::Error::CompiledTooBig(_)) => return Err(CompileFault::RegexTooLarge),
            Err(_) => return Err(CompileFault::RegexInvalid),
        }
    }
}
