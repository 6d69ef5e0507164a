//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// The moment that the machine's clock shows. A clock set before 1970 shows 1970.
#[expect(clippy::disallowed_methods, reason = "the one reading of the clock; others are told")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
