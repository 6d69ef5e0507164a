//! Durations as people write them: `90s`, `15m`, `2h`, `1d`.

/// Reads a duration, in seconds.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || "a duration is a number and a unit, such as 90s, 15m, 2h or 1d".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).unwrap_or_default();
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let is_plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_plain).ok_or_else(wrong)?;
    number.checked_mul(secs).filter(|secs| *secs > 0).ok_or_else(wrong)
}

/// Writes a duration with its two largest units: `14m 59s`.
pub(super) fn human(secs: u64) -> String {
    let parts = [
        (secs / 86_400, "d"),
        (secs % 86_400 / 3_600, "h"),
        (secs % 3_600 / 60, "m"),
        (secs % 60, "s"),
    ];
    let largest = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = parts
        .iter()
        .skip(largest)
        .take(2)
        .filter(|(count, unit)| *count > 0 || (secs == 0 && *unit == "s"))
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, secs) in [("90s", 90), ("15m", 900), ("2h", 7_200), ("1d", 86_400)] {
            assert_eq!(parse(text), Ok(secs), "{text}");
        }
        for text in
            ["", "15", "m", "0s", "-5m", "+5m", "1.5h", "5w", "15 m", "99999999999999999999d"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        for (secs, text) in [(0, "0s"), (899, "14m 59s"), (7_200, "2h"), (90_061, "1d 1h")] {
            assert_eq!(human(secs), text);
        }
    }
}
