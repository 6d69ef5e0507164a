use std::collections::HashMap;
use std::sync::Arc;

use regex::{Error, Regex, RegexBuilder, bytes};

use crate::model::limits::{REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX, TOKEN_REGEXES_MAX};

use super::budget::{Budget, Stop};
use super::error::{CompileFault, Origin};

/// Compiled bytes that cost one step for each byte of text.
const BYTES_PER_STEP: usize = 256;
/// The factor between one limit that is tried and the next: each try costs a compilation.
const SIZE_STEP: usize = 4;
/// Bytes of text that the first look at a text counts for.
const TEXT_BYTES_MIN: u64 = 16;
/// Deepest nesting of groups in a pattern; the pattern's parser recurses.
const GROUPS_MAX: u32 = 32;

/// The regular expressions of a program, each compiled once.
#[derive(Clone, Debug, Default)]
pub(super) struct Regexes {
    compiled: Vec<Arc<Weighed>>,
    places: HashMap<String, u32>,
    of_token: usize,
}

/// A compiled regular expression and what it may cost.
#[derive(Debug)]
struct Weighed {
    regex: Regex,
    /// Steps for each byte of text.
    weight: u64,
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
        self.compiled.push(Arc::new(compile(pattern)?));
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
        let length = TEXT_BYTES_MIN + text.len() as u64;
        budget.charge(length.saturating_mul(weighed.weight))?;
        Ok(weighed.regex.is_match(text))
    }
}

/// Compiles a pattern so that the time a match takes is known beforehand.
///
/// A lazily built automaton is fast on most texts and takes microseconds a byte on the texts that
/// an attacker picks. So it is turned off: what is left simulates the pattern, and never takes more
/// than the pattern's compiled size for each byte.
fn compile(pattern: &str) -> Result<Weighed, CompileFault> {
    let size = size(pattern)?;
    let regex = RegexBuilder::new(pattern)
        .size_limit(REGEX_COMPILED_BYTES_MAX)
        .dfa_size_limit(0)
        .nest_limit(GROUPS_MAX)
        .build()
        .map_err(|error| fault(&error))?;
    Ok(Weighed { regex, weight: (size / BYTES_PER_STEP) as u64 })
}

/// The compiled size of a pattern, as the first of ever larger limits that suffices.
///
/// Unicode classes are measured as their ASCII part: they compile to large tables of which a match
/// looks at one entry. Where a pattern has no ASCII meaning, it is measured as it is.
fn size(pattern: &str) -> Result<usize, CompileFault> {
    let mut unicode = false;
    let mut size = 2 * BYTES_PER_STEP;
    loop {
        let built = bytes::RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(size)
            .dfa_size_limit(0)
            .nest_limit(GROUPS_MAX)
            .build();
        match built {
            Ok(_) => return Ok(size),
            Err(Error::CompiledTooBig(_)) if size < REGEX_COMPILED_BYTES_MAX => {
                size = (size * SIZE_STEP).min(REGEX_COMPILED_BYTES_MAX);
            }
            Err(Error::Syntax(_)) if !unicode => unicode = true,
            Err(error) => return Err(fault(&error)),
        }
    }
}

fn fault(error: &Error) -> CompileFault {
    match error {
        Error::CompiledTooBig(_) => CompileFault::RegexTooLarge,
        _ => CompileFault::RegexInvalid,
    }
}
