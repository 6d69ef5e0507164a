//! Random grants and requests: grants of every kind of constraint over a small pool of names, and
//! requests that are nearly what a grant asks.
//!
//! A generator is a function of a seeded random number generator, so that a failing case is its
//! seed. Grants are made as JSON values: what a person could write, and what can be changed a
//! little to get a grant nearby.

use hardtack::model::{Args, JsonProfile, Request};
use hardtack::vocabulary::Grant;
use hardtack::vocabulary::grant::grants_from_json;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};

use super::support::{now, rng};

/// How many cases a property runs: `PROPTEST_CASES`, or so many.
pub(crate) fn cases(default: u32) -> proptest::test_runner::Config {
    let mut config = proptest::test_runner::Config::default();
    #[expect(clippy::disallowed_methods, reason = "the number of cases is a setting of the tests")]
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    if !is_set {
        config.cases = default;
    }
    config
}

/// The same for a property each case of which tries many things.
pub(crate) fn cases_up_to(default: u32, most: u32) -> proptest::test_runner::Config {
    let mut config = cases(default);
    config.cases = config.cases.min(most);
    config
}

const PATHS: &[&str] = &[
    "a", "b", "c", "a/b", "a/c", "a/*", "a/*/b", "b/*", "b/*/*", "a/0", "a//b", "d?", "~2", "x~1y",
    "t~0", "b/c/d", "b/?",
];
const TOOLS: &[&str] = &["s/t", "s/u", "s/*", "r/t"];
const LABELS: &[&str] = &["read", "write"];
const TEXTS: &[&str] = &[
    "x",
    "xy",
    "xyz",
    "usd",
    "USD",
    "Usd",
    "/data",
    "/data/x",
    "/data/x/../y",
    "/data/../etc",
    "/etc",
    "https://a.example.com/p",
    "https://example.com/",
    "http://b.a.example.com:8080/x",
    "www.example.com/a",
    "https://10.0.0.1/",
    "10.1.2.3",
    "10.0.0.1",
    "::1",
    "u@example.com",
    "u@a.example.com",
    "git status",
    "git;id",
    "ls",
    "2026-11-22",
    "2026-11-22T10:00:00Z",
    "2026-11-22T10:00:00.5Z",
    "2027-01-01",
    "",
    "*",
    "5",
    "true",
    "null",
    "\u{df}",
    "\u{3a3}",
    "\u{3c2}",
    "\u{130}",
    "\u{17f}",
    "\u{212a}",
    "k",
    "a\"b",
    "a\\b",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "5",
    "5.0",
    "5e0",
    "12.5",
    "-3",
    "0.000001",
    "0.0000001",
    "-0",
    "50",
    "9007199254740991",
    "9223372036854",
    "1e-7",
    "1.5e3",
];

/// Text marked as a number, whose spelling a JSON value would not keep.
const RAW: &str = "#number:";

fn pick<T: Clone>(r: &mut StdRng, from: &[T]) -> T {
    from.choose(r).unwrap().clone()
}

fn text(r: &mut StdRng) -> Value {
    pick(r, TEXTS).into()
}

fn number(r: &mut StdRng) -> Value {
    format!("{RAW}{}", pick(r, NUMBERS)).into()
}

/// Numbers that bounds may have.
fn bound(r: &mut StdRng) -> Value {
    format!("{RAW}{}", pick(r, &["0", "1", "5", "12.5", "-3", "0.000001", "50", "9223372036854"]))
        .into()
}

fn list(r: &mut StdRng, max: usize, item: impl Fn(&mut StdRng) -> Value) -> Vec<Value> {
    (0..r.gen_range(1..=max)).map(|_| item(r)).collect()
}

/// Scalars of one kind, or mixed.
fn scalars(r: &mut StdRng) -> Vec<Value> {
    match r.gen_range(0..4) {
        0 => list(r, 3, number),
        1 => list(r, 3, |r| match r.gen_range(0..3) {
            0 => text(r),
            1 => json!(r.r#gen::<bool>()),
            _ => format!("{RAW}{}", pick(r, &["0", "1", "5", "9007199254740991"])).into(),
        }),
        _ => list(r, 3, text),
    }
}

fn one_or_more(r: &mut StdRng, from: &[&str]) -> Value {
    if r.r#gen() { pick(r, from).into() } else { list(r, 3, |r| pick(r, from).into()).into() }
}

/// One field of a constraint.
fn field(r: &mut StdRng, below: usize) -> (&'static str, Value) {
    match r.gen_range(0..28) {
        0 => ("eq", scalars(r).swap_remove(0)),
        1 | 2 => ("one_of", scalars(r).into()),
        3 => ("not_one_of", scalars(r).into()),
        4 => ("min", bound(r)),
        5 => ("max", bound(r)),
        6 => ("prefix", pick(r, &["x", "xy", "/data", "u"]).into()),
        7 => ("suffix", pick(r, &["y", "xy", "z", "d"]).into()),
        8 => ("contains", pick(r, &["x", "y", "xy", "."]).into()),
        9 => ("max_length", r.gen_range(0..5).into()),
        10 => ("matches", pick(r, &["x.*", "(x|y)+", "[a-z]*", "u(s)d", "usd"]).into()),
        11 => ("under", one_or_more(r, &["/data", "/data/x", "/etc", "data", "/"])),
        12 => ("glob", one_or_more(r, &["x*", "/data/**", "*"])),
        13 => ("cidr", one_or_more(r, &["10.0.0.0/8", "10.1.0.0/16", "10.0.0.1", "::/0"])),
        14 => (
            "host",
            one_or_more(
                r,
                &[
                    "example.com",
                    "*.example.com",
                    "a.example.com",
                    "*.a.example.com",
                    "b.a.example.com:8080",
                    "10.0.0.1",
                ],
            ),
        ),
        15 => ("scheme", one_or_more(r, &["https", "http"])),
        16 => ("public_host", true.into()),
        17 => ("domain", one_or_more(r, &["example.com", "*.example.com", "a.example.com"])),
        18 => ("command", one_or_more(r, &["git", "ls"])),
        19 => {
            (pick(r, &["after", "before"]), pick(r, &["2026-11-22", "2026-11-22T10:00:00Z"]).into())
        }
        20 => ("on", pick(r, &["2026-11-22", "2027-01-01"]).into()),
        21 => ("subset_of", scalars(r).into()),
        22 => ("contains_all", scalars(r).into()),
        23 => ("min_items", r.gen_range(0..3).into()),
        24 => ("max_items", r.gen_range(0..4).into()),
        25 | 26 if below < 2 => ("each", fields(r, below + 1)),
        _ => ("present", true.into()),
    }
}

fn fields(r: &mut StdRng, below: usize) -> Value {
    let mut fields = Map::new();
    for _ in 0..pick(r, &[1, 1, 1, 2, 3]) {
        let (name, value) = field(r, below);
        fields.insert(name.to_owned(), value);
    }
    if r.gen_range(0..6) == 0 {
        fields.insert("ignore_case".to_owned(), r.r#gen::<bool>().into());
    }
    if r.gen_range(0..6) == 0 {
        fields.insert("bare".to_owned(), r.r#gen::<bool>().into());
    }
    fields.into()
}

fn constraint(r: &mut StdRng) -> Value {
    match r.gen_range(0..10) {
        0 => json!({"any": true}),
        1 => json!({"absent": true}),
        n => {
            let mut value = fields(r, 0);
            if n < 5 {
                value["optional"] = true.into();
            }
            value
        }
    }
}

fn args(r: &mut StdRng) -> Value {
    let count = r.gen_range(0..5);
    let entries = (0..count).map(|_| (pick(r, PATHS).to_owned(), constraint(r)));
    Value::Object(entries.collect())
}

/// A grant that may be refused: fields may not go together.
fn draft(r: &mut StdRng) -> Value {
    let mut grant = json!({});
    if r.gen_range(0..4) == 0 {
        grant["tools"] = list(r, 3, |r| pick(r, TOOLS).into()).into();
    } else {
        grant["tool"] = pick(r, &["s/t", "s/t", "s/t", "s/*"]).into();
    }
    if r.gen_range(0..6) == 0 {
        grant["labels"] = list(r, 2, |r| pick(r, LABELS).into()).into();
    }
    if r.gen_range(0..12) > 0 {
        grant["args"] = args(r);
        if r.gen_range(0..3) == 0 {
            grant["other_args"] = "allow".into();
        }
    }
    grant
}

/// The text of a value made here.
fn json_text(value: &Value) -> String {
    let text = value.to_string();
    let mark = format!("\"{RAW}");
    let mut parts = text.split(&mark);
    let mut out = parts.next().unwrap().to_owned();
    parts.for_each(|part| out.push_str(&part.replacen('"', "", 1)));
    out
}

fn read(value: &Value) -> Option<Grant> {
    grants_from_json(json_text(value).as_bytes()).ok().map(|mut grants| grants.remove(0))
}

/// A grant, and the JSON it was read from.
pub(crate) fn grant(r: &mut StdRng) -> (Value, Grant) {
    loop {
        let draft = draft(r);
        if let Some(grant) = read(&draft) {
            return (draft, grant);
        }
    }
}

/// A grant near another: a few of its parts changed, dropped or added.
pub(crate) fn near(r: &mut StdRng, value: &Value) -> (Value, Grant) {
    loop {
        let mut draft = value.clone();
        for _ in 0..r.gen_range(0..4) {
            change(r, &mut draft);
        }
        if let Some(grant) = read(&draft) {
            return (draft, grant);
        }
    }
}

fn change(r: &mut StdRng, grant: &mut Value) {
    match r.gen_range(0..12) {
        0 => grant["labels"] = list(r, 2, |r| pick(r, LABELS).into()).into(),
        1 => drop(grant.as_object_mut().unwrap().remove("other_args")),
        2 => {
            let grant = grant.as_object_mut().unwrap();
            grant.remove("tools");
            grant.insert("tool".to_owned(), pick(r, TOOLS).into());
        }
        n => {
            let Some(args) = grant.get_mut("args").and_then(Value::as_object_mut) else {
                if n < 6 {
                    grant["args"] = args(r);
                }
                return;
            };
            let names: Vec<String> = args.keys().cloned().collect();
            match (names.choose(r), n) {
                (None, _) | (_, 3 | 4) => {
                    drop(args.insert(pick(r, PATHS).to_owned(), constraint(r)));
                }
                (Some(name), 5) => drop(args.remove(name)),
                (Some(name), _) => change_constraint(r, args.get_mut(name).unwrap()),
            }
        }
    }
}

fn change_constraint(r: &mut StdRng, constraint: &mut Value) {
    let fields = constraint.as_object_mut().unwrap();
    let names: Vec<String> = fields.keys().cloned().collect();
    match (names.choose(r), r.gen_range(0..8)) {
        (_, 0) => drop(fields.insert("optional".to_owned(), true.into())),
        (_, 1) => drop(fields.remove("optional")),
        (_, 2 | 3) | (None, _) => {
            let (name, value) = field(r, 0);
            fields.insert(name.to_owned(), value);
        }
        (Some(name), 4) => drop(fields.remove(name)),
        (Some(name), _) => {
            let name = name.clone();
            // The same field with another value, or a shorter list.
            match fields.get_mut(&name).unwrap() {
                Value::Array(items) if items.len() > 1 => drop(items.pop()),
                Value::Object(_) => fields[&name] = super::generators::fields(r, 1),
                _ => {
                    for _ in 0..60 {
                        let (other, value) = field(r, 1);
                        if other == name {
                            fields[&name] = value;
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// Any value: what a hostile caller may send.
fn value(r: &mut StdRng, depth: usize) -> Value {
    match r.gen_range(0..if depth > 2 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => r.r#gen::<bool>().into(),
        2 | 3 => number(r),
        4 | 5 => text(r),
        6 | 7 => (0..r.gen_range(0..4)).map(|_| value(r, depth + 1)).collect(),
        _ => {
            let names = ["", "b", "c", "0", "*", "a/b", "~", "?", "d?"];
            let member = |r: &mut StdRng| (pick(r, &names).to_owned(), value(r, depth + 1));
            Value::Object((0..r.gen_range(0..3)).map(|_| member(r)).collect())
        }
    }
}

/// A value that a constraint is likely to let pass.
fn fitting(r: &mut StdRng, constraint: &Value) -> Value {
    let Some(fields) = constraint.as_object() else { return value(r, 1) };
    let names: Vec<&String> = fields.keys().filter(|name| *name != "optional").collect();
    let Some(name) = names.choose(r) else { return value(r, 1) };
    let asked = &fields[name.as_str()];
    let scalar = |r: &mut StdRng| match asked {
        Value::Array(items) => pick(r, items),
        one => one.clone(),
    };
    match name.as_str() {
        "eq" | "one_of" | "min" | "max" | "prefix" | "suffix" | "contains" | "under" | "after"
        | "before" | "on" | "command" => scalar(r),
        "subset_of" | "contains_all" => asked.clone(),
        "not_one_of" => {
            if r.r#gen() {
                number(r)
            } else {
                text(r)
            }
        }
        "min_items" | "max_items" => list(r, 3, |r| value(r, 2)).into(),
        "each" => (0..r.gen_range(0..3)).map(|_| fitting(r, asked)).collect(),
        "absent" => Value::Null,
        "cidr" | "host" | "scheme" | "public_host" | "domain" | "matches" | "glob"
        | "max_length" => text(r),
        _ => value(r, 1),
    }
}

/// Puts a value at a path, whatever is in the way.
fn put(r: &mut StdRng, root: &mut Value, path: &[String], constraint: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *root = fitting(r, constraint);
        return;
    };
    if first == "*" {
        if !root.is_array() && !root.is_object() {
            let count = r.gen_range(0..3);
            *root = if r.gen_range(0..4) > 0 {
                vec![Value::Null; count].into()
            } else {
                Value::Object(
                    (0..count).map(|i| (["b", "c", ""][i].to_owned(), Value::Null)).collect(),
                )
            };
        }
        match root {
            Value::Array(items) => items.iter_mut().for_each(|item| put(r, item, rest, constraint)),
            Value::Object(map) => map.values_mut().for_each(|item| put(r, item, rest, constraint)),
            _ => {}
        }
        return;
    }
    if let (Value::Array(items), Ok(index)) = (&mut *root, first.parse::<usize>())
        && let Some(item) = items.get_mut(index)
    {
        put(r, item, rest, constraint);
        return;
    }
    if !root.is_object() {
        *root = json!({});
    }
    let name = first.replace("~2", "*").replace("~1", "/").replace("~0", "~");
    put(r, root.as_object_mut().unwrap().entry(name).or_insert(Value::Null), rest, constraint);
}

/// Changes one place somewhere inside.
fn disturb(r: &mut StdRng, at: &mut Value) {
    let stop = r.gen_range(0..3) == 0;
    match at {
        Value::Object(map) if !map.is_empty() && !stop => {
            let names: Vec<String> = map.keys().cloned().collect();
            let name = names.choose(r).unwrap();
            if r.gen_range(0..5) == 0 { drop(map.remove(name)) } else { disturb(r, &mut map[name]) }
        }
        Value::Array(items) if !items.is_empty() && !stop => {
            let index = r.gen_range(0..items.len());
            disturb(r, &mut items[index])
        }
        Value::Object(map) => {
            let name = pick(r, &["", "b", "e", "*", "0", "?"]).to_owned();
            drop(map.insert(name, value(r, 1)));
        }
        Value::Array(items) => items.push(value(r, 1)),
        at if r.gen_range(0..4) == 0 => *at = json!([at.clone()]),
        at => *at = value(r, 1),
    }
}

/// Arguments near to what a grant asks, as JSON text.
pub(crate) fn args_near(r: &mut StdRng, grant: &Value) -> String {
    let mut root = json!({});
    for (path, constraint) in grant.get("args").and_then(Value::as_object).into_iter().flatten() {
        let is_optional = constraint.get("optional").is_some() || constraint.get("any").is_some();
        if (is_optional && r.gen_range(0..3) == 0) || constraint.get("absent").is_some() {
            continue;
        }
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        put(r, &mut root, &path, constraint);
    }
    for _ in 0..pick(r, &[0, 0, 0, 1, 1, 2]) {
        disturb(r, &mut root);
    }
    // A caller can send an object alone.
    if !root.is_object() {
        root = json!({});
    }
    json_text(&root)
}

/// A request near to what a grant asks.
pub(crate) fn request_near(r: &mut StdRng, grant: &Value) -> Request {
    loop {
        let text = args_near(r, grant);
        let Ok(args) = Args::parse(text, JsonProfile::Interoperable) else { continue };
        let tool = match r.gen_range(0..12) {
            0 => "s/u",
            1 => "r/t",
            _ => "s/t",
        };
        let labels = LABELS.iter().filter(|_| r.gen_range(0..4) > 0);
        return Request {
            tool: tool.parse().unwrap(),
            args,
            labels: labels.map(|label| (*label).to_owned()).collect(),
            audience: "gw".to_owned(),
            time: now(),
            http: None,
        };
    }
}

/// A generator for one case.
pub(crate) fn seeded(seed: u64) -> StdRng {
    rng(seed)
}
