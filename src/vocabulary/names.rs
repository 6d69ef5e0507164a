//! The words of the vocabulary: every predicate with a meaning of its own.

/// Who may state a fact of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The gateway, for one request. Reserved: see law 3.
    Request,
    /// Block 0.
    Authority,
    /// A third-party block that hands the token on.
    Delegation,
}

/// One predicate of the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The predicate's name.
    pub name: &'static str,
    /// How many terms it has.
    pub arity: usize,
    /// Who may state it.
    pub speaker: Speaker,
    /// How many leading terms must be constants where a token or policy asks for it: the gateway
    /// works such a fact out only for the constants it finds.
    pub keyed: usize,
}

const fn request(name: &'static str, arity: usize, keyed: usize) -> Word {
    Word { name, arity, speaker: Speaker::Request, keyed }
}

const fn authority(name: &'static str) -> Word {
    Word { name, arity: 1, speaker: Speaker::Authority, keyed: 0 }
}

/// Every word, by name.
pub const WORDS: &[Word] = &[
    authority("agent"),
    request("arg", 2, 0),
    request("arg_absent", 1, 1),
    request("arg_at", 2, 1),
    request("arg_cidr", 2, 2),
    request("arg_command", 2, 2),
    request("arg_count", 2, 1),
    request("arg_domain", 2, 2),
    request("arg_glob", 2, 2),
    request("arg_host", 2, 2),
    request("arg_host", 3, 3),
    request("arg_length", 2, 1),
    request("arg_lower", 2, 1),
    request("arg_names", 1, 0),
    request("arg_names", 2, 1),
    request("arg_present", 1, 1),
    request("arg_public_host", 1, 1),
    request("arg_public_host", 2, 2),
    request("arg_scheme", 2, 2),
    request("arg_scheme", 3, 3),
    request("arg_time", 3, 1),
    request("arg_under", 2, 2),
    request("args_digest", 1, 0),
    request("audience", 1, 0),
    request("call", 2, 0),
    Word { name: "delegate", arity: 2, speaker: Speaker::Delegation, keyed: 0 },
    request("depth", 1, 0),
    authority("granted"),
    authority("hardtack"),
    authority("holder"),
    authority("intent"),
    request("label", 1, 0),
    request("method", 1, 0),
    request("minute_of_day", 1, 0),
    request("number", 2, 0),
    request("number_at", 2, 1),
    request("path", 1, 0),
    request("presenter", 1, 0),
    authority("principal"),
    request("seen", 1, 0),
    authority("task"),
    request("time", 1, 0),
    request("used", 3, 0),
    request("weekday", 1, 0),
];

/// The vocabulary version that this crate speaks: `hardtack(1)`.
pub const VERSION: i64 = 1;

/// A word by its place among [`WORDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WordId(usize);

impl WordId {
    /// The word of this name and arity.
    pub fn find(name: &str, arity: usize) -> Option<Self> {
        WORDS
            .binary_search_by(|word| word.name.cmp(name).then(word.arity.cmp(&arity)))
            .ok()
            .map(Self)
    }

    /// The word of this name and arity, for names that are written in the code: for any other it is
    /// one that nobody ever asks for.
    pub(super) const fn of(name: &str, arity: usize) -> Self {
        let (mut place, mut rest) = (0, WORDS);
        while let Some((word, others)) = rest.split_first() {
            if word.arity == arity && same(word.name.as_bytes(), name.as_bytes()) {
                break;
            }
            (place, rest) = (place + 1, others);
        }
        Self(place)
    }

    /// The word.
    pub fn word(self) -> Option<&'static Word> {
        WORDS.get(self.0)
    }

    /// Its place.
    pub fn place(self) -> usize {
        self.0
    }
}

const fn same(mut a: &[u8], mut b: &[u8]) -> bool {
    while let (Some((x, xs)), Some((y, ys))) = (a.split_first(), b.split_first()) {
        if *x != *y {
            return false;
        }
        (a, b) = (xs, ys);
    }
    a.is_empty() && b.is_empty()
}

/// Some of the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordSet(u64);

impl WordSet {
    /// Adds a word.
    pub fn insert(&mut self, word: WordId) {
        self.0 |= bit(word);
    }

    /// Whether it holds a word.
    #[inline]
    pub fn contains(self, word: WordId) -> bool {
        self.0 & bit(word) != 0
    }

    /// Its words in their order.
    pub fn words(self) -> impl Iterator<Item = WordId> {
        (0..WORDS.len()).map(WordId).filter(move |word| self.contains(*word))
    }
}

#[inline]
fn bit(word: WordId) -> u64 {
    u32::try_from(word.0).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

/// The word of this name and arity.
pub fn word(name: &str, arity: usize) -> Option<&'static Word> {
    WordId::find(name, arity)?.word()
}

/// Whether a name belongs to the vocabulary, with any arity. Names that begin with `arg_` all do,
/// so that a word of a later version is never mistaken for a name of the token's own.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("arg_") || WORDS.iter().any(|word| word.name == name)
}

/// Whether only the gateway may state facts of this name.
pub fn is_request(name: &str) -> bool {
    let request = |word: &Word| word.name == name && word.speaker == Speaker::Request;
    name.starts_with("arg_") || WORDS.iter().any(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted_and_unique() {
        let keys: Vec<_> = WORDS.iter().map(|word| (word.name, word.arity)).collect();
        assert!(keys.is_sorted());
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn words_are_found_by_name_and_arity() {
        assert!(WORDS.len() <= 64, "a set of words is 64 bits");
        let mut set = WordSet::default();
        for (place, word) in WORDS.iter().enumerate() {
            let id = WordId::find(word.name, word.arity).unwrap();
            assert_eq!((id.place(), id.word()), (place, Some(word)));
            assert_eq!(WordId::of(word.name, word.arity), id);
            if place % 3 == 0 {
                set.insert(id);
            }
        }
        assert!(set.words().map(WordId::place).eq((0..WORDS.len()).step_by(3)));
        assert_eq!(WordId::find("call", 3), None);
        let unknown = WordId::of("call", 3);
        set.insert(unknown);
        assert!(unknown.word().is_none() && set.words().all(|word| word != unknown));
    }

    #[test]
    fn unknown_oracles_are_reserved() {
        assert!(is_reserved("arg_iban") && is_request("arg_iban"));
        assert!(!is_reserved("argument") && !is_request("granted"));
    }
}
