use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use thread_local::ThreadLocal;

use super::cache::Known;

/// Places that each thread has.
const PLACES: usize = 256;

/// How often, at most, a thread finds a token by itself before the cache is asked again: the cache
/// has to hear which tokens are in use. It is asked after one use, then two, four and so on.
const USES_MAX: u32 = 8;

/// Where each thread found a token last.
///
/// *Shape*: it keeps no token alive. Asking a cache that many threads share makes each of them wait
/// for the others' cores; this asks nobody. Boxed, so that what two threads write lies apart.
#[derive(Default)]
pub(super) struct Recent(ThreadLocal<Box<RefCell<Vec<Place>>>>);

#[derive(Clone, Default)]
struct Place {
    key: [u8; 32],
    known: Weak<Known>,
    /// How often it may still be used.
    uses: u32,
    /// How often it may be used once the cache has been asked again.
    next_uses: u32,
}

impl Recent {
    /// The token, if this thread has met it lately.
    pub(super) fn find(&self, key: &[u8; 32]) -> Option<Arc<Known>> {
        let mut places = self.0.get()?.try_borrow_mut().ok()?;
        let place = places.get_mut(index(key)).filter(|place| place.key == *key)?;
        place.uses = place.uses.checked_sub(1)?;
        place.known.upgrade()
    }

    /// Remembers that the cache holds the token.
    pub(super) fn keep(&self, key: &[u8; 32], known: &Arc<Known>) {
        let places = self.0.get_or(|| Box::new(RefCell::new(vec![Place::default(); PLACES])));
        if let Ok(mut places) = places.try_borrow_mut()
            && let Some(place) = places.get_mut(index(key))
        {
            let uses = if place.key == *key { place.next_uses } else { 1 };
            let next_uses = (2 * uses).min(USES_MAX);
            *place = Place { key: *key, known: Arc::downgrade(known), uses, next_uses };
        }
    }
}

/// The place of a key, which is a digest and so falls anywhere.
fn index(key: &[u8; 32]) -> usize {
    key.first().map_or(0, |byte| usize::from(*byte))
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}
