use std::collections::{BTreeMap, BTreeSet};

use super::path::ArgPath;
use super::permits::lower;
use super::regex::whole_match;
use super::types::{Constraint, Grant, Micros, Scalar, Test, Values, is_decimal};
use crate::model::{Json, JsonProfile, Tool, ToolPattern, limits};
use crate::vocabulary::oracle::{Oracle, time_range};

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
                return fail(&at, "is reserved for a later version and does not work yet");
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
        args.insert(path, constraint);
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

fn array<'a>(json: &'a Json, at: &str) -> Result<&'a [Json]> {
    match json {
        Json::Array(items) if items.is_empty() => fail(at, "is empty"),
        Json::Array(items) if items.len() > limits::COLLECTION_MAX => {
            fail(at, format!("holds more than {} values", limits::COLLECTION_MAX))
        }
        Json::Array(items) => Ok(items),
        other => fail(at, format!("is a {}, not an array", other.kind())),
    }
}

fn text<'a>(json: &'a Json, at: &str) -> Result<&'a str> {
    match json {
        Json::String(text) if text.starts_with("$list:") => {
            fail(at, "names a list; lists are reserved for a later version")
        }
        Json::String(text) => Ok(text),
        other => fail(at, format!("is a {}, not a string", other.kind())),
    }
}

fn texts(json: &Json, at: &str) -> Result<Vec<String>> {
    let each = |(i, json)| nonempty(json, &format!("{at}[{i}]"));
    array(json, at)?.iter().enumerate().map(each).collect()
}

fn nonempty(json: &Json, at: &str) -> Result<String> {
    match text(json, at)? {
        "" => fail(at, "is empty"),
        text => Ok(text.to_owned()),
    }
}

fn count(json: &Json, at: &str) -> Result<u32> {
    match json {
        Json::Number(number) => number
            .as_integer()
            .and_then(|count| u32::try_from(count).ok())
            .map_or_else(|| fail(at, "is not a count from 0 to 4294967295"), Ok),
        other => fail(at, format!("is a {}, not a count", other.kind())),
    }
}

fn micros(json: &Json, at: &str) -> Result<Micros> {
    match json {
        Json::Number(number) => number.micros().map(Micros).map_or_else(
            || fail(at, "has more than six decimals, or is beyond ±9223372036854"),
            Ok,
        ),
        other => fail(at, format!("is a {}, not a number", other.kind())),
    }
}

fn moment(json: &Json, at: &str) -> Result<(u64, u64)> {
    match time_range(text(json, at)?) {
        // An instant with a fraction covers two seconds, and a bound is a whole one.
        Some((from, to)) if to.secs() == from.secs() + 1 => fail(at, "has a fraction of a second"),
        Some((from, to)) => Ok((from.secs(), to.secs())),
        None => fail(at, "is neither an RFC 3339 instant nor a date, from 1970 on"),
    }
}

fn regex(json: &Json, at: &str) -> Result<String> {
    let text = nonempty(json, at)?;
    whole_match(&text).map(|_| text).or_else(|why| fail(at, why))
}

fn scalars(items: &[Json], at: &str) -> Result<Vec<Scalar>> {
    let mut list: Vec<Scalar> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let at = if items.len() == 1 { at.to_owned() } else { format!("{at}[{i}]") };
        list.push(match item {
            Json::String(_) => Scalar::Text(text(item, &at)?.to_owned()),
            Json::Number(number) => Scalar::Number(number.clone()),
            Json::Bool(value) => Scalar::Bool(*value),
            Json::Null => return fail(&at, "is null; `absent` says that an argument is not there"),
            other => return fail(&at, format!("is a {}, not a scalar", other.kind())),
        });
    }
    let fraction =
        |scalar: &Scalar| matches!(scalar, Scalar::Number(n) if n.as_integer().is_none());
    if list.iter().any(fraction) && !is_decimal(&list) {
        return fail(
            at,
            "mixes a number with a fraction with texts, or has more than six decimals",
        );
    }
    list.dedup();
    Ok(list)
}

fn values(items: &[Json], at: &str, ignore_case: bool) -> Result<Values> {
    let list = scalars(items, at)?;
    if ignore_case && !list.iter().all(|scalar| matches!(scalar, Scalar::Text(_))) {
        return fail(at, "has `ignore_case` for values that are not texts");
    }
    let is_plain = |scalar: &Scalar| !matches!(scalar, Scalar::Text(text) if lower(text).is_none());
    if ignore_case && !list.iter().all(is_plain) {
        return fail(at, "has `ignore_case` for letters whose case is not plain, such as `ß`");
    }
    Ok(Values { list, ignore_case })
}
