//! What holding a grant against a request costs, before it is done.

use super::path::{Found, Place};
use super::permits::matching_work;
use super::types::{Grant, Test, names_rules};
use crate::model::{Json, Request, TooMuchWork, Work, limits};

/// What finding a place, or looking a name up, counts for.
const PLACE: usize = 32;
/// What an oracle's bytes count for: most of them are looked at many times.
const ORACLE: usize = 8;
/// What each byte counts for where case is ignored.
const CASELESS: usize = 16;

impl Grant {
    /// Takes what [`Grant::permits`] may cost.
    ///
    /// *Errors*: [`TooMuchWork`] where so much is not left.
    pub(crate) fn take_work(&self, request: &Request, work: &mut Work) -> Result<(), TooMuchWork> {
        let args = request.args.value();
        for (path, constraint) in self.args.iter().flatten() {
            let before = work.left();
            let found = path.find_within(args, work)?;
            // The place is found once more for each test, and to say what is there.
            work.take((before - work.left()).saturating_mul(constraint.tests.len() + 1))?;
            let Found::Places(places) = found else { continue };
            for place in places {
                take(PLACE, work)?;
                let Place::Value(value) = place else { continue };
                constraint.tests.iter().try_for_each(|test| test.take_work(value, work))?;
            }
        }
        names_rules(self).iter().try_for_each(|_| take_names(args, work))
    }
}

/// Takes what looking at so many bytes of text costs.
fn take(bytes: usize, work: &mut Work) -> Result<(), TooMuchWork> {
    work.take(bytes.saturating_mul(limits::EXPLAINED_BYTE_WORK))
}

/// Takes what looking up every name costs.
fn take_names(value: &Json, work: &mut Work) -> Result<(), TooMuchWork> {
    let mut inside = |value| take(PLACE, work).and_then(|()| take_names(value, work));
    match value {
        Json::Object(members) => members.iter().try_for_each(|(_, value)| inside(value)),
        Json::Array(items) => items.iter().try_for_each(inside),
        _ => Ok(()),
    }
}

impl Test {
    fn take_work(&self, value: &Json, work: &mut Work) -> Result<(), TooMuchWork> {
        let bytes = match (self, value) {
            (Self::Each(tests), Json::Array(items)) => {
                return items.iter().try_for_each(|item| {
                    tests.iter().try_for_each(|test| test.take_work(item, work))
                });
            }
            (Self::Matches(regex), Json::String(text)) => {
                matching_work(regex, text).ok_or(TooMuchWork)?
            }
            (Self::Oracle(oracle, constants, _), Json::String(text)) => {
                let constants: Vec<&str> = constants.iter().map(String::as_str).collect();
                ORACLE * oracle.work(text, &constants)
            }
            (Self::OneOf(values) | Self::NotOneOf(values), Json::String(text)) => {
                let caseless = if values.ignore_case { CASELESS * text.len() } else { 0 };
                (PLACE + caseless) * (1 + values.list.len())
            }
            (Self::SubsetOf(list) | Self::ContainsAll(list), Json::Array(items)) => {
                PLACE * (1 + items.len()) * (1 + list.len())
            }
            (_, Json::String(text)) => PLACE + text.len(),
            _ => PLACE,
        };
        take(bytes, work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Args, JsonProfile, Timestamp};
    use crate::vocabulary::grant::grants_from_json;

    fn work(constraint: &str, value: &str) -> usize {
        let json = format!(r#"{{"tool": "s/t", "args": {{"a": {constraint}}}}}"#);
        let request = Request {
            tool: "s/t".parse().unwrap(),
            args: Args::parse(format!(r#"{{"a": {value}}}"#), JsonProfile::Interoperable).unwrap(),
            labels: Default::default(),
            audience: "gw".to_owned(),
            time: Timestamp::from_secs(0),
            http: None,
        };
        let all = usize::MAX / 2;
        let mut left = Work::new(all);
        let grant = grants_from_json(json.as_bytes()).unwrap().swap_remove(0);
        let bytes = |left: &Work| (all - left.left()) / limits::EXPLAINED_BYTE_WORK;
        grant.take_work(&request, &mut left).map_or(usize::MAX, |()| bytes(&left))
    }

    #[test]
    fn what_is_dearer_takes_more() {
        let (short, long) = (r#""ab""#, format!(r#""{}""#, "ab".repeat(1000)));
        for constraint in [
            r#"{"matches": "(a?b?){20}y"}"#,
            r#"{"contains": "y"}"#,
            r#"{"under": "/d"}"#,
            r#"{"eq": "y", "ignore_case": true}"#,
        ] {
            assert!(work(constraint, &long) > 1_500 + work(constraint, short), "{constraint}");
        }
        let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
        let each = r#"{"each": {"one_of": [1, 2]}}"#;
        assert!(work(each, &list(1000)) > 60 * 1000);
        assert!(
            work(r#"{"matches": "a{200}"}"#, short)
                < limits::DECISION_WORK_MAX / limits::EXPLAINED_BYTE_WORK
        );
        // Too large to say.
        assert_eq!(work(r#"{"matches": "(a?b?){100}y"}"#, short), usize::MAX);
    }
}
