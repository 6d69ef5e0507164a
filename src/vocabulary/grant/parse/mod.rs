mod value;

use std::collections::{BTreeMap, BTreeSet};

use self::value::{array, count, micros, moment, nonempty, regex, scalars, text, texts, values};
use super::path::ArgPath;
use super::types::{Constraint, Grant, Test};
use crate::model::{Json, JsonProfile, Tool, ToolPattern, limits};
use crate::vocabulary::oracle::Oracle;

/// Why a grant was refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{at}`: {why}")]
pub struct GrantError {
    /// The field, such as `grants[0].args.amount.max`.
    pub at: String,
    /// What is wrong, a sentence fragment.
    pub why: String,
}

type Result<T> = std::result::Result<T, GrantError>;
type Members = [(String, Json)];

const RESERVED: &str = "is reserved for a later version and does not work yet";

fn fail<T>(at: &str, why: impl Into<String>) -> Result<T> {
    Err(GrantError { at: at.to_owned(), why: why.into() })
}

/// Reads grants from JSON text: an array, `{"grants": […]}` or one grant.
///
/// *Errors*: [`GrantError`] names the field; the text must be strict JSON (RFC 7493).
pub fn grants_from_json(text: &[u8]) -> Result<Vec<Grant>> {
    let json = Json::parse(text, JsonProfile::Interoperable)
        .or_else(|error| fail("grants", format!("not acceptable JSON: {error}")))?;
    grants(&json)
}

/// Reads grants from TOML text: `[[grants]]` tables, or one grant.
///
/// *Errors*: as [`grants_from_json`].
pub fn grants_from_toml(text: &str) -> Result<Vec<Grant>> {
    let table: toml::Table = text.parse().or_else(|error: toml::de::Error| {
        fail("grants", format!("not TOML: {}", error.message()))
    })?;
    let json = toml_json(&toml::Value::Table(table));
    grants(
        &Json::parse(json.as_bytes(), JsonProfile::Interoperable)
            .or_else(|error| fail("grants", error.to_string()))?,
    )
}

/// TOML as JSON text; dates become strings, and floats that JSON has no word for become `null`.
fn toml_json(value: &toml::Value) -> String {
    let text = |text: &str| Json::String(text.to_owned()).to_string();
    match value {
        toml::Value::String(string) => text(string),
        toml::Value::Datetime(date) => text(&date.to_string()),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(boolean) => boolean.to_string(),
        toml::Value::Float(number) if number.is_finite() => number.to_string(),
        toml::Value::Float(_) => "null".to_owned(),
        toml::Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_json).collect::<Vec<_>>().join(","))
        }
        toml::Value::Table(table) => {
            let member = |(key, value): (&String, &toml::Value)| {
                format!("{}:{}", text(key), toml_json(value))
            };
            format!("{{{}}}", table.iter().map(member).collect::<Vec<_>>().join(","))
        }
    }
}

fn grants(json: &Json) -> Result<Vec<Grant>> {
    let list = match json {
        Json::Array(list) => list,
        Json::Object(members) => match members.as_slice() {
            [(name, Json::Array(list))] if name == "grants" => list,
            [(name, _)] if name == "grants" => return fail("grants", "is not an array"),
            _ => return Ok(vec![grant(json, "grant")?]),
        },
        other => return fail("grants", format!("is a {}, not an array of grants", other.kind())),
    };
    if list.is_empty() {
        return fail("grants", "is empty: a token without a grant permits nothing");
    }
    if list.len() > limits::GRANTS_MAX {
        return fail("grants", format!("holds more than {} grants", limits::GRANTS_MAX));
    }
    list.iter().enumerate().map(|(i, json)| grant(json, &format!("grants[{i}]"))).collect()
}

fn members<'a>(json: &'a Json, at: &str) -> Result<&'a Members> {
    match json {
        Json::Object(members) => Ok(members),
        other => fail(at, format!("is a {}, not an object", other.kind())),
    }
}

fn grant(json: &Json, at: &str) -> Result<Grant> {
    let (mut tools, mut labels) = (Vec::new(), BTreeSet::new());
    let (mut args, mut other_args) = (None, false);
    for (name, value) in members(json, at)? {
        let at = format!("{at}.{name}");
        match name.as_str() {
            "tool" => tools.push(tool(value, &at)?),
            "tools" => {
                for (i, value) in array(value, &at)?.iter().enumerate() {
                    tools.push(tool(value, &format!("{at}[{i}]"))?);
                }
            }
            "server" => tools.push(server(value, &at)?),
            "labels" => labels = texts(value, &at)?.into_iter().collect(),
            "args" => args = Some(arguments(value, &at)?),
            "other_args" => other_args = other_arguments(value, &at)?,
            "uses" | "budget" | "approval" | "from" => {
                return fail(&at, RESERVED);
            }
            _ => return fail(&at, "is not a field of a grant"),
        }
    }
    named_once(json, at)?;
    if json.member("server").is_some() && labels.is_empty() {
        return fail(
            at,
            "names a server without labels; write `\"tool\": \"server/*\"` for all of it",
        );
    }
    if other_args && args.is_none() {
        return fail(at, "has `other_args` without `args`, where all arguments are free anyway");
    }
    tools.sort();
    tools.dedup();
    Ok(Grant { tools, labels, args, other_args })
}

/// Exactly one of the ways to name tools.
fn named_once(json: &Json, at: &str) -> Result<()> {
    match ["tool", "tools", "server"].iter().filter(|name| json.member(name).is_some()).count() {
        1 => Ok(()),
        0 => fail(at, "names no tool: it needs `tool`, `tools`, or `server` with `labels`"),
        _ => fail(at, "names tools more than one way: use one of `tool`, `tools` and `server`"),
    }
}

fn tool(json: &Json, at: &str) -> Result<ToolPattern> {
    text(json, at)?.parse().or_else(|error| fail(at, format!("{error}")))
}

fn server(json: &Json, at: &str) -> Result<ToolPattern> {
    let name = text(json, at)?;
    match Tool::new(name, "any") {
        Ok(_) => Ok(ToolPattern::Server(name.to_owned())),
        Err(_) => fail(at, "is not a server's name"),
    }
}

fn other_arguments(json: &Json, at: &str) -> Result<bool> {
    match text(json, at)? {
        "allow" => Ok(true),
        "deny" => Ok(false),
        _ => fail(at, "is neither `allow` nor `deny`"),
    }
}

fn arguments(json: &Json, at: &str) -> Result<BTreeMap<ArgPath, Constraint>> {
    let mut args = BTreeMap::new();
    for (name, value) in members(json, at)? {
        let at = format!("{at}.{name}");
        let path: ArgPath = name.parse().or_else(|why: String| fail(&at, why))?;
        let constraint = constraint(value, &at, path.is_pattern())?;
        if !path.has_room(levels(&constraint.tests)) {
            return fail(&at, "looks more than 16 levels deep, or has a path of over 256 bytes");
        }
        if args.insert(path, constraint).is_some() {
            return fail(&at, "is another spelling of a path that stands here too");
        }
    }
    Ok(args)
}

/// How many levels of elements the tests look into.
fn levels(tests: &[Test]) -> usize {
    let below = |test: &Test| match test {
        Test::Each(tests) => 1 + levels(tests),
        Test::SubsetOf(_) | Test::ContainsAll(_) => 1,
        _ => 0,
    };
    tests.iter().map(below).max().unwrap_or_default()
}

fn constraint(json: &Json, at: &str, every: bool) -> Result<Constraint> {
    let fields = members(json, at)?;
    let optional = flag(fields, "optional", at)?.unwrap_or(false);
    let tests = tests(fields, at, every)?;
    let alone = |test: &Test| matches!(test, Test::Any | Test::Absent);
    if tests.is_empty() {
        return fail(at, "asks nothing; write `{\"any\": true}` to allow any value");
    }
    if tests.iter().any(alone) && (tests.len() > 1 || optional) {
        return fail(at, "has `any` or `absent` beside something else");
    }
    if optional && tests.contains(&Test::Present) {
        return fail(at, "is both `present` and `optional`");
    }
    Ok(Constraint { optional, tests })
}

/// The tests of one constraint; inside `each` and below `*`, what is asked of one element.
fn tests(fields: &Members, at: &str, every: bool) -> Result<Vec<Test>> {
    let ignore_case = flag(fields, "ignore_case", at)?;
    let bare = flag(fields, "bare", at)?;
    let mut tests = Vec::new();
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        if Oracle::from_predicate(&format!("arg_{name}")).is_some() {
            tests.push(oracle(name, value, &at, bare.unwrap_or(false))?);
            continue;
        }
        match name.as_str() {
            "optional" if every && at.contains(".each.") => {
                return fail(&at, "has no meaning inside `each`");
            }
            "optional" | "ignore_case" | "bare" => {}
            "on" if fields.iter().any(|(other, _)| other == "after" || other == "before") => {
                return fail(&at, "stands beside `after` or `before`, which it is short for");
            }
            "on" => {
                let (from, to) = moment(value, &at)?;
                tests.extend([Test::After(from), Test::Before(to)]);
            }
            _ => tests.push(test(name, value, &at, ignore_case.unwrap_or(false), every)?),
        }
    }
    modifiers_apply(&tests, at, ignore_case, bare)?;
    bounds_are_ordered(&tests, at)?;
    Ok(tests)
}

fn test(name: &str, value: &Json, at: &str, ignore_case: bool, every: bool) -> Result<Test> {
    Ok(match name {
        "eq" => Test::OneOf(values(std::slice::from_ref(value), at, ignore_case)?),
        "one_of" => Test::OneOf(values(array(value, at)?, at, ignore_case)?),
        "not_one_of" => Test::NotOneOf(values(array(value, at)?, at, ignore_case)?),
        "min" => Test::Min(micros(value, at)?),
        "max" => Test::Max(micros(value, at)?),
        "prefix" => Test::Prefix(nonempty(value, at)?),
        "suffix" => Test::Suffix(nonempty(value, at)?),
        "contains" => Test::Contains(nonempty(value, at)?),
        "max_length" => Test::MaxLength(count(value, at)?),
        "matches" => Test::Matches(regex(value, at)?),
        "after" => Test::After(moment(value, at)?.0),
        "before" => Test::Before(moment(value, at)?.1),
        "present" | "absent" | "any" => presence(name, value, at)?,
        "min_items" => Test::MinItems(count(value, at)?),
        "max_items" => Test::MaxItems(count(value, at)?),
        "subset_of" => Test::SubsetOf(scalars(array(value, at)?, at)?),
        "contains_all" if every => {
            return fail(at, "does not work inside `each` or below `*`");
        }
        "contains_all" => Test::ContainsAll(scalars(array(value, at)?, at)?),
        "each" => {
            let inner = tests(members(value, at)?, at, true)?;
            if inner.is_empty() || inner.iter().any(|t| matches!(t, Test::Absent | Test::Any)) {
                return fail(at, "asks nothing of an element");
            }
            Test::Each(inner)
        }
        "from" | "uses" | "budget" | "approval" => return fail(at, RESERVED),
        _ => return fail(at, "is not a constraint"),
    })
}

fn modifiers_apply(
    tests: &[Test],
    at: &str,
    ignore_case: Option<bool>,
    bare: Option<bool>,
) -> Result<()> {
    let lists = tests.iter().any(|test| matches!(test, Test::OneOf(_) | Test::NotOneOf(_)));
    if ignore_case.is_some() && !lists {
        return fail(at, "has `ignore_case` without `eq`, `one_of` or `not_one_of`");
    }
    let takes_bare = |test: &Test| {
        matches!(test, Test::Oracle(Oracle::Host | Oracle::Scheme | Oracle::PublicHost, ..))
    };
    if bare.is_some() && !tests.iter().any(takes_bare) {
        return fail(at, "has `bare` without `scheme`, `host` or `public_host`");
    }
    Ok(())
}

/// Bounds that no value can meet are a slip of the writer.
fn bounds_are_ordered(tests: &[Test], at: &str) -> Result<()> {
    for test in tests {
        let crossed = tests.iter().any(|other| match (test, other) {
            (Test::Min(min), Test::Max(max)) => min > max,
            (Test::After(from), Test::Before(to)) => from > to,
            (Test::MinItems(min), Test::MaxItems(max)) => min > max,
            _ => false,
        });
        if crossed {
            return fail(at, "has a lower bound above its upper bound");
        }
    }
    Ok(())
}

fn oracle(name: &str, json: &Json, at: &str, bare: bool) -> Result<Test> {
    let Some(oracle) = Oracle::from_predicate(&format!("arg_{name}")) else {
        return fail(at, "is not a constraint");
    };
    if oracle == Oracle::PublicHost {
        return match json {
            Json::Bool(true) => Ok(Test::Oracle(oracle, BTreeSet::new(), bare)),
            _ => fail(at, "can only be `true`"),
        };
    }
    let constants: BTreeSet<String> = match json {
        Json::String(text) => BTreeSet::from([text.clone()]),
        _ => texts(json, at)?.into_iter().collect(),
    };
    for constant in &constants {
        oracle.check_constant(constant).or_else(|why| fail(at, why))?;
    }
    let bare = bare && matches!(oracle, Oracle::Host | Oracle::Scheme);
    Ok(Test::Oracle(oracle, constants, bare))
}

fn flag(fields: &Members, name: &str, at: &str) -> Result<Option<bool>> {
    match fields.iter().find(|(key, _)| key == name) {
        None => Ok(None),
        Some((_, Json::Bool(value))) => Ok(Some(*value)),
        Some(_) => fail(&format!("{at}.{name}"), "is neither `true` nor `false`"),
    }
}

fn presence(name: &str, json: &Json, at: &str) -> Result<Test> {
    match (json, name) {
        (Json::Bool(true), "present") => Ok(Test::Present),
        (Json::Bool(true), "absent") => Ok(Test::Absent),
        (Json::Bool(true), _) => Ok(Test::Any),
        _ => fail(at, "can only be `true`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_field() {
        let cases = [
            (r#"[{"tool": "s/t", "uses": 3}]"#, "`grants[0].uses`: is reserved"),
            (
                r#"[{"tool": "s/t", "args": {"x": {"from": "s/u"}}}]"#,
                "`grants[0].args.x.from`: is res",
            ),
            (r#"[{"tool": "s/t", "args": {"x": {"one_of": "$list:p"}}}]"#, ".one_of`: is reserved"),
            (r#"[{"tool": "s/t", "args": {"x": {"eq": "$list:p"}}}]"#, ".eq`: is reserved"),
            (r#"[{"tool": "s/t", "argz": {}}]"#, "`grants[0].argz`: is not a field"),
            (r#"[{"tool": "s/t", "args": {"x": {"maxx": 1}}}]"#, "is not a constraint"),
            (r#"[{"tool": "st"}]"#, "not of the form"),
            (r#"[{"args": {}}]"#, "names no tool"),
            (r#"[{"tool": "s/t", "tools": ["s/u"]}]"#, "more than one way"),
            (r#"[{"server": "s"}]"#, "without labels"),
            (r#"[{"tool": "s/t", "other_args": "allow"}]"#, "without `args`"),
            (r#"[{"tool": "s/t", "args": {"x": {}}}]"#, "asks nothing"),
            (r#"[{"tool": "s/t", "args": {"x": {"any": true, "max": 1}}}]"#, "beside something"),
            (r#"[{"tool": "s/t", "args": {"x": {"min": 2, "max": 1}}}]"#, "above its upper"),
            (r#"[{"tool": "s/t", "args": {"x": {"max": 0.0000001}}}]"#, "six decimals"),
            (r#"[{"tool": "s/t", "args": {"x": {"eq": null}}}]"#, "is null"),
            (r#"[{"tool": "s/t", "args": {"x": {"one_of": []}}}]"#, "is empty"),
            (r#"[{"tool": "s/t", "args": {"x": {"one_of": ["a", 1.5]}}}]"#, "mixes a number"),
            (r#"[{"tool": "s/t", "args": {"x": {"max": 1, "ignore_case": true}}}]"#, "ignore_case"),
            (r#"[{"tool": "s/t", "args": {"x": {"max": 1, "bare": true}}}]"#, "`bare` without"),
            (r#"[{"tool": "s/t", "args": {"x": {"each": {}}}}]"#, "asks nothing of an element"),
            (r#"[{"tool": "s/t", "args": {"": {"max": 1}}}]"#, "path is empty"),
            (r#"[{"tool": "s/t", "tool": "s/u"}]"#, "twice"),
            (
                r#"[{"tool": "s/t", "args": {"a*b": {"max": 1}, "a~2b": {"any": true}}}]"#,
                "spelling",
            ),
            ("[]", "is empty"),
            ("7", "not an array of grants"),
        ];
        for (json, expected) in cases {
            let error = grants_from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "[[grants]]\ntool = \"s/t\"\nargs = { d = { after = 2026-01-01T00:00:00Z } }\n\
                    [[grants]]\ntools = [\"s/a\", \"s/b\"]\nargs = { x = { max = 1.5 } }\n";
        let json = r#"[{"tool": "s/t", "args": {"d": {"after": "2026-01-01T00:00:00Z"}}},
                       {"tools": ["s/a", "s/b"], "args": {"x": {"max": 1.5}}}]"#;
        assert_eq!(grants_from_toml(toml).unwrap(), grants_from_json(json.as_bytes()).unwrap());
        assert!(grants_from_toml("x = nan").is_err());
    }
}
