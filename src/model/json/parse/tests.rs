use proptest::prelude::*;

use super::*;
use crate::model::limits::{ARGS_BYTES_MAX, ARGS_DEPTH_MAX, ARGS_LEAVES_MAX};

fn check(text: impl AsRef<[u8]>) -> Result<Json, JsonError> {
    parse(text.as_ref(), JsonProfile::default(), JsonBounds::ARGS, ())
}

#[test]
fn values_are_read_as_written() {
    let cases = [
        ("null", "null"),
        (" [ true , false ]\r\n\t", "[true,false]"),
        (r#"{"b":1.50,"a":{"c":[]}}"#, r#"{"b":1.50,"a":{"c":[]}}"#),
        (r#""\"\\\/\b\f\n\r\t\u0041\u00e9""#, "\"\\\"\\\\/\\b\\f\\n\\r\\tA\u{e9}\""),
        (r#""\ud83d\uDE00 é""#, "\"\u{1f600} é\""),
        (r#""\u0000\u001f\uffff""#, "\"\\u0000\\u001f\u{ffff}\""),
        ("-0.0e-0", "-0.0e-0"),
        (r#"{"":{"":0}}"#, r#"{"":{"":0}}"#),
    ];
    for (text, want) in cases {
        assert_eq!(check(text).unwrap().to_string(), want, "{text}");
    }
}

#[test]
fn texts_that_parsers_read_differently_are_refused() {
    let cases: &[(&[u8], JsonError)] = &[
        (b"", JsonError::End(0)),
        (b"  ", JsonError::End(2)),
        (b"nul", JsonError::Syntax(0)),
        (b"NaN", JsonError::Syntax(0)),
        (b"Infinity", JsonError::Syntax(0)),
        (b"+1", JsonError::Syntax(0)),
        (b"01", JsonError::Trailing(1)),
        (b"-", JsonError::End(1)),
        (b"-a", JsonError::Syntax(1)),
        (b".5", JsonError::Syntax(0)),
        (b"1.", JsonError::End(2)),
        (b"1e", JsonError::End(2)),
        (b"1e+", JsonError::End(3)),
        (b"0x10", JsonError::Trailing(1)),
        (b"[1,]", JsonError::Syntax(3)),
        (b"[1 2]", JsonError::Syntax(3)),
        (b"[1", JsonError::End(2)),
        (b"{\"a\":1,}", JsonError::Syntax(7)),
        (b"{\"a\" 1}", JsonError::Syntax(5)),
        (b"{a:1}", JsonError::Syntax(1)),
        (b"{'a':1}", JsonError::Syntax(1)),
        (b"// x\n1", JsonError::Syntax(0)),
        (b"1 2", JsonError::Trailing(2)),
        (b"null\0", JsonError::Trailing(4)),
        (b"\x0b1", JsonError::Syntax(0)),
        (b"\xc2\xa01", JsonError::Syntax(0)),
        (b"\xef\xbb\xbf1", JsonError::ByteOrderMark),
        (b"\"\xff\"", JsonError::Utf8(1)),
        (b"\"\xc0\xaf\"", JsonError::Utf8(1)),
        (b"\"\xed\xa0\x80\"", JsonError::Utf8(1)),
        (b"\"a", JsonError::End(2)),
        (b"\"a\\", JsonError::End(3)),
        (b"\"\t\"", JsonError::Syntax(1)),
        (b"\"\\x\"", JsonError::Syntax(2)),
        (b"\"\\u12", JsonError::End(5)),
        (b"\"\\u12g4\"", JsonError::Syntax(5)),
        (b"\"\\u+123\"", JsonError::Syntax(3)),
        (br#""\ud800""#, JsonError::Surrogate(1)),
        (br#""a\udc00""#, JsonError::Surrogate(2)),
        (br#""\ud800\ud800""#, JsonError::Surrogate(1)),
        (br#""\ud800A""#, JsonError::Surrogate(1)),
        (br#""\ude00\ud83d""#, JsonError::Surrogate(1)),
        (br#"{"a":1,"b":2,"a":1}"#, JsonError::DuplicateName(13)),
        (br#"{"a":1,"\u0061":1}"#, JsonError::DuplicateName(7)),
        (br#"{"x":[{"":1,"":2}]}"#, JsonError::DuplicateName(12)),
        (b"[5, 9007199254740992]", JsonError::Integer(4)),
        (b"[1e-400]", JsonError::Underflow(1)),
        (b"[0.123456789012345678901]", JsonError::Precision(1)),
    ];
    for (text, want) in cases {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(check(text).as_ref(), Err(want), "{shown}");
    }
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nest = |n: usize| format!("{}[]{}", open.repeat(n - 1), close.repeat(n - 1));
        assert!(check(nest(ARGS_DEPTH_MAX - 1)).is_ok());
        assert!(check(nest(ARGS_DEPTH_MAX)).is_ok());
        assert!(matches!(check(nest(ARGS_DEPTH_MAX + 1)), Err(JsonError::Depth(_))));
        assert!(matches!(check(open.repeat(100_000)), Err(JsonError::Depth(_))));
    }
}

#[test]
fn leaves_are_bounded() {
    for leaf in ["0", "\"\"", "{}", "[]", "null"] {
        let list = |n: usize| format!("[{}]", vec![leaf; n].join(","));
        assert!(check(list(ARGS_LEAVES_MAX - 1)).is_ok(), "{leaf}");
        assert!(check(list(ARGS_LEAVES_MAX)).is_ok(), "{leaf}");
        assert!(matches!(check(list(ARGS_LEAVES_MAX + 1)), Err(JsonError::Leaves(_))), "{leaf}");
    }
}

#[test]
fn length_is_bounded() {
    let text = |n: usize| format!("\"{}\"", "a".repeat(n - 2));
    assert!(check(text(ARGS_BYTES_MAX - 1)).is_ok());
    assert!(check(text(ARGS_BYTES_MAX)).is_ok());
    let over = ARGS_BYTES_MAX + 1;
    assert_eq!(check(text(over)), Err(JsonError::Length(over)));
}

#[test]
fn a_last_duplicate_among_many_long_names_is_found() {
    let prefix = "p".repeat(200);
    let mut members: Vec<_> = (0..4095).map(|n| format!("\"{prefix}{n}\":0")).collect();
    assert!(check(format!("{{{}}}", members.join(","))).is_ok());
    members.push(format!("\"{prefix}0\":1"));
    let got = check(format!("{{{}}}", members.join(",")));
    assert!(matches!(got, Err(JsonError::DuplicateName(at)) if at > 4095 * 200));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = check(bytes);
    }

    #[test]
    fn whatever_is_accepted_serde_json_reads_alike(
        text in r#"([\[\]{},:"\\a-e0-9.eE+-]|true|null|"a":|\\u[0-9a-f]{4}){0,16}"#,
    ) {
        if let Ok(json) = check(&text) {
            let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
            let ours: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
            prop_assert_eq!(theirs, ours);
        }
    }

    #[test]
    fn printing_and_parsing_round_trip(name: String, string: String, number: i32) {
        let json = Json::Object(vec![
            (name, Json::Array(vec![Json::String(string), Json::Null])),
            ("\u{1}other".into(), check(number.to_string()).unwrap()),
        ]);
        prop_assert_eq!(check(json.to_string()), Ok(json.clone()));
        prop_assert!(check(json.canonical()).is_ok());
    }
}
