//! What is judged and what arrives is the same to another reader; where two readers could differ,
//! nothing arrives.

use sha2::{Digest, Sha256};

use super::upstream::plain;
use super::world::{META, World, told};

/// Texts around one call of `x` that some reader takes for something else.
fn refused() -> Vec<(String, Vec<u8>)> {
    let call = |envelope: &str, params: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call",{envelope}"params":{{"name":"x",{META}{params}}}}}"#
        )
    };
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |what: &str, text: String| all.push((what.to_owned(), text.into_bytes()));
    let args = |text: &str| call("", &format!(r#","arguments":{text}"#));
    add("id twice", call(r#""id":2,"#, ""));
    add("method twice", call(r#""method":"tools/list","#, ""));
    add("method twice, escaped", call(r#""\u006dethod":"tools/list","#, ""));
    add("jsonrpc twice", call(r#""jsonrpc":"2.0","#, ""));
    add("params twice", call(r#""params":{"name":"y"},"#, ""));
    add("name twice", call("", r#","name":"y""#));
    add("name twice, escaped", call("", r#","n\u0061me":"y""#));
    add("arguments twice", call("", r#","arguments":{},"arguments":{"a":1}"#));
    add("_meta twice", call("", r#","_meta":{}"#));
    add("a name in _meta twice", call("", "").replace("{}}", r#"{"a":1,"a":2}}"#));
    add("method in another case", call(r#""Method":"tools/list","#, ""));
    add("params in another case", call(r#""PARAMS":{},"#, ""));
    add("a long s", call("", r#","argument\u017f":{"a":1}"#));
    add("name in another case", call("", r#","Name":"y""#));
    add("arguments in another case", call("", r#","Arguments":{"a":1}"#));
    add("an unknown member", call(r#""extra":1,"#, ""));
    add("an unknown parameter", call("", r#","args":{"a":1}"#));
    for (what, text) in [
        ("too large", "1e400"),
        ("too small", "1e-400"),
        ("too exact", "0.12345678901234567890"),
        ("an integer beyond doubles", "9007199254740993"),
        ("NaN", "NaN"),
        ("infinite", "-Infinity"),
        ("hexadecimal", "0x10"),
        ("octal", "017"),
        ("a plus", "+1"),
        ("half a pair", r#""\ud800""#),
        ("the other half", r#""\udc00\ud800""#),
        ("a single quote", "'a'"),
        ("a trailing comma", "[1,]"),
        ("a comment", "1/*,\"b\":2*/"),
        ("a line comment", "1//\n"),
        ("a raw control character", "\"a\u{1}\""),
        ("a bad escape", r#""\x41""#),
        ("an inner name twice", r#"{"b":1,"b":2}"#),
        ("inner names in two cases", r#"{"b":1,"B":2}"#),
    ] {
        add(what, args(&format!(r#"{{"a":{text}}}"#)));
    }
    add("arguments of names in two cases", args(r#"{"path":"/a","Path":"/b"}"#));
    add("arguments null", args("null"));
    add("arguments an array", args("[]"));
    add("arguments a string", args(r#""{}""#));
    add("too deep", args(&format!(r#"{{"a":{}1{}}}"#, "[".repeat(33), "]".repeat(33))));
    add("too many", args(&format!(r#"{{"a":[{}]}}"#, vec!["1"; 5000].join(","))));
    let plain = call("", "");
    add("two messages", format!("{plain}{plain}"));
    add("something behind", format!("{plain} x"));
    add("a zero byte behind", format!("{plain}\0"));
    add("a mark before", format!("\u{feff}{plain}"));
    add("a batch", format!("[{plain}]"));
    add("an empty batch", "[]".to_owned());
    add("cut short", plain[..plain.len() - 1].to_owned());
    for (what, id) in [
        ("null", "null"),
        ("1.0", "1.0"),
        ("1e0", "1e0"),
        ("-0", "-0"),
        ("1.5", "1.5"),
        ("large", "9007199254740993"),
        ("true", "true"),
        ("an array", "[1]"),
    ] {
        add(&format!("id {what}"), plain.replace(r#""id":1"#, &format!(r#""id":{id}"#)));
    }
    add("a call without id", plain.replace(r#""id":1,"#, ""));
    add("another version", plain.replace(r#""2.0""#, r#""1.0""#));
    add("a number as version", plain.replace(r#""2.0""#, "2.0"));
    for (what, name) in [
        ("an empty name", ""),
        ("a name with a zero", r"x\u0000"),
        ("a name with a space", "x "),
        ("a look-alike", r"\u0445"),
        ("a wildcard", "*"),
        ("a name kept for methods", "mcp:ping"),
    ] {
        add(what, plain.replace(r#""name":"x""#, &format!(r#""name":"{name}""#)));
    }
    let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    all.push(("UTF-16".to_owned(), utf16));
    let mut latin = args(r#"{"a":"?"}"#).into_bytes();
    let at = latin.iter().rposition(|byte| *byte == b'?').unwrap();
    latin[at] = 0xe9;
    all.push(("Latin-1".to_owned(), latin.clone()));
    latin.splice(at..=at, [0xc0, 0xaf]);
    all.push(("overlong".to_owned(), latin.clone()));
    latin.splice(at..=at + 1, [0xed, 0xa0, 0x80]);
    all.push(("a surrogate in UTF-8".to_owned(), latin));
    all
}

#[tokio::test]
async fn what_two_readers_could_take_differently_does_not_arrive() {
    let world = World::new(plain).await;
    for (what, text) in refused() {
        let before = world.records().len();
        let request = world.modern("tools/call", Some("x"), text);
        let (status, answer) = told(request).await;
        assert_eq!(status, 400, "{what}: {answer}");
        assert!(answer["error"]["code"].is_i64(), "{what}: {answer}");
        assert!(!answer.as_object().unwrap().contains_key("id") || !answer["id"].is_null());
        let records = world.records();
        assert_eq!(records.len(), before + 1, "{what}");
        assert!(!records.last().unwrap().decision.is_allow(), "{what}");
    }
    assert!(world.upstream.arrived().is_empty());
}

#[tokio::test]
async fn what_arrives_is_what_was_judged_to_another_reader() {
    let world = World::new(plain).await;
    let arguments = [
        "{}",
        " { } ",
        r#"{"a":1}"#,
        "{\t\"a\"\r\n:1.50e2,\"b\":-0.0,\"c\":5.0}",
        r#"{"\u0061":"\u0000\ud83d\uDE00\/\"\\","é":"é"}"#,
        r#"{"name":"y","method":"tools/list","params":{"name":"z"},"_meta":{"x":1}}"#,
        r#"{"io.hardtack/authorization":"kept: it is an argument"}"#,
        r#"{"a":"\"},\"name\":\"y\""}"#,
        r#"{"a":[[],{},[{}],null,true]}"#,
        r#"{"a":9007199254740991,"b":1E+2,"c":0e5,"d":123456789.125}"#,
    ];
    let mut seen = 0;
    for arguments in arguments {
        for id in ["1", "-7", r#""a\u0062""#, r#""""#, "9007199254740991"] {
            for (name, written) in [("x", "x"), ("x", r"\u0078"), ("a/b", r"a\/b")] {
                let text = format!(
                    " {{\"params\":{{{META} ,\"arguments\":{arguments}\n,\"name\":\"{written}\"}},\"method\":\"tools\\/call\",\"id\":{id},\"jsonrpc\":\"2.0\"}}\n"
                );
                let request = world.modern("tools/call", Some(name), text.clone());
                let (status, answer) = told(request).await;
                assert_eq!(status, 200, "{text} {answer}");
                seen += 1;
                let arrived = world.upstream.last();
                assert_eq!(arrived.text(), text);
                let records = world.records();
                let record = records.last().unwrap();
                assert_eq!(records.len(), seen);
                assert!(record.decision.is_allow());
                let other = arrived.json();
                assert_eq!(other["method"], "tools/call");
                let tool = format!("s/{}", other["params"]["name"].as_str().unwrap());
                assert_eq!(record.tool.as_ref().unwrap().to_string(), tool);
                let canonical = serde_json_canonicalizer::to_vec(&other["params"]["arguments"]);
                let digest = hex::encode(Sha256::digest(canonical.unwrap()));
                assert_eq!(record.args_digest.as_deref(), Some(digest.as_str()), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn credentials_in_metadata_are_cut_out_and_nothing_else() {
    let world = World::new(plain).await;
    let body = |meta: &str| {
        let meta = META.replace(r#"{"io.m"#, &format!(r#"{{ "a" :1.0,{meta}"io.m"#));
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x",{meta}}}}}"#
        )
    };
    let own = format!(r#""io.hardtack/\u0061uthorization" : "Bearer {}","#, world.bearer);
    let send = |text: String, header: bool| {
        let request = world.modern("tools/call", Some("x"), text).build().unwrap();
        let mut request = request;
        if !header {
            request.headers_mut().remove("authorization");
        }
        reqwest::RequestBuilder::from_parts(crate::support_guard::client(), request)
    };
    assert_eq!(told(send(body(&own), false)).await.0, 200);
    let arrived = world.upstream.last();
    assert_eq!(arrived.text(), body(""));
    assert!(!arrived.headers.contains_key("authorization"));
    // Without a token, with two, and with half of one beside a header.
    let count = world.upstream.arrived().len();
    assert_eq!(told(send(body(""), false)).await.0, 401);
    assert_eq!(told(send(body(&own), true)).await.0, 401);
    assert_eq!(told(send(body(r#""io.hardtack/dpop":"p","#), true)).await.0, 401);
    assert_eq!(told(send("[".to_owned(), false)).await.0, 401);
    assert_eq!(world.upstream.arrived().len(), count);
    assert_eq!(told(send(body(""), true)).await.0, 200);
    assert!(!world.upstream.last().headers.contains_key("authorization"));
}
