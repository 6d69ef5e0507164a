use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

/// Events of one session that are remembered.
const EVENTS_MAX: usize = 1024;

/// The last events that went down in a session, by their identifiers: it may ask for what came after
/// one of them, and for no other's.
#[derive(Default)]
pub(super) struct Passed {
    seed: RandomState,
    events: Mutex<VecDeque<u64>>,
}

impl Passed {
    pub(super) fn note(&self, id: &[u8]) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(self.seed.hash_one(id));
    }

    pub(super) fn has(&self, id: &[u8]) -> bool {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.contains(&self.seed.hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_remembered() {
        let passed = Passed::default();
        let id = |number: usize| number.to_string().into_bytes();
        (0..=EVENTS_MAX).for_each(|number| passed.note(&id(number)));
        assert_eq!(
            [0, 1, EVENTS_MAX, EVENTS_MAX + 1].map(|number| passed.has(&id(number))),
            [false, true, true, false]
        );
    }
}
