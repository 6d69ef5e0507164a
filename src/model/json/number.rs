//! Numbers: judged as decimals, exactly, never through a double.

use super::{JsonError, JsonProfile};

/// 2^53 − 1: the largest integer below which every integer is a double (RFC 7493 section 2.2).
const INTEROPERABLE_MAX: i128 = (1 << 53) - 1;

/// Exponents beyond this are alike: no text of an accepted length has digits enough to undo them.
const EXPONENT_MAX: i64 = 1_000_000_000_000;

/// A JSON number as written.
///
/// *Shape*: its decimal value has at most 19 significant digits, and a double holds it unless it
/// is an integer of 64 bits. Numbers are equal when their texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    text: String,
    decimal: Decimal,
}

/// A decimal value, `±digits × 10^exponent`, in lowest terms: no trailing zero in `digits`, and
/// zero is `0 × 10^0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: u64,
    exponent: i64,
}

impl Number {
    /// Reads a text that already has the grammar of a JSON number and starts at byte `at`.
    pub(super) fn read(text: &str, profile: JsonProfile, at: usize) -> Result<Self, JsonError> {
        let decimal = match Decimal::read(text) {
            Ok(decimal) => decimal,
            Err(whole) if whole => return Err(JsonError::Integer(at)),
            Err(_) => return Err(JsonError::Precision(at)),
        };
        if decimal.exponent >= 0 {
            let range = match profile {
                JsonProfile::Interoperable => -INTEROPERABLE_MAX..=INTEROPERABLE_MAX,
                JsonProfile::Integers64 => i128::from(i64::MIN)..=i128::from(i64::MAX),
            };
            if !decimal.times_power_of_ten(0).is_some_and(|whole| range.contains(&whole)) {
                return Err(JsonError::Integer(at));
            }
        } else {
            let double = decimal.as_f64();
            if double == 0.0 {
                return Err(JsonError::Underflow(at));
            }
            // Printing gives the shortest text that reads back as the same double.
            if Decimal::read(&format!("{double:e}")) != Ok(decimal) {
                return Err(JsonError::Precision(at));
            }
        }
        Ok(Self { text: text.to_owned(), decimal })
    }

    /// The number as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number as an integer, where its value is whole (5, 5.0 and 5e0 alike) and fits 64 bits.
    pub fn as_integer(&self) -> Option<i64> {
        self.decimal.times_power_of_ten(0).and_then(|whole| whole.try_into().ok())
    }

    /// The number in millionths, exactly; `None` where that takes more digits or range.
    pub fn micros(&self) -> Option<i64> {
        self.decimal.times_power_of_ten(6).and_then(|micros| micros.try_into().ok())
    }

    /// The nearest double: the same value, except for an integer beyond ±(2^53−1).
    pub fn as_f64(&self) -> f64 {
        self.decimal.as_f64()
    }
}

impl Decimal {
    /// The value of a number's text. One with more digits than fit is an error that says whether
    /// it is whole.
    fn read(text: &str) -> Result<Self, bool> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = Some(0_u64);
        let mut zeros = 0_u32;
        for digit in whole.bytes().chain(fraction.bytes()).map(|byte| byte.wrapping_sub(b'0')) {
            if digit != 0 {
                digits = digits.and_then(|digits| append(digits, zeros, digit));
                zeros = 0;
            } else if digits != Some(0) {
                zeros = zeros.saturating_add(1);
            }
        }
        if digits == Some(0) {
            return Ok(Self::default());
        }
        let places = i64::try_from(fraction.len()).unwrap_or(EXPONENT_MAX);
        let exponent = read_exponent(exponent) - places + i64::from(zeros);
        digits.map(|digits| Self { negative, digits, exponent }).ok_or(exponent >= 0)
    }

    /// The value times `10^power` where that is whole and fits.
    fn times_power_of_ten(self, power: i64) -> Option<i128> {
        // Without trailing zeros in the digits, a negative exponent means a fraction.
        let exponent = u32::try_from(self.exponent + power).ok()?;
        let magnitude = 10_i128.checked_pow(exponent)?.checked_mul(i128::from(self.digits))?;
        Some(if self.negative { -magnitude } else { magnitude })
    }

    fn as_f64(self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        // The text is a float's by construction. The text as written would not do: the standard
        // parser loses count of exponents with more than five digits.
        format!("{sign}{}e{}", self.digits, self.exponent).parse().unwrap_or_default()
    }
}

/// `digits`, then `zeros` zeros, then one more digit.
fn append(digits: u64, zeros: u32, digit: u8) -> Option<u64> {
    let shift = 10_u64.checked_pow(zeros.checked_add(1)?)?;
    digits.checked_mul(shift)?.checked_add(u64::from(digit))
}

/// The value of an exponent's text, held within ±`EXPONENT_MAX` whatever its length.
fn read_exponent(text: &str) -> i64 {
    let magnitude = text
        .trim_start_matches(['+', '-'])
        .bytes()
        .fold(0, |sum: i64, byte| (sum * 10 + i64::from(byte - b'0')).min(EXPONENT_MAX));
    if text.starts_with('-') { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const I: JsonProfile = JsonProfile::Interoperable;
    const L: JsonProfile = JsonProfile::Integers64;

    #[test]
    fn integers_are_judged_by_value() {
        let cases = [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("5e0", Some(5)),
            ("5.00E+00", Some(5)),
            ("1e3", Some(1000)),
            ("1200e-2", Some(12)),
            ("0.05e2", Some(5)),
            ("-7", Some(-7)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("0e5", Some(0)),
            ("0e999999999999999999999999", Some(0)),
            ("9007199254740991", Some(9_007_199_254_740_991)),
            ("-9007199254740991.000", Some(-9_007_199_254_740_991)),
            ("0.5", None),
            ("1e-1", None),
            ("12.5", None),
        ];
        for (text, want) in cases {
            assert_eq!(Number::read(text, I, 0).unwrap().as_integer(), want, "{text}");
        }
    }

    #[test]
    fn micros_are_exact() {
        let cases = [
            ("12.5", Some(12_500_000)),
            ("0.10", Some(100_000)),
            ("0.000001", Some(1)),
            ("1e-6", Some(1)),
            ("1.0e-6", Some(1)),
            ("0.0000001", None),
            ("1e-7", None),
            ("0.0000015", None),
            ("-0", Some(0)),
            ("-3.25", Some(-3_250_000)),
            ("9223372036854", Some(9_223_372_036_854_000_000)),
            ("9223372036855", None),
            ("9007199254740991", None),
        ];
        for (text, want) in cases {
            assert_eq!(Number::read(text, I, 0).unwrap().micros(), want, "{text}");
        }
    }

    #[test]
    fn whole_numbers_have_the_range_of_the_profile() {
        let cases = [
            ("9007199254740992", false, true),
            ("9007199254740992.0", false, true),
            ("-9007199254740992", false, true),
            ("9007199254740993e0", false, true),
            ("9.007199254740993e15", false, true),
            ("1e18", false, true),
            ("9223372036854775807", false, true),
            ("-9223372036854775808", false, true),
            ("9223372036854775808", false, false),
            ("-9223372036854775809", false, false),
            ("99999999999999999999999999999999", false, false),
            ("1e19", false, false),
            ("1e400", false, false),
            ("1e999999999999", false, false),
            ("-1e99999999999999999999999999999", false, false),
        ];
        for (text, interoperable, wide) in cases {
            for (profile, want) in [(I, interoperable), (L, wide)] {
                let got = Number::read(text, profile, 7);
                assert_eq!(got.is_ok(), want, "{text} {profile:?}");
                assert!(want || got == Err(JsonError::Integer(7)), "{text} {profile:?}");
            }
        }
        let widest = Number::read("-9223372036854775808", L, 0).unwrap();
        assert_eq!(widest.as_integer(), Some(i64::MIN));
    }

    #[test]
    fn fractions_are_what_a_double_holds() {
        let kept = ["0.1", "1.10", "-0.3", "1e-7", "5e-324", "4503599627370495.5", "1.5e-300"];
        for text in kept {
            let double: f64 = text.parse().unwrap();
            assert_eq!(Number::read(text, I, 0).unwrap().as_f64(), double, "{text}");
        }
        let cases = [
            ("3.141592653589793238462643", JsonError::Precision(0)),
            ("0.10000000000000000001", JsonError::Precision(0)),
            ("0.1000000000000000055511151231257827", JsonError::Precision(0)),
            ("9007199254740991.5", JsonError::Precision(0)),
            ("4e-324", JsonError::Precision(0)),
            ("1e-324", JsonError::Underflow(0)),
            ("1e-400", JsonError::Underflow(0)),
            ("-1.5e-999999999999999999999", JsonError::Underflow(0)),
        ];
        for (text, want) in cases {
            assert_eq!(Number::read(text, I, 0), Err(want), "{text}");
        }
    }

    #[test]
    fn long_texts_are_read_by_value_in_linear_time() {
        let zeros = "0".repeat(500_000);
        let one = Number::read(&format!("0.{zeros}1e500001"), I, 0).unwrap();
        assert_eq!((one.as_integer(), one.as_f64()), (Some(1), 1.0));
        let five = Number::read(&format!("5.{zeros}"), I, 0).unwrap();
        assert_eq!(five.as_integer(), Some(5));
        assert!(Number::read(&format!("1{zeros}"), L, 0).is_err());
        assert!(Number::read(&format!("1e{}", "9".repeat(500_000)), L, 0).is_err());
    }

    proptest! {
        #[test]
        fn printed_doubles_are_accepted_unless_whole_and_large(double: f64) {
            if !double.is_finite() || (double.fract() == 0.0 && double.abs() >= 9e15) {
                return Ok(());
            }
            for text in [format!("{double}"), format!("{double:e}")] {
                prop_assert_eq!(Number::read(&text, I, 0).unwrap().as_f64(), double);
            }
        }

        #[test]
        fn micros_and_integers_agree(whole in -9_000_000_000_000_i64..9_000_000_000_000) {
            for text in [format!("{whole}"), format!("{whole}.0"), format!("{whole}e0")] {
                let number = Number::read(&text, I, 0).unwrap();
                prop_assert_eq!(number.as_integer(), Some(whole));
                prop_assert_eq!(number.micros(), Some(whole * 1_000_000));
            }
        }
    }
}
