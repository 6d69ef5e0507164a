//! What is kept, and who renews it.

use std::sync::Arc;
use std::time::Duration;

use super::error::CredentialError;
use super::kept::{Held, Kept, Look};
use super::value::{Place, Value};

fn value(secret: &str) -> Arc<Value> {
    Value::new(&Place::Bearer, secret).unwrap()
}

fn held(secret: &str, fresh: u64, good: u64) -> Held {
    let secs = |secs| Some(Duration::from_secs(secs));
    Held { value: value(secret), fresh: secs(fresh), good: secs(good) }
}

/// The look in one word.
fn look(kept: &Kept, millis: u64) -> &'static str {
    match kept.look(millis * 1000) {
        Look::Good(_) => "good",
        Look::Ageing(_) => "ageing",
        Look::Failed(_) => "failed",
        Look::Missing => "missing",
    }
}

#[test]
fn a_value_ages_and_ends() {
    let kept = Kept::default();
    assert_eq!(look(&kept, 0), "missing");
    kept.put(Ok(held("first-secret", 10, 20)), 0).unwrap();
    assert_eq!(look(&kept, 9_999), "good");
    let twice = [look(&kept, 10_000), look(&kept, 10_000)];
    assert_eq!(twice, ["ageing", "good"], "one is told to renew it");
    assert_eq!(look(&kept, 19_999), "good");
    assert_eq!(look(&kept, 20_000), "missing");
}

#[test]
fn a_failure_is_waited_out_and_a_good_value_used_meanwhile() {
    let kept = Kept::default();
    kept.put(Ok(held("first-secret", 1, 20)), 0).unwrap();
    assert_eq!(look(&kept, 2_000), "ageing");
    assert!(kept.put(Err(CredentialError::TooShort), 2_000_000).is_ok());
    assert!(matches!(kept.settled(2_000_000), Some(Ok(_))));
    assert_eq!(look(&kept, 2_999), "good");
    assert_eq!(look(&kept, 3_000), "ageing", "and tried again");
    let (mut now, mut seen) = (3_000, Vec::new());
    for pause in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        let _ = kept.put(Err(CredentialError::TooShort), now * 1000);
        seen.push((look(&kept, now + pause - 1), look(&kept, now + pause)));
        now += pause;
    }
    let (good, ended) = (("good", "ageing"), ("failed", "missing"));
    // From the fourth on, the old value has ended.
    assert_eq!(seen, [good, good, good, ended, ended, ended, ended]);
    kept.put(Ok(held("second-secret", 10, 20)), now * 1000).unwrap();
    assert_eq!(look(&kept, now), "good");
}

#[test]
fn only_the_value_that_was_refused_is_forgotten() {
    let kept = Kept::default();
    let first = kept.put(Ok(held("first-secret", 100, 200)), 0).unwrap();
    kept.forget(&first, 4_999_999);
    assert_eq!(look(&kept, 5_000), "good", "too new to be better anew");
    kept.forget(&value("first-secret"), 5_000_000);
    assert_eq!(look(&kept, 5_000), "good");
    kept.forget(&first, 5_000_000);
    assert_eq!(look(&kept, 5_000), "missing");
}

#[test]
fn a_request_with_a_credential_does_not_show_it() {
    for place in
        [Place::Bearer, Place::Basic("user".to_owned()), Place::Header(http::header::COOKIE)]
    {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        Value::new(&place, "hidden-secret").unwrap().put_into(&mut parts).unwrap();
        let shown = format!("{parts:?}");
        assert!(shown.contains("Sensitive"), "{shown}");
        assert!(!shown.contains("hidden") && !shown.contains("dXNlcjpo"), "{shown}");
    }
}
