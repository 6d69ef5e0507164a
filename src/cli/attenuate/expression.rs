//! `--arg` expressions: a short way to write the constraints of a grant.
//!
//! They become the JSON of a grant, which the one parser of grants then judges.

use std::collections::BTreeMap;

use super::super::usage::{Usage, usage};
use crate::model::{Json, JsonProfile};
use crate::vocabulary::Grant;
use crate::vocabulary::grant::{GrantError, grants_from_json};

/// The constraints of one argument, by name.
type Constraint = Vec<(String, Json)>;

/// The grant of these tools, their arguments as the expressions say.
pub(super) fn grant(
    tools: &[String],
    expressions: &[String],
    closed: bool,
) -> anyhow::Result<Grant> {
    let mut args: BTreeMap<String, Constraint> = BTreeMap::new();
    for expression in expressions {
        let (name, constraint, value) = parse(expression)?;
        let constraints = args.entry(name.clone()).or_default();
        if constraints.iter().any(|(other, _)| *other == constraint) {
            return usage(format!("`--arg` asks `{constraint}` of `{name}` twice"));
        }
        constraints.push((constraint, value));
    }
    let tools = tools.iter().cloned().map(Json::String).collect();
    let mut members = vec![("tools".to_owned(), Json::Array(tools))];
    if closed || !args.is_empty() {
        let args = args.into_iter().map(|(name, tests)| (name, Json::Object(tests))).collect();
        members.push(("args".to_owned(), Json::Object(args)));
        let others = if closed { "deny" } else { "allow" };
        members.push(("other_args".to_owned(), Json::String(others.to_owned())));
    }
    let grants = grants_from_json(Json::Object(members).to_string().as_bytes());
    let grant = grants.map_err(blamed)?.into_iter().next();
    grant.ok_or_else(|| Usage("`--tool` names no tool".to_owned()).into())
}

/// The grant parser's answer in the words of the command line.
fn blamed(error: GrantError) -> Usage {
    match error.at.strip_prefix("grant.args.") {
        Some(at) => Usage(format!("`--arg`: `{at}` {}", error.why)),
        None => Usage(format!("`--tool`: {}", error.why)),
    }
}

/// The argument's name, the constraint's name, and its value.
fn parse(expression: &str) -> anyhow::Result<(String, String, Json)> {
    let text = expression.trim();
    let end = text.find(['<', '>', '!', '=', ' ']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return usage(format!("`--arg {expression}` names no argument"));
    }
    let rest = rest.trim_start();
    for (sign, constraint) in [("<=", "max"), (">=", "min"), ("!=", "not_one_of"), ("=", "eq")] {
        let Some(value) = rest.strip_prefix(sign) else { continue };
        if value.starts_with('=') {
            return usage(format!("`--arg {expression}`: equality is written `=`"));
        }
        let value = scalar(value.trim());
        let value = if sign == "!=" { Json::Array(vec![value]) } else { value };
        return Ok((name.to_owned(), constraint.to_owned(), value));
    }
    if rest.starts_with(['<', '>', '!']) {
        return usage(format!("`--arg {expression}`: bounds are written `<=` and `>=`"));
    }
    let (constraint, value) = named(expression, rest)?;
    Ok((name.to_owned(), constraint, value))
}

/// A constraint by its name in grants, and its value.
fn named(expression: &str, text: &str) -> anyhow::Result<(String, Json)> {
    let (word, value) = text.split_once(' ').unwrap_or((text, ""));
    let value = value.trim();
    let is_flag = matches!(
        word,
        "any" | "present" | "absent" | "public_host" | "optional" | "ignore_case" | "bare"
    );
    if word.is_empty() {
        return usage(format!("`--arg {expression}` asks nothing; `NAME any` allows any value"));
    }
    if is_flag != value.is_empty() {
        let takes = if is_flag { "takes no value" } else { "needs a value" };
        return usage(format!("`--arg {expression}`: `{word}` {takes}"));
    }
    Ok(match word {
        _ if is_flag => (word.to_owned(), Json::Bool(true)),
        "in" => ("one_of".to_owned(), list(value, scalar)),
        "one_of" | "not_one_of" | "subset_of" | "contains_all" => {
            (word.to_owned(), list(value, scalar))
        }
        "host" | "scheme" | "cidr" | "domain" | "command" => {
            (word.to_owned(), list(value, text_of))
        }
        "prefix" | "suffix" | "contains" | "matches" | "under" | "glob" | "after" | "before"
        | "on" => (word.to_owned(), text_of(value)),
        "each" => {
            let (constraint, value) = named(expression, value)?;
            (word.to_owned(), Json::Object(vec![(constraint, value)]))
        }
        _ => (word.to_owned(), scalar(value)),
    })
}

/// A JSON scalar where the text is one, else the text itself.
fn scalar(text: &str) -> Json {
    match Json::parse(text.as_bytes(), JsonProfile::Interoperable) {
        Ok(Json::Array(_) | Json::Object(_)) | Err(_) => Json::String(text.to_owned()),
        Ok(value) => value,
    }
}

/// A text, in JSON's quotes or without.
fn text_of(text: &str) -> Json {
    match scalar(text) {
        Json::String(text) => Json::String(text),
        _ => Json::String(text.to_owned()),
    }
}

/// Values between commas; a comma inside quotes separates nothing.
fn list(text: &str, value: fn(&str) -> Json) -> Json {
    let (mut items, mut item) = (Vec::new(), String::new());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        if c == ',' && !is_quoted {
            items.push(std::mem::take(&mut item));
            continue;
        }
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = is_quoted && c == '\\' && !is_escaped;
        item.push(c);
    }
    items.push(item);
    Json::Array(items.iter().map(|item| value(item.trim())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_short_for_grants() {
        for (expression, args) in [
            ("amount<=20", r#"{"amount": {"max": 20}}"#),
            ("amount >= -0.5", r#"{"amount": {"min": -0.5}}"#),
            ("currency=usd", r#"{"currency": {"eq": "usd"}}"#),
            ("n=20", r#"{"n": {"eq": 20}}"#),
            ("n=\"20\"", r#"{"n": {"eq": "20"}}"#),
            ("dry_run=true", r#"{"dry_run": {"eq": true}}"#),
            ("formula=a<=b", r#"{"formula": {"eq": "a<=b"}}"#),
            ("currency!=usd", r#"{"currency": {"not_one_of": ["usd"]}}"#),
            ("currency in usd, \"a,b\"", r#"{"currency": {"one_of": ["usd", "a,b"]}}"#),
            ("path under /data", r#"{"path": {"under": "/data"}}"#),
            ("url host a.com,b.com", r#"{"url": {"host": ["a.com", "b.com"]}}"#),
            ("filter/account/id prefix 12", r#"{"filter/account/id": {"prefix": "12"}}"#),
            ("items/*/price<=9", r#"{"items/*/price": {"max": 9}}"#),
            ("tags each in a,b", r#"{"tags": {"each": {"one_of": ["a", "b"]}}}"#),
            ("note any", r#"{"note": {"any": true}}"#),
        ] {
            let grant = grant(&["s/t".to_owned()], &[expression.to_owned()], false).unwrap();
            let expected = format!(r#"{{"tool": "s/t", "args": {args}, "other_args": "allow"}}"#);
            assert_eq!(grant.to_string(), expected, "{expression}");
        }
    }

    #[test]
    fn several_expressions_of_one_argument_join() {
        let expressions = ["n>=1".to_owned(), "n<=5".to_owned(), "n optional".to_owned()];
        let grant = grant(&["s/t".to_owned(), "s/u".to_owned()], &expressions, true).unwrap();
        let expected =
            r#"{"tools": ["s/t", "s/u"], "args": {"n": {"optional": true, "min": 1, "max": 5}}}"#;
        assert_eq!(grant.to_string(), expected);
    }

    #[test]
    fn slips_are_named() {
        for (expression, sentence) in [
            ("", "`--arg ` names no argument"),
            ("<=5", "`--arg <=5` names no argument"),
            ("amount", "`--arg amount` asks nothing; `NAME any` allows any value"),
            ("amount<5", "`--arg amount<5`: bounds are written `<=` and `>=`"),
            ("amount==5", "`--arg amount==5`: equality is written `=`"),
            ("amount<=many", "`--arg`: `amount.max` is a string, not a number"),
            ("amount wobbles 5", "`--arg`: `amount.wobbles` is not a constraint"),
            ("path under", "`--arg path under`: `under` needs a value"),
            ("note any 5", "`--arg note any 5`: `any` takes no value"),
            ("a~5=1", "`--arg`: `a~5` `~` in an argument path is not `~0`, `~1` or `~2`"),
        ] {
            let error = grant(&["s/t".to_owned()], &[expression.to_owned()], false).unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
        let twice = ["n<=5".to_owned(), "n<=6".to_owned()];
        let error = grant(&["s/t".to_owned()], &twice, false).unwrap_err();
        assert_eq!(error.to_string(), "`--arg` asks `max` of `n` twice");
        let error = grant(&["stripe".to_owned()], &[], false).unwrap_err();
        assert_eq!(error.to_string(), "`--tool`: `stripe` is not of the form `server/tool`");
    }
}
