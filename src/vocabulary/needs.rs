use std::collections::{BTreeMap, BTreeSet};

use biscuit_auth::builder::{Predicate, Term};

use super::oracle::Oracle;
use super::pattern::Pattern;

/// Which request facts somebody asks for: the gateway makes no others.
///
/// *Shape*: gathered from the predicates of a token's blocks and of the gateway's policy. What one
/// block asks for is never seen by a query of another block that does not ask for it too: plain
/// facts are about the request alone, and the rest are met only by their own constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// `arg` and `number` of these paths.
    pub(crate) paths: BTreeSet<String>,
    /// `arg` and `number` of every path.
    pub(crate) every_path: bool,
    /// Facts keyed by a pattern: relation and pattern.
    pub(crate) at: BTreeMap<(String, String), Pattern>,
    /// Oracle facts.
    pub(crate) oracles: BTreeMap<OracleNeed, Pattern>,
    /// `args_digest`.
    pub(crate) digest: bool,
}

/// One oracle fact that somebody asks for, as its predicate's terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OracleNeed {
    pub(crate) oracle: Oracle,
    pub(crate) terms: Vec<Term>,
}

impl OracleNeed {
    /// The constants, any of which will do.
    pub(crate) fn constants(&self) -> Vec<&str> {
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
            None => Vec::new(),
        }
    }

    /// Whether a URL may come without its scheme.
    pub(crate) fn is_bare(&self) -> bool {
        let place = if self.oracle == Oracle::PublicHost { 1 } else { 2 };
        self.terms.get(place) == Some(&Term::Str("bare".to_owned()))
    }
}

impl Needs {
    /// Adds what one predicate of a query or rule body asks for.
    pub fn add(&mut self, predicate: &Predicate) {
        let first = match predicate.terms.first() {
            Some(Term::Str(text)) => Some(text.as_str()),
            _ => None,
        };
        match (predicate.name.as_str(), first) {
            ("arg" | "number", Some(path)) => drop(self.paths.insert(path.to_owned())),
            ("arg" | "number", None) => self.every_path = true,
            ("args_digest", _) => self.digest = true,
            (name, Some(first)) if name.starts_with("arg_") || name == "number_at" => {
                self.add_at(predicate, first);
            }
            _ => {}
        }
    }

    fn add_at(&mut self, predicate: &Predicate, first: &str) {
        // A pattern that does not parse has no facts, so whatever asks for it fails.
        let Ok(pattern) = first.parse::<Pattern>() else { return };
        match Oracle::from_predicate(&predicate.name) {
            Some(oracle) => {
                let need = OracleNeed { oracle, terms: predicate.terms.clone() };
                self.oracles.insert(need, pattern);
            }
            None => {
                self.at.insert((predicate.name.clone(), first.to_owned()), pattern);
            }
        }
    }
}
