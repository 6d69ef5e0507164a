//! When tests that a value passes show that it passes another.

use ipnet::IpNet;

use super::types::{Micros, Scalar, Test, Values, is_decimal};
use crate::model::{Json, JsonProfile};
use crate::vocabulary::oracle::Oracle;

/// Whether every value, there and not `null`, that passes all of `have` passes `want`.
pub(super) fn implies(have: &[&Test], want: &Test) -> bool {
    if matches!(want, Test::Present | Test::Any) || have.contains(&want) {
        return true;
    }
    if have.iter().any(|test| of_few(test, have, want)) || number_alone(have, want) {
        return true;
    }
    match want {
        Test::NotOneOf(values) => refuses(have, values),
        Test::MinItems(0) => have.iter().any(|test| is_array(test)),
        Test::Each(wanted) => {
            let elements = elements(have);
            let inner: Vec<&Test> = elements.iter().collect();
            !inner.is_empty() && wanted.iter().all(|want| implies(&inner, want))
        }
        want => have.iter().any(|have| alone(have, want)),
    }
}

/// A test that leaves a few values: each of them that the others leave passes.
fn of_few(test: &Test, have: &[&Test], want: &Test) -> bool {
    match test {
        Test::OneOf(values) if !values.ignore_case => values.list.iter().all(|scalar| {
            let value = scalar.json();
            want.holds(&value) || have.iter().any(|have| !have.holds(&value))
        }),
        _ => false,
    }
}

/// Bounds that meet in one number.
fn number_alone(have: &[&Test], want: &Test) -> bool {
    have.iter().any(|test| match test {
        Test::Min(min) => {
            have.contains(&&Test::Max(*min)) && number(*min).is_some_and(|n| want.holds(&n))
        }
        _ => false,
    })
}

/// Whether one test shows another of a related kind.
fn alone(have: &Test, want: &Test) -> bool {
    match (have, want) {
        (Test::Min(have), Test::Min(want)) => have >= want,
        (Test::Max(have), Test::Max(want)) => have <= want,
        (Test::OneOf(have), Test::OneOf(want)) if have.ignore_case && want.ignore_case => {
            have.list.iter().all(|scalar| want.hold(&scalar.json()))
        }
        (Test::Prefix(have), Test::Prefix(want)) => have.starts_with(want.as_str()),
        (Test::Suffix(have), Test::Suffix(want)) => have.ends_with(want.as_str()),
        (Test::Prefix(have) | Test::Suffix(have) | Test::Contains(have), Test::Contains(want)) => {
            have.contains(want.as_str())
        }
        (Test::MaxLength(have), Test::MaxLength(want)) => have <= want,
        (Test::Oracle(have, of, bare), Test::Oracle(want, among, may_be_bare)) => {
            // A URL with its scheme is read alike whether or not it could come without.
            let one = |of: &String| among.iter().any(|among| narrower(*have, of, among));
            have == want && (*may_be_bare || !bare) && of.iter().all(one)
        }
        (Test::After(have), Test::After(want)) => have >= want,
        (Test::Before(have), Test::Before(want)) => have <= want,
        (Test::SubsetOf(have), want @ Test::SubsetOf(_)) => each_holds(have, want),
        (Test::Each(have), Test::SubsetOf(list)) => {
            let values = Values { list: list.clone(), ignore_case: false };
            let have: Vec<&Test> = have.iter().collect();
            implies(&have, &Test::OneOf(values)) && each_holds(list, want)
        }
        (Test::ContainsAll(have), Test::ContainsAll(want)) => {
            let has = |want: &Scalar| have.iter().any(|have| have.is_equal(&want.json()));
            is_decimal(have) == is_decimal(want) && want.iter().all(has)
        }
        (Test::MinItems(have), Test::MinItems(want)) => have >= want,
        (Test::MaxItems(have), Test::MaxItems(want)) => have <= want,
        _ => false,
    }
}

/// Whether an array of any of the scalars passes a test that asks of elements alone.
fn each_holds(list: &[Scalar], want: &Test) -> bool {
    list.iter().all(|scalar| want.holds(&Json::Array(vec![scalar.json()])))
}

/// What is known of the elements of an array whose elements are all values.
fn elements(have: &[&Test]) -> Vec<Test> {
    let of = |test: &&Test| match test {
        Test::Each(tests) => tests.clone(),
        Test::SubsetOf(list) => {
            vec![Test::OneOf(Values { list: list.clone(), ignore_case: false })]
        }
        _ => Vec::new(),
    };
    have.iter().flat_map(of).collect()
}

/// Whether only arrays pass a test.
pub(super) fn is_array(test: &Test) -> bool {
    matches!(
        test,
        Test::SubsetOf(_)
            | Test::ContainsAll(_)
            | Test::MinItems(_)
            | Test::MaxItems(_)
            | Test::Each(_)
    )
}

/// Whether only texts pass a test.
fn is_text(test: &Test) -> bool {
    match test {
        Test::OneOf(values) | Test::NotOneOf(values) => {
            values.list.iter().all(|scalar| matches!(scalar, Scalar::Text(_)))
        }
        Test::Prefix(_)
        | Test::Suffix(_)
        | Test::Contains(_)
        | Test::MaxLength(_)
        | Test::Matches(_)
        | Test::Oracle(..)
        | Test::After(_)
        | Test::Before(_) => true,
        _ => false,
    }
}

/// Whether the tests show that a value is none of a list, and of a kind that the list is about.
fn refuses(have: &[&Test], list: &Values) -> bool {
    let has_text = list.list.iter().any(|scalar| matches!(scalar, Scalar::Text(_)));
    let is_number = |test: &Test| match test {
        Test::Min(_) | Test::Max(_) => true,
        Test::NotOneOf(values) => is_decimal(&values.list),
        _ => false,
    };
    let is_of_kinds = have.iter().any(|test| {
        (has_text && is_text(test))
            || (is_decimal(&list.list) && is_number(test))
            || matches!(test, Test::NotOneOf(values) if same_kinds(&values.list, &list.list))
    });
    is_of_kinds && list.list.iter().all(|scalar| refuses_one(have, scalar, list.ignore_case))
}

fn refuses_one(have: &[&Test], scalar: &Scalar, ignore_case: bool) -> bool {
    let value = scalar.json();
    have.iter().any(|test| match test {
        // These two judge every spelling of a text alike, the others this one alone.
        Test::OneOf(values) | Test::NotOneOf(values) if values.ignore_case => !test.holds(&value),
        test => !ignore_case && !test.holds(&value),
    })
}

/// Whether two lists are about the same kinds of value.
fn same_kinds(have: &[Scalar], want: &[Scalar]) -> bool {
    let among = |a: &Scalar, list: &[Scalar]| {
        list.iter().any(|b| std::mem::discriminant(a) == std::mem::discriminant(b))
    };
    is_decimal(have) == is_decimal(want) && have.iter().all(|scalar| among(scalar, want))
}

/// Whether whatever satisfies one constant of an oracle satisfies another.
fn narrower(oracle: Oracle, have: &str, want: &str) -> bool {
    if have == want {
        return true;
    }
    let valid = || oracle.check_constant(have).is_ok() && oracle.check_constant(want).is_ok();
    match oracle {
        // A directory inside a directory is what the oracle itself judges.
        Oracle::Under => valid() && oracle.holds(have, &[want], false),
        Oracle::Cidr => match (network(have), network(want)) {
            (Some(have), Some(want)) => valid() && want.contains(&have),
            _ => false,
        },
        Oracle::Host => {
            // A port in the wider constant would have to be the same one.
            let portless = !want.contains(':');
            valid()
                && portless
                && names_narrower(have, want, |host| {
                    oracle.holds(&format!("https://{host}/"), &[want], false)
                })
        }
        Oracle::Domain => {
            valid()
                && names_narrower(have, want, |host| {
                    oracle.holds(&format!("a@{host}"), &[want], false)
                })
        }
        Oracle::Glob | Oracle::Scheme | Oracle::PublicHost | Oracle::Command => false,
    }
}

/// Whether the names of one pattern are among those of another, which `is_in` judges name by name.
fn names_narrower(have: &str, want: &str, is_in: impl Fn(&str) -> bool) -> bool {
    match have.strip_prefix("*.") {
        None => is_in(have),
        // One subdomain stands for all, where subdomains are what is wanted.
        Some(rest) => want.starts_with("*.") && is_in(&format!("x.{rest}")),
    }
}

fn network(text: &str) -> Option<IpNet> {
    let alone = || text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
    text.parse().ok().or_else(alone)
}

fn number(micros: Micros) -> Option<Json> {
    Json::parse(micros.to_string().as_bytes(), JsonProfile::Interoperable).ok()
}
