use std::collections::{BTreeMap, BTreeSet};

use biscuit_auth::builder::{Predicate, Term};
use smallvec::SmallVec;

use super::names::{WordId, WordSet};
use super::oracle::Oracle;
use super::pattern::Pattern;

/// Which request facts somebody asks for: the gateway makes no others.
///
/// *Shape*: gathered from the predicates of a token's blocks and of the gateway's policy. What one
/// block asks for is never seen by a query of another block that does not ask for it too: plain
/// facts are about the request alone, and the rest are met only by their own constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// The words that anybody names.
    words: WordSet,
    /// `arg` and `number` of these paths.
    pub(super) paths: BTreeSet<String>,
    /// The length of the longest of them.
    pub(super) longest: usize,
    /// `arg` and `number` of every path.
    pub(super) every_path: bool,
    /// Facts keyed by a pattern: relation and pattern.
    pub(super) at: BTreeMap<(WordId, String), Pattern>,
    /// Oracle facts.
    pub(super) oracles: BTreeMap<OracleNeed, Pattern>,
}

/// One oracle fact that somebody asks for, as its predicate's terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OracleNeed {
    pub(super) oracle: Oracle,
    pub(super) terms: Vec<Term>,
    pub(super) word: WordId,
}

impl OracleNeed {
    /// The constants, any of which will do.
    pub(super) fn constants(&self) -> SmallVec<[&str; 8]> {
        fn text(term: &Term) -> Option<&str> {
            match term {
                Term::Str(text) => Some(text),
                _ => None,
            }
        }
        let asked = if self.oracle == Oracle::PublicHost { None } else { self.terms.get(1) };
        match asked {
            Some(Term::Set(set)) => set.iter().filter_map(text).collect(),
            Some(term) => text(term).into_iter().collect(),
            None => SmallVec::new(),
        }
    }

    /// Whether a URL may come without its scheme.
    pub(super) fn is_bare(&self) -> bool {
        let place = if self.oracle == Oracle::PublicHost { 1 } else { 2 };
        self.terms.get(place) == Some(&Term::Str("bare".to_owned()))
    }
}

impl Needs {
    /// The words that anybody names.
    pub fn words(&self) -> WordSet {
        self.words
    }

    /// Adds what one predicate of a query or rule body asks for.
    pub fn add(&mut self, predicate: &Predicate) {
        let Some((word, asked)) = asked(predicate) else { return };
        self.words.insert(word);
        match asked {
            Asked::Word => {}
            Asked::Every => self.every_path = true,
            Asked::Path(path) => {
                self.longest = self.longest.max(path.len());
                self.paths.insert(path.to_owned());
            }
            // A pattern that does not parse has no facts, so whatever asks for it fails.
            Asked::At(text) => {
                if let Ok(pattern) = text.parse() {
                    self.at.insert((word, text.to_owned()), pattern);
                }
            }
            Asked::Oracle(oracle, text) => {
                if let Ok(pattern) = text.parse() {
                    let terms = predicate.terms.clone();
                    self.oracles.insert(OracleNeed { oracle, terms, word }, pattern);
                }
            }
        }
    }

    /// Whether adding a predicate would change nothing.
    pub fn covers(&self, predicate: &Predicate) -> bool {
        let Some((word, asked)) = asked(predicate) else { return true };
        self.words.contains(word)
            && match asked {
                Asked::Word => true,
                Asked::Every => self.every_path,
                Asked::Path(path) => self.paths.contains(path),
                Asked::At(text) => self.at.contains_key(&(word, text.to_owned())),
                Asked::Oracle(oracle, _) => {
                    let terms = predicate.terms.clone();
                    self.oracles.contains_key(&OracleNeed { oracle, terms, word })
                }
            }
    }
}

/// What a predicate asks for beside its word.
enum Asked<'p> {
    /// Nothing more.
    Word,
    /// Every argument.
    Every,
    /// The argument of this path.
    Path(&'p str),
    /// What is found at this pattern.
    At(&'p str),
    /// What an oracle says of this pattern.
    Oracle(Oracle, &'p str),
}

fn asked(predicate: &Predicate) -> Option<(WordId, Asked<'_>)> {
    let word = WordId::find(&predicate.name, predicate.terms.len())?;
    let first = match predicate.terms.first() {
        Some(Term::Str(text)) => Some(text.as_str()),
        _ => None,
    };
    let asked = match (predicate.name.as_str(), first) {
        ("arg" | "number", Some(path)) => Asked::Path(path),
        ("arg" | "number", None) => Asked::Every,
        (name, Some(text)) if name.starts_with("arg_") || name == "number_at" => {
            match Oracle::from_predicate(name) {
                Some(oracle) => Asked::Oracle(oracle, text),
                None => Asked::At(text),
            }
        }
        _ => Asked::Word,
    };
    Some((word, asked))
}

#[cfg(test)]
mod tests {
    use biscuit_auth::builder::Rule;

    use super::*;

    #[test]
    fn a_predicate_is_covered_when_it_was_added_and_not_before() {
        let bodies = [
            "call($s, $t)",
            "arg(\"a\", $v)",
            "arg(\"b\", $v)",
            "number(\"a\", $v)",
            "arg($p, $v)",
            "arg_at(\"a?\", $v)",
            "arg_at(\"b\", $v)",
            "arg_count(\"b\", $v)",
            "arg_under(\"b\", \"/d\")",
            "arg_under(\"b\", \"/e\")",
            "arg_names($n)",
            "arg_names(\"b/*\", $n)",
            "args_digest($d)",
        ];
        let mut needs = Needs::default();
        for body in bodies {
            let rule = Rule::try_from(format!("q(1) <- {body}").as_str()).unwrap();
            assert!(!needs.covers(&rule.body[0]), "{body}");
            needs.add(&rule.body[0]);
            assert!(needs.covers(&rule.body[0]), "{body}");
            let before = needs.clone();
            needs.add(&rule.body[0]);
            assert_eq!(needs, before, "{body}");
        }
        assert_eq!((needs.longest, needs.paths.len(), needs.at.len()), (1, 2, 4));
        assert_eq!((needs.oracles.len(), needs.words().words().count()), (2, 9));
        let own = Rule::try_from("q(1) <- own($x)").unwrap();
        assert!(needs.covers(&own.body[0]));
    }
}
