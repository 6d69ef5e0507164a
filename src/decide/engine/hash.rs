use std::hash::{BuildHasher, Hasher, RandomState};

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Builds hashers under one secret seed.
///
/// The standard library's hasher costs more than the rest of looking up a short string. This one
/// folds a 128-bit product with a seed that is drawn anew for each policy, and the tables hold no
/// more than one token and one policy spell out.
#[derive(Clone, Debug)]
pub(super) struct KeyedState {
    seed: u64,
}

impl Default for KeyedState {
    fn default() -> Self {
        Self { seed: RandomState::new().hash_one(MULTIPLIER) }
    }
}

impl BuildHasher for KeyedState {
    type Hasher = Keyed;

    fn build_hasher(&self) -> Keyed {
        Keyed { state: self.seed, seed: self.seed }
    }
}

/// The hasher that [`KeyedState`] builds.
#[derive(Debug)]
pub(super) struct Keyed {
    state: u64,
    seed: u64,
}

impl Keyed {
    #[inline]
    fn mix(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.seed | MULTIPLIER);
        self.state = (product as u64) ^ ((product >> 64) as u64);
        self.state = self.state.wrapping_add(self.seed);
    }
}

impl Hasher for Keyed {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.mix(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let mut rest = bytes.len() as u64;
        for byte in words.remainder() {
            rest = rest << 8 | u64::from(*byte);
        }
        self.mix(rest);
    }

    #[inline]
    fn write_u8(&mut self, _: u8) {
        // A string's end mark; `write` has mixed in the length.
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state ^ (self.state >> 29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_strings_spread() {
        let state = KeyedState::default();
        let mut seen = std::collections::HashSet::new();
        for n in 0..20_000_u32 {
            seen.insert(state.hash_one(format!("arg/{n}").as_str()) >> 20);
        }
        assert!(seen.len() > 19_990, "{}", seen.len());
        assert_ne!(state.hash_one("a"), state.hash_one("a\0"));
    }
}
