//! The cases of a policy: `NAME.cases.toml` beside `NAME.datalog`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use super::super::input::Source;
use crate::model::{Args, Code, JsonProfile, Request, Timestamp, Tool, limits};
use crate::vocabulary::Grant;
use crate::vocabulary::grant::grants_from_json;

/// When a case that names no time happens: noon, a Monday.
const TIME: &str = "2026-01-05T12:00:00Z";

/// Longest file of cases.
const BYTES_MAX: usize = 1024 * 1024;

/// One case: a call, and how it must be decided.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// `None` is allow.
    pub(super) expect: Option<Code>,
    pub(super) request: Request,
    pub(super) grants: Vec<Grant>,
    /// How many blocks were appended to the token.
    pub(super) depth: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "case", default)]
    cases: Vec<toml::Spanned<WireCase>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCase {
    name: String,
    expect: String,
    tool: Tool,
    #[serde(default)]
    args: toml::Table,
    #[serde(default)]
    labels: BTreeSet<String>,
    audience: Option<String>,
    time: Option<toml::Value>,
    #[serde(default)]
    depth: u32,
    grants: Option<toml::Value>,
}

/// Reads the cases of a policy file.
pub(super) fn beside(policy: &Path) -> anyhow::Result<Vec<Case>> {
    let path = policy.with_extension("cases.toml");
    let name = super::name(&path);
    if !path.exists() {
        bail!("has no cases: `{name}` is not there");
    }
    let text = Source::File(path).text(BYTES_MAX)?;
    parse(&text).with_context(|| format!("`{name}`"))
}

fn parse(text: &str) -> anyhow::Result<Vec<Case>> {
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        anyhow::anyhow!("line {line}: {}", error.message())
    })?;
    if file.cases.is_empty() {
        bail!("holds no `[[case]]`");
    }
    let case = |wire: toml::Spanned<WireCase>| {
        let line = line_of(text, wire.span().start);
        let wire = wire.into_inner();
        let name = wire.name.clone();
        case(wire).with_context(|| format!("line {line}, case `{name}`"))
    };
    file.cases.into_iter().map(case).collect()
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn case(wire: WireCase) -> anyhow::Result<Case> {
    let expect = match wire.expect.as_str() {
        "allow" => None,
        code => match Code::ALL.iter().find(|known| known.as_str() == code) {
            Some(code) => Some(*code),
            None => bail!("`expect` is neither `allow` nor the code of a denial"),
        },
    };
    if wire.depth as usize >= limits::BLOCKS_MAX {
        bail!("`depth` is more than {}", limits::BLOCKS_MAX - 1);
    }
    let time = match wire.time {
        None => TIME.parse()?,
        Some(toml::Value::String(time)) => time.parse()?,
        Some(toml::Value::Datetime(time)) => time.to_string().parse::<Timestamp>()?,
        Some(_) => bail!("`time` is no time"),
    };
    let args = json(toml::Value::Table(wire.args))?.to_string();
    let grants = match wire.grants {
        Some(grants) => json(grants)?.to_string(),
        None => serde_json::json!({ "tool": wire.tool }).to_string(),
    };
    Ok(Case {
        name: wire.name,
        expect,
        request: Request {
            tool: wire.tool,
            args: Args::parse(args, JsonProfile::Integers64)?,
            labels: wire.labels,
            audience: wire.audience.unwrap_or_else(|| "local".to_owned()),
            time,
            http: None,
        },
        grants: grants_from_json(grants.as_bytes())?,
        depth: wire.depth,
    })
}

/// TOML as JSON; dates become texts. The TOML parser bounds how deep it goes.
fn json(value: toml::Value) -> anyhow::Result<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) if number.is_finite() => Value::from(number),
        toml::Value::Float(_) => bail!("JSON has no such number"),
        toml::Value::Boolean(boolean) => Value::Bool(boolean),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(json).collect::<anyhow::Result<_>>()?)
        }
        toml::Value::Table(table) => {
            let member = |(name, value)| Ok((name, json(value)?));
            Value::Object(table.into_iter().map(member).collect::<anyhow::Result<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_in_a_case_is_named_with_its_line() {
        let ok = "[[case]]\nname = \"n\"\nexpect = \"allow\"\ntool = \"a/b\"\n";
        for (text, sentence) in [
            ("", "holds no `[[case]]`"),
            (&format!("{ok}depth = 16"), "line 1, case `n`: `depth` is more than 15"),
            (&format!("{ok}time = 5"), "line 1, case `n`: `time` is no time"),
            (&format!("{ok}args.x = nan"), "line 1, case `n`: JSON has no such number"),
            (
                "\n[[case]]\nname = \"n\"\nexpect = \"deny\"\ntool = \"a/b\"",
                "line 2, case `n`: `expect` is neither `allow` nor the code of a denial",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(format!("{error:#}"), sentence);
        }
        let error = parse(&format!("{ok}extra = 1")).unwrap_err().to_string();
        assert!(error.starts_with("line 5: unknown field `extra`"), "{error}");
    }
}
