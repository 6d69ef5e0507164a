use std::fmt;

use super::types::{Constraint, Grant, Scalar, Test, Values};
use crate::model::{Json, Timestamp};
use crate::vocabulary::oracle::Oracle;

/// A grant as one line of JSON, in the form that [`grants_from_json`](super::grants_from_json)
/// reads.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools: Vec<String> = self.tools.iter().map(|tool| quoted(&tool.to_string())).collect();
        match tools.as_slice() {
            [tool] => write!(f, "{{\"tool\": {tool}")?,
            tools => write!(f, "{{\"tools\": [{}]", tools.join(", "))?,
        }
        if !self.labels.is_empty() {
            write!(f, ", \"labels\": {}", list(self.labels.iter().map(|label| quoted(label))))?;
        }
        if let Some(args) = &self.args {
            let member = |(path, constraint): (_, &Constraint)| {
                format!("{}: {constraint}", quoted(&format!("{path}")))
            };
            let members: Vec<String> = args.iter().map(member).collect();
            write!(f, ", \"args\": {{{}}}", members.join(", "))?;
        }
        if self.other_args {
            write!(f, ", \"other_args\": \"allow\"")?;
        }
        f.write_str("}")
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = if self.optional { "\"optional\": true, " } else { "" };
        write!(f, "{{{optional}{}}}", members(&self.tests))
    }
}

fn members(tests: &[Test]) -> String {
    // `eq`, and beside it a `one_of` that happens to hold one value, are two fields.
    let is_single = |test: &Test| matches!(test, Test::OneOf(values) if values.list.len() == 1);
    let first = tests.iter().position(is_single);
    let field = |(i, test): (usize, &Test)| match test {
        Test::OneOf(values) if Some(i) != first => {
            format!("\"one_of\": {}", scalars(&values.list))
        }
        test => member(test),
    };
    let mut members: Vec<String> = tests.iter().enumerate().map(field).collect();
    let ignores = |test: &Test| matches!(test, Test::OneOf(values) | Test::NotOneOf(values) if values.ignore_case);
    if tests.iter().any(ignores) {
        members.push("\"ignore_case\": true".to_owned());
    }
    if tests.iter().any(|test| matches!(test, Test::Oracle(_, _, true))) {
        members.push("\"bare\": true".to_owned());
    }
    members.join(", ")
}

fn member(test: &Test) -> String {
    match test {
        Test::OneOf(Values { list: values, .. }) if values.len() == 1 => {
            format!("\"eq\": {}", values.iter().map(Scalar::to_string).collect::<String>())
        }
        Test::OneOf(values) => format!("\"one_of\": {}", scalars(&values.list)),
        Test::NotOneOf(values) => format!("\"not_one_of\": {}", scalars(&values.list)),
        Test::Min(min) => format!("\"min\": {min}"),
        Test::Max(max) => format!("\"max\": {max}"),
        Test::Prefix(text) => format!("\"prefix\": {}", quoted(text)),
        Test::Suffix(text) => format!("\"suffix\": {}", quoted(text)),
        Test::Contains(text) => format!("\"contains\": {}", quoted(text)),
        Test::MaxLength(max) => format!("\"max_length\": {max}"),
        Test::Matches(regex) => format!("\"matches\": {}", quoted(regex)),
        Test::Oracle(Oracle::PublicHost, ..) => "\"public_host\": true".to_owned(),
        Test::Oracle(oracle, constants, _) => {
            let name = oracle.predicate().trim_start_matches("arg_");
            let constants: Vec<String> = constants.iter().map(|text| quoted(text)).collect();
            match constants.as_slice() {
                [one] => format!("\"{name}\": {one}"),
                many => format!("\"{name}\": [{}]", many.join(", ")),
            }
        }
        Test::After(secs) => format!("\"after\": \"{}\"", Timestamp::from_secs(*secs)),
        Test::Before(secs) => format!("\"before\": \"{}\"", Timestamp::from_secs(*secs)),
        Test::SubsetOf(values) => format!("\"subset_of\": {}", scalars(values)),
        Test::ContainsAll(values) => format!("\"contains_all\": {}", scalars(values)),
        Test::MinItems(min) => format!("\"min_items\": {min}"),
        Test::MaxItems(max) => format!("\"max_items\": {max}"),
        Test::Each(tests) => format!("\"each\": {{{}}}", members(tests)),
        Test::Present => "\"present\": true".to_owned(),
        Test::Absent => "\"absent\": true".to_owned(),
        Test::Any => "\"any\": true".to_owned(),
    }
}

/// What a test asks, to follow "must": `be at most 50`.
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = |values: &Values| if values.ignore_case { " in any case" } else { "" };
        match self {
            Self::OneOf(values) if values.list.len() == 1 => {
                write!(f, "be {}{}", listed(&values.list), case(values))
            }
            Self::OneOf(values) => {
                write!(f, "be one of {}{}", listed(&values.list), case(values))
            }
            Self::NotOneOf(values) => {
                write!(f, "be none of {}{}", listed(&values.list), case(values))
            }
            Self::Min(min) => write!(f, "be a number of at least {min}"),
            Self::Max(max) => write!(f, "be a number of at most {max}"),
            Self::Prefix(text) => write!(f, "begin with {}", quoted(text)),
            Self::Suffix(text) => write!(f, "end with {}", quoted(text)),
            Self::Contains(text) => write!(f, "contain {}", quoted(text)),
            Self::MaxLength(max) => write!(f, "be a text of at most {max} characters"),
            Self::Matches(regex) => write!(f, "match {} as a whole", quoted(regex)),
            Self::Oracle(oracle, constants, _) => describe_oracle(f, *oracle, constants),
            Self::After(secs) => write!(f, "be a time no earlier than {}", at(*secs)),
            Self::Before(secs) => write!(f, "be a time no later than {}", at(*secs)),
            Self::SubsetOf(values) => write!(f, "be an array of {} only", listed(values)),
            Self::ContainsAll(values) => write!(f, "be an array with all of {}", listed(values)),
            Self::MinItems(min) => write!(f, "be an array of at least {min}"),
            Self::MaxItems(max) => write!(f, "be an array of at most {max}"),
            Self::Each(tests) => {
                let tests: Vec<String> = tests.iter().map(Test::to_string).collect();
                write!(f, "be an array in which each element must {}", tests.join(" and "))
            }
            Self::Present => f.write_str("be there"),
            Self::Absent => f.write_str("be left out"),
            Self::Any => f.write_str("be anything"),
        }
    }
}

fn describe_oracle(
    f: &mut fmt::Formatter<'_>,
    oracle: Oracle,
    constants: &std::collections::BTreeSet<String>,
) -> fmt::Result {
    let constants = constants.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" or ");
    match oracle {
        Oracle::Under => write!(f, "be a path under {constants}"),
        Oracle::Glob => write!(f, "match the glob {constants}"),
        Oracle::Cidr => write!(f, "be an address in {constants}"),
        Oracle::Host => write!(f, "be a URL whose host is {constants}"),
        Oracle::Scheme => write!(f, "be a URL whose scheme is {constants}"),
        Oracle::PublicHost => write!(f, "be a URL of a public host"),
        Oracle::Domain => write!(f, "be an e-mail address at {constants}"),
        Oracle::Command => write!(f, "be one plain command of {constants}"),
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::Number(number) => f.write_str(number.text()),
            Self::Bool(boolean) => write!(f, "{boolean}"),
        }
    }
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn scalars(values: &[Scalar]) -> String {
    list(values.iter().map(Scalar::to_string))
}

fn listed(values: &[Scalar]) -> String {
    values.iter().map(Scalar::to_string).collect::<Vec<_>>().join(", ")
}
