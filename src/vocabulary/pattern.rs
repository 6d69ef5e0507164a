use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;

use crate::model::{Json, TooMuchWork, Work};
use crate::vocabulary::grant::{ArgPath, Found, Place, Segment};

/// The values at the places of a pattern.
pub(super) type Values<'a> = SmallVec<[&'a Json; 4]>;

/// An argument path inside Datalog, with a mark where it may end early.
///
/// *Shape*: the text of an [`ArgPath`]; a `?` after a segment says that the argument may be
/// missing up to there. A `?` that belongs to a name is `~3`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// The path.
    pub path: ArgPath,
    /// How many segments, counted from the top, may be missing.
    pub optional_to: usize,
}

impl Pattern {
    /// Whether the pattern stands for one place that must be there.
    pub fn is_plain(&self) -> bool {
        self.optional_to == 0 && !self.path.is_pattern()
    }

    /// The values at the places of the pattern. `None` where one is missing that may not be, or
    /// the arguments have another shape: then no fact is made.
    ///
    /// *Errors*: [`TooMuchWork`] where that takes more than `work` has.
    pub(super) fn values<'a>(
        &self,
        args: &'a Json,
        work: &mut Work,
    ) -> Result<Option<Values<'a>>, TooMuchWork> {
        let value = |place: Place<'a>| match place {
            Place::Value(value) => Some(Some(value)),
            Place::Absent(depth) if depth <= self.optional_to => None,
            Place::Absent(_) => Some(None),
        };
        if self.path.is_pattern() {
            let Found::Places(places) = self.path.find_within(args, work)? else { return Ok(None) };
            return Ok(places.into_iter().filter_map(value).collect());
        }
        let place = self.path.place(args, work)?;
        Ok(place.and_then(|place| value(place).into_iter().collect()))
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut optional_to = 0;
        for (i, segment) in text.split('/').enumerate() {
            match segment.strip_suffix('?') {
                Some(_) if optional_to > 0 => {
                    return Err("a path has more than one `?`".to_owned());
                }
                Some(_) => optional_to = i + 1,
                None => {}
            }
        }
        let path = text.replace('?', "").replace("~3", "?").parse()?;
        let pattern = Self { path, optional_to };
        // A `?` inside a segment would vanish, and two texts stand for one pattern.
        if pattern.to_string() == text { Ok(pattern) } else { Err("a `?` is misplaced".to_owned()) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.path.segments().iter().enumerate() {
            let slash = if i == 0 { "" } else { "/" };
            let mark = if i + 1 == self.optional_to { "?" } else { "" };
            match segment {
                Segment::Every => write!(f, "{slash}*{mark}")?,
                Segment::Name(name) => {
                    let name = super::grant::escape(name).replace('?', "~3");
                    write!(f, "{slash}{name}{mark}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for (text, optional_to) in
            [("amount", 0), ("amount?", 1), ("a?/*", 1), ("a/*/b?", 3), ("really~3", 0)]
        {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!((pattern.to_string().as_str(), pattern.optional_to), (text, optional_to));
        }
        for text in ["a?/b?", "a?b", "?", "a~?3", "~3~"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
