//! Regular expressions whose cost is known beforehand: that of compiling them, and that of
//! matching.

mod classes;

use std::cell::RefCell;

use regex_automata::Input;
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{Compiler, Config, NFA, State, WhichCaptures};
use regex_automata::util::syntax;

use self::classes::classes;
use super::{Work, limits};

/// Deepest nesting of groups in a pattern; the pattern's parser recurses.
const GROUPS_MAX: u32 = 32;

/// What is wrong with a regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegexError {
    /// It is not one.
    Invalid,
    /// It takes too much, by itself or with those before it.
    TooLarge,
}

thread_local! {
    /// Has large tables, which would take longer to make than to use.
    static COMPILER: RefCell<Compiler> = RefCell::new(Compiler::new());
}

/// The work that compiling the regular expressions of one token may still take.
#[derive(Clone, Debug)]
pub(crate) struct RegexWork(Work);

impl Default for RegexWork {
    fn default() -> Self {
        Self::new(limits::TOKEN_REGEX_WORK_MAX)
    }
}

impl RegexWork {
    /// So much, in bytes of what is compiled.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Work::new(bytes))
    }

    /// What was taken of a token's work.
    pub(crate) fn spent(&self) -> usize {
        limits::TOKEN_REGEX_WORK_MAX.saturating_sub(self.0.left())
    }

    /// Takes what reading a regular expression costs, without doing it.
    pub(crate) fn take_reading(&mut self, text: &str) -> Result<(), RegexError> {
        if text.len() > limits::REGEX_BYTES_MAX {
            return Err(RegexError::TooLarge);
        }
        let classes = classes(text) * limits::REGEX_CLASS_WORK;
        self.take(text.len() * limits::REGEX_BYTE_WORK + classes)
    }

    /// Compiles a regular expression, and takes what that costs.
    pub(crate) fn compile(&mut self, text: &str) -> Result<Regex, RegexError> {
        self.take_reading(text)?;
        let parsed = syntax::parse_with(text, &syntax()).map_err(|_| RegexError::Invalid)?;
        let room = self.0.left().min(limits::REGEX_COMPILED_BYTES_MAX);
        let config = Config::new().nfa_size_limit(Some(room)).which_captures(WhichCaptures::None);
        let compiled =
            COMPILER.with_borrow_mut(|compiler| compiler.configure(config).build_from_hir(&parsed));
        let nfa = compiled.map_err(|error| match error.size_limit() {
            Some(_) => RegexError::TooLarge,
            None => RegexError::Invalid,
        })?;
        self.take(nfa.memory_usage())?;
        let weight = weight(&nfa);
        let machine = PikeVM::new_from_nfa(nfa).map_err(|_| RegexError::Invalid)?;
        Ok(Regex { machine, weight })
    }

    fn take(&mut self, work: usize) -> Result<(), RegexError> {
        self.0.take(work).map_err(|_| RegexError::TooLarge)
    }
}

fn syntax() -> syntax::Config {
    syntax::Config::new().nest_limit(GROUPS_MAX)
}

/// Whether a text within the limits is a regular expression.
pub(crate) fn is_regex(text: &str) -> bool {
    RegexWork::default().take_reading(text).is_ok() && syntax::parse_with(text, &syntax()).is_ok()
}

/// A compiled regular expression.
///
/// *Shape*: it is simulated, every state at once. An automaton built while matching is faster on
/// most texts, and takes microseconds a byte on those that an attacker picks; a simulation never
/// takes more than its size for each byte.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    machine: PikeVM,
    weight: usize,
}

/// Room that matching needs; any expression can use it after any other.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegexScratch(Option<pikevm::Cache>);

impl Regex {
    /// Whether it matches somewhere in a text.
    pub(crate) fn is_match(&self, text: &str, scratch: &mut RegexScratch) -> bool {
        let cache = scratch.0.get_or_insert_with(|| self.machine.create_cache());
        cache.reset(&self.machine);
        self.machine.is_match(cache, Input::new(text))
    }

    /// How many states and ways between them a byte of text may lead through.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }
}

/// What one byte of text may cost: each state is entered at most once, each way out of it tried at
/// most once. Ranges of bytes are looked through quickly; a word boundary looks at two characters.
fn weight(nfa: &NFA) -> usize {
    let of = |state: &State| match state {
        State::Sparse(ranges) => 1 + ranges.transitions.len() / 8,
        State::Union { alternates } => 1 + alternates.len(),
        State::BinaryUnion { .. } => 3,
        State::Look { .. } => 8,
        _ => 1,
    };
    nfa.states().iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(text: &str) -> Result<Regex, RegexError> {
        RegexWork::default().compile(text)
    }

    #[test]
    fn matches_are_those_of_the_usual_library() {
        let texts = ["", "a", "b", "ab", "abc", "xab", "é", "a\nb", "A", "ſ", "5", "٥", "a b"];
        for pattern in [
            "a",
            "^a",
            "a$",
            "^$",
            "",
            "a|b",
            "(ab)+c?",
            "[^a]",
            r"\w",
            r"\d",
            r"\bb",
            "(?i)s",
            "(?s).b",
            "(?m)^b",
            "é|ſ",
            r"\A(?:a.?)\z",
            "(?-u:[a-z])",
            "[[:alpha:]&&[^a]]",
        ] {
            let (ours, theirs) = (compile(pattern).unwrap(), regex::Regex::new(pattern).unwrap());
            let mut scratch = RegexScratch::default();
            for text in texts {
                let found = ours.is_match(text, &mut scratch);
                assert_eq!(found, theirs.is_match(text), "{pattern} {text}");
            }
        }
    }

    #[test]
    fn room_is_shared_between_expressions() {
        let mut scratch = RegexScratch::default();
        let (small, large) = (compile("^b$").unwrap(), compile("^(?:ab){200}$").unwrap());
        for _ in 0..2 {
            assert!(large.is_match(&"ab".repeat(200), &mut scratch));
            assert!(small.is_match("b", &mut scratch) && !small.is_match("bb", &mut scratch));
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        for (text, error) in [
            ("(", RegexError::Invalid),
            ("a**{", RegexError::Invalid),
            (r"\xff(?-u:\xff)", RegexError::Invalid),
            (r"\w{20}", RegexError::TooLarge),
            ("((a{99}){99}){99}", RegexError::TooLarge),
        ] {
            assert_eq!(compile(text).err(), Some(error), "{text}");
        }
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert!(compile(&nested(31)).is_ok());
        assert_eq!(compile(&nested(33)).err(), Some(RegexError::Invalid));
    }

    #[test]
    fn work_is_taken_from_all_together() {
        let mut work = RegexWork::default();
        let count = (0..).take_while(|n| work.compile(&format!(r"\w{n}")).is_ok()).count();
        assert_eq!(count, 3);
        assert_eq!(work.compile("a{900}").err(), Some(RegexError::TooLarge));
        assert!(work.compile("a").is_ok());
    }

    #[test]
    fn weight_counts_states_and_ways() {
        let weight = |text: &str| compile(text).unwrap().weight();
        assert!(weight("(?:a|b|c|ab|)*y") > weight("(?:a|b|c)y"));
        // Text of which every state is live costs more than text of classes.
        assert!(weight("(a?b?){100}") > 800);
        assert!(weight(r"\w") < 600);
    }
}
