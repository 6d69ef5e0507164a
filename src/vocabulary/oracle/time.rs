//! Times: an instant, or a whole day.

use ::time::format_description::well_known::Rfc3339;
use ::time::{Date, Month, OffsetDateTime};

use crate::model::Timestamp;

const DAY_SECS: i64 = 24 * 60 * 60;

/// The whole seconds that a text covers: the first and the last.
///
/// *Shape*: an RFC 3339 instant covers its second, and the next one too if it has a fraction, so
/// that it is neither before nor after a bound that it straddles. A date (`2026-11-22`, perhaps
/// followed by `Z` or an offset like `+01:00`; without one it is UTC) covers the day. `None`
/// for any other text and for times before 1970 or after 9999.
pub fn time_range(text: &str) -> Option<(Timestamp, Timestamp)> {
    // The longest RFC 3339 instants have a few dozen characters.
    if text.len() > 64 || !text.is_ascii() {
        return None;
    }
    let (first, last) = match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(instant) => {
            let first = instant.unix_timestamp();
            (first, first.checked_add(i64::from(has_fraction(text)))?)
        }
        Err(_) => {
            let first = day_start(text)?;
            (first, first.checked_add(DAY_SECS - 1)?)
        }
    };
    Some((timestamp(first)?, timestamp(last)?))
}

/// Judged by the text, for a parser may drop digits that it cannot hold; the second 60 is kept
/// by none.
fn has_fraction(text: &str) -> bool {
    let after = text.split_once('.').map(|(_, after)| after).unwrap_or_default();
    let digits = after.bytes().take_while(u8::is_ascii_digit);
    digits.into_iter().any(|digit| digit != b'0') || text.get(17..19) == Some("60")
}

/// The second at which a day starts.
fn day_start(text: &str) -> Option<i64> {
    let (date, zone) = text.split_at_checked(10)?;
    let date = match date.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => Date::from_calendar_date(
            number(date.get(..4)?)?,
            Month::try_from(u8::try_from(number(date.get(5..7)?)?).ok()?).ok()?,
            u8::try_from(number(date.get(8..)?)?).ok()?,
        ),
        _ => return None,
    };
    Some(date.ok()?.midnight().assume_utc().unix_timestamp() - i64::from(offset_secs(zone)?))
}

/// The seconds that a zone is ahead of UTC.
fn offset_secs(zone: &str) -> Option<i32> {
    let sign = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(zone.get(1..3)?)?, number(zone.get(4..)?)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Digits only: no sign, no space.
fn number(digits: &str) -> Option<i32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn timestamp(secs: i64) -> Option<Timestamp> {
    let secs = u64::try_from(secs).ok()?;
    // A timestamp saturates at the end of 9999.
    Some(Timestamp::from_secs(secs)).filter(|timestamp| timestamp.secs() == secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_cover_seconds() {
        let cases = [
            ("2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z"),
            ("2026-11-22t11:15:00+01:00", "2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z"),
            ("2026-11-22T10:15:00.000Z", "2026-11-22T10:15:00Z", "2026-11-22T10:15:00Z"),
            ("2026-11-22T10:15:00.5Z", "2026-11-22T10:15:00Z", "2026-11-22T10:15:01Z"),
            ("2026-11-22T10:15:00.00000000001Z", "2026-11-22T10:15:00Z", "2026-11-22T10:15:01Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z"),
            ("2026-11-22", "2026-11-22T00:00:00Z", "2026-11-22T23:59:59Z"),
            ("2026-11-22Z", "2026-11-22T00:00:00Z", "2026-11-22T23:59:59Z"),
            ("2026-11-22+01:00", "2026-11-21T23:00:00Z", "2026-11-22T22:59:59Z"),
            ("2026-11-22-05:30", "2026-11-22T05:30:00Z", "2026-11-23T05:29:59Z"),
            ("2024-02-29", "2024-02-29T00:00:00Z", "2024-02-29T23:59:59Z"),
            ("1970-01-01", "1970-01-01T00:00:00Z", "1970-01-01T23:59:59Z"),
            ("9999-12-31", "9999-12-31T00:00:00Z", "9999-12-31T23:59:59Z"),
        ];
        for (text, first, last) in cases {
            let want = (first.parse().unwrap(), last.parse().unwrap());
            assert_eq!(time_range(text), Some(want), "{text}");
        }
    }

    #[test]
    fn other_texts_cover_none() {
        let cases = [
            "",
            "now",
            "2026",
            "2026-11",
            "2026-13-01",
            "2026-02-29",
            "2026-00-10",
            "2026-11-31",
            "2026/11/22",
            "22-11-2026",
            "+026-11-22",
            "2026-1--22",
            "2026-11-22 ",
            " 2026-11-22",
            "2026-11-22T10:15:00",
            "2026-11-22T10:15Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22+1:00",
            "2026-11-22+24:00",
            "2026-11-22+01:60",
            "2026-11-22+0100",
            "2026-11-22+-1:00",
            "1969-12-31",
            "1970-01-01+01:00",
            "9999-12-31-01:00",
            "10000-01-01",
            "20261122",
            "2026-W47-7",
            "2026-11-22\u{660}",
            "２０２６-11-22",
            "1763806500",
        ];
        for text in cases {
            assert_eq!(time_range(text), None, "{text}");
        }
        assert_eq!(time_range(&format!("2026-11-22T10:15:00.{}Z", "0".repeat(4000))), None);
    }

    proptest! {
        #[test]
        fn instants_and_their_days_agree(secs in 0_u64..250_000_000_000) {
            let text = Timestamp::from_secs(secs).to_string();
            let instant = time_range(&text).unwrap();
            prop_assert_eq!((instant.0.secs(), instant.1.secs()), (secs, secs));
            let day = time_range(&text[..10]).unwrap();
            prop_assert!(day.0 <= instant.0 && instant.1 <= day.1);
            prop_assert_eq!(day.1.secs() - day.0.secs(), 86_399);
        }
    }
}
