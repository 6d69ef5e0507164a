use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
///
/// *Shape*: written as RFC 3339 in UTC. Moments before 1970 or after 9999 do not exist here.
/// Datalog dates have whole seconds: [`Timestamp::secs`].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(u64);

/// 9999-12-31T23:59:59.999Z
const MILLIS_MAX: u64 = 253_402_300_799_999;

/// Why a text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time between 1970 and 9999, such as 2026-11-22T10:15:00Z")]
pub struct TimestampError(pub String);

impl Timestamp {
    /// A moment from whole seconds since 1970; later than 9999 is 9999.
    pub fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1000))
    }

    /// A moment from milliseconds since 1970; later than 9999 is 9999.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(MILLIS_MAX))
    }

    /// Whole seconds since 1970.
    pub fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// The moment this many seconds later.
    pub fn plus_secs(self, secs: u64) -> Self {
        Self::from_millis(self.0.saturating_add(secs.saturating_mul(1000)))
    }

    /// ISO weekday in UTC: Monday is 1, Sunday 7.
    pub fn weekday(self) -> i64 {
        // 1970-01-01 was a Thursday.
        ((self.secs() / 86_400 + 3) % 7) as i64 + 1
    }

    /// Minutes since midnight, UTC.
    pub fn minute_of_day(self) -> i64 {
        (self.secs() % 86_400 / 60) as i64
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let wrong = || TimestampError(text.chars().take(64).flat_map(char::escape_debug).collect());
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
        let millis = parsed.unix_timestamp_nanos().div_euclid(1_000_000);
        match u64::try_from(millis) {
            Ok(millis) if millis <= MILLIS_MAX => Ok(Self(millis)),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> String {
        timestamp.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_in_utc() {
        let moment: Timestamp = "2026-11-22T11:15:00.250+01:00".parse().unwrap();
        assert_eq!(moment.to_string(), "2026-11-22T10:15:00.25Z");
        assert_eq!(moment.secs(), 1_795_342_500);
    }

    #[test]
    fn weekday_and_minute_are_utc() {
        let sunday: Timestamp = "2026-11-22T10:15:30Z".parse().unwrap();
        assert_eq!((sunday.weekday(), sunday.minute_of_day()), (7, 615));
        assert_eq!(Timestamp::from_secs(0).weekday(), 4);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "now", "2026-11-22", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
        assert_eq!(Timestamp::from_secs(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
