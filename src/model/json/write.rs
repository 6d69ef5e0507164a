//! Writing: compact text as it was written, and the canonical form of RFC 8785.

use std::fmt::{self, Write};

use super::{Json, Number};

/// The integers that RFC 8785 has a form for lie within ±this.
const CANONICAL_INTEGER_MAX: u64 = (1 << 53) - 1;

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, f, Form::Written)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The canonical text of a value.
pub(super) fn canonical(json: &Json) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write(json, &mut out, Form::Canonical);
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Written,
    Canonical,
}

fn write(json: &Json, out: &mut impl Write, form: Form) -> fmt::Result {
    match json {
        Json::Null => out.write_str("null"),
        Json::Bool(value) => write!(out, "{value}"),
        Json::Number(number) if form == Form::Canonical => write_canonical_number(number, out),
        Json::Number(number) => out.write_str(number.text()),
        Json::String(string) => write_string(string, out),
        Json::Array(items) => {
            out.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.write_char(',')?;
                }
                write(item, out, form)?;
            }
            out.write_char(']')
        }
        Json::Object(members) => write_object(members, out, form),
    }
}

fn write_object(members: &[(String, Json)], out: &mut impl Write, form: Form) -> fmt::Result {
    let mut members: Vec<_> = members.iter().collect();
    if form == Form::Canonical {
        // RFC 8785 section 3.2.3: by UTF-16 code units, which differs from the order of UTF-8.
        members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    }
    out.write_char('{')?;
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.write_char(',')?;
        }
        write_string(name, out)?;
        out.write_char(':')?;
        write(value, out, form)?;
    }
    out.write_char('}')
}

fn write_canonical_number(number: &Number, out: &mut impl Write) -> fmt::Result {
    match number.as_integer() {
        Some(whole) if whole.unsigned_abs() > CANONICAL_INTEGER_MAX => write!(out, "{whole}"),
        _ => out.write_str(ryu_js::Buffer::new().format(number.as_f64())),
    }
}

/// A string with the escapes of RFC 8785 section 3.2.2.2: only those that JSON demands.
fn write_string(string: &str, out: &mut impl Write) -> fmt::Result {
    out.write_char('"')?;
    for c in string.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\u{8}' => out.write_str("\\b")?,
            '\u{c}' => out.write_str("\\f")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            '\0'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::JsonProfile;

    fn canonical_of(text: &str) -> String {
        let json = Json::parse(text.as_bytes(), JsonProfile::Integers64).unwrap();
        String::from_utf8(json.canonical()).unwrap()
    }

    #[test]
    fn canonical_form_is_that_of_rfc_8785() {
        let cases = [
            // Section 3.2.2, its number beyond 2^53 and its 27-digit one left out.
            (
                r#"{"numbers":[4.50,2e-3,0.000000000000000000000000001],
                   "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
                   "literals":[null,true,false]}"#,
                "{\"literals\":[null,true,false],\"numbers\":[4.5,0.002,1e-27],\
                 \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
            ),
            // Section 3.2.3: order by UTF-16 code units.
            (
                r#"{"\u20ac":"Euro Sign","\r":"Carriage Return",
                   "\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
                   "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",
                   "\u00f6":"Latin Small Letter O With Diaeresis"}"#,
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
                 \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
                 \"😀\":\"Emoji: Grinning Face\",\
                 \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
            ),
            ("[56,{\"d\":true,\"10\":null,\"1\":[]}]", "[56,{\"1\":[],\"10\":null,\"d\":true}]"),
            ("\"\u{7f}\u{2028}\"", "\"\u{7f}\u{2028}\""),
            // Beyond RFC 8785.
            ("[9223372036854775807,-1e18]", "[9223372036854775807,-1000000000000000000]"),
        ];
        for (text, want) in cases {
            assert_eq!(canonical_of(text), want, "{text}");
        }
    }

    #[test]
    fn numbers_print_as_in_appendix_b() {
        // RFC 8785 appendix B, the rows that strict parsing takes; each of its bit patterns.
        let cases = [
            (0x0000_0000_0000_0000_u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"),
            (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"),
            (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        ];
        for (bits, want) in cases {
            let double = f64::from_bits(bits);
            for text in [format!("{double}"), format!("{double:e}")] {
                assert_eq!(canonical_of(&text), want, "{text}");
            }
        }
        for (text, want) in [("-0", "0"), ("1.0", "1"), ("1e3", "1000"), ("1E-7", "1e-7")] {
            assert_eq!(canonical_of(text), want);
        }
    }

    proptest! {
        #[test]
        fn another_canonicalizer_agrees(
            members in prop::collection::btree_map(any::<String>(), any::<f64>(), 0..6),
            string: String,
        ) {
            let members: Vec<_> = members
                .into_iter()
                .filter(|(_, double)| double.is_finite() && double.abs() < 9e15)
                .map(|(name, double)| {
                    let text = format!("{double:?}");
                    (name, Json::parse(text.as_bytes(), JsonProfile::Interoperable).unwrap())
                })
                .chain([("last".to_owned(), Json::String(string))])
                .collect();
            let json = Json::Object(members);
            let theirs: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
            let theirs = serde_json_canonicalizer::to_vec(&theirs).unwrap();
            prop_assert_eq!(json.canonical(), theirs);
        }
    }
}
