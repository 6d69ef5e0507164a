//! Which tools a token could call at all: what lists show.

use std::collections::BTreeSet;

use hardtack::attenuate::{Narrowing, attenuate};
use hardtack::decide::{Outline, Policy};
use hardtack::model::{Args, JsonProfile, Request};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{Authentic, authenticate};
use serde_json::Value;

use crate::support::{checked, narrowed, request, rng, roots, token};

const GRANTS: &str = r#"[
    {"tool": "crm/get", "args": {"id": {"prefix": "c-"}}},
    {"tool": "crm/list"},
    {"server": "files", "labels": ["read"]},
    {"tool": "stripe/refund", "args": {"amount": {"max": 50}}}
]"#;

fn authentic(token: &UnverifiedToken) -> Authentic {
    authenticate(token.clone(), &roots()).unwrap()
}

fn shows(token: &UnverifiedToken, policy: &Policy, tool: &str, labels: &[&str]) -> bool {
    let authentic = authentic(token);
    let outline = Outline::new(&authentic, policy, None).unwrap();
    let labels: BTreeSet<String> = labels.iter().map(|label| (*label).to_owned()).collect();
    outline.permits(&authentic, &Request { labels, ..request(tool, "{}") })
}

fn shown(token: &UnverifiedToken, policy: &str) -> String {
    let policy = Policy::parse([("test", policy)]).unwrap();
    let tools = ["crm/get", "crm/list", "crm/delete", "files/a", "files/b", "stripe/refund"];
    let labels = |tool: &str| if tool == "files/a" { &["read"][..] } else { &["write"] };
    let kept = tools.iter().filter(|tool| shows(token, &policy, tool, labels(tool)));
    kept.copied().collect::<Vec<_>>().join(" ")
}

const ALLOW: &str = "allow if granted($any);";

#[test]
fn a_list_has_what_could_be_called_with_the_right_arguments() {
    let token = token(GRANTS);
    assert_eq!(shown(&token, ALLOW), "crm/get crm/list files/a stripe/refund");
    let child = narrowed(&token, r#"[{"tool": "crm/*"}, {"tool": "stripe/refund", "args": {}}]"#);
    assert_eq!(shown(&child, ALLOW), "crm/get crm/list stripe/refund");
    for (check, expected) in [
        (r#"check if call("crm", $t), arg("id", $i), $i.starts_with($t)"#, "crm/get crm/list"),
        (r#"check if arg("id", "c-1")"#, "crm/get crm/list files/a stripe/refund"),
        (r#"check if arg("id", "c-1"), label("read")"#, "files/a"),
        (r#"reject if call("crm", "get")"#, "crm/list files/a stripe/refund"),
        (
            r#"reject if call("crm", "get"), arg("id", "c-2")"#,
            "crm/get crm/list files/a stripe/refund",
        ),
        (r#"mine($i) <- arg("id", $i); check if mine($i), call("crm", "list")"#, "crm/list"),
        (
            r#"mine($i) <- arg("id", $i); reject if mine($i)"#,
            "crm/get crm/list files/a stripe/refund",
        ),
        (r#"check all call($s, $t), $s == "crm""#, "crm/get crm/list"),
        (r#"check all arg($p, $v), $v == "x""#, "crm/get crm/list files/a stripe/refund"),
        ("check if false", ""),
    ] {
        assert_eq!(shown(&checked(&token, &format!("{check};")), ALLOW), expected, "{check}");
    }
}

#[test]
fn a_list_is_held_to_the_policy_too() {
    let token = token(GRANTS);
    for (policy, expected) in [
        (r#"deny if call("crm", "list");"#, "crm/get files/a stripe/refund"),
        (
            r#"deny if call("crm", "get"), arg("id", "c-1");"#,
            "crm/get crm/list files/a stripe/refund",
        ),
        (
            r#"needs_approval("why") <- call("crm", "get");"#,
            "crm/get crm/list files/a stripe/refund",
        ),
        (r#"check if call("crm", $t);"#, "crm/get crm/list"),
    ] {
        assert_eq!(shown(&token, &format!("{policy}{ALLOW}")), expected, "{policy}");
    }
    assert_eq!(
        shown(&token, r#"allow if granted($g), call("crm", $t), arg("id", $i);"#),
        "crm/get crm/list"
    );
}

#[test]
fn what_has_ended_or_is_for_another_gateway_shows_nothing() {
    let token = token(GRANTS);
    let narrowing = Narrowing { expires: Some(crate::support::now()), ..Narrowing::default() };
    let ended = attenuate(&token, &narrowing, &mut rng(1)).unwrap();
    let audience = Some(["elsewhere".to_owned()].into());
    let narrowing = Narrowing { audience, ..Narrowing::default() };
    let elsewhere = attenuate(&token, &narrowing, &mut rng(1)).unwrap();
    assert_eq!((shown(&ended, ALLOW), shown(&elsewhere, ALLOW)), (String::new(), String::new()));
}

/// However long a list is, it takes no more than so many decisions' work.
#[test]
fn a_list_takes_bounded_work() {
    let rules = (0..40).map(|i| format!("a({i});")).collect::<String>();
    let token = checked(
        &token(GRANTS),
        &format!("{rules} b($x, $y, $z) <- a($x), a($y), a($z); check if b(1, 2, 3);"),
    );
    let authentic = authentic(&token);
    let outline = Outline::new(&authentic, &Policy::standard().unwrap(), None).unwrap();
    let steps = |_| outline.permits(&authentic, &request("crm/list", "{}"));
    assert_eq!((0..100).filter(|i| steps(*i)).count(), 0);
}

/// Whether a list shows the tool of this request to whoever holds these bytes.
pub(crate) fn is_shown(bytes: &[u8], request: &Request) -> bool {
    let token = UnverifiedToken::from_bytes(bytes.to_vec()).unwrap();
    let authentic = authentic(&token);
    let policy = Policy::standard().unwrap();
    let shows = |argument: Option<&str>, args: Args| {
        let outline = Outline::new(&authentic, &policy, argument).unwrap();
        outline.permits(&authentic, &Request { args, http: None, ..request.clone() })
    };
    let all: Value = serde_json::from_slice(request.args.bytes()).unwrap();
    let members = all.as_object().into_iter().flatten();
    let mut texts = members.filter(|(name, value)| value.is_string() && is_plain(name));
    shows(None, Args::none())
        && texts.all(|(name, value)| {
            let only = serde_json::json!({ name: value }).to_string();
            shows(Some(name), Args::parse(only, JsonProfile::default()).unwrap())
        })
}

/// Whether a name is its own path.
fn is_plain(name: &str) -> bool {
    !name.contains(['/', '~', '*'])
}

/// Where one argument is known, what is asked of it counts, and nothing that is asked of others.
#[test]
fn a_list_is_held_to_the_argument_that_is_known() {
    let grants = r#"[{"tool": "files/read", "args": {
        "uri": {"under": "/a"}, "size": {"max": 5}, "mode": {"one_of": ["r"]}
    }}]"#;
    let token = token(grants);
    let shows = |token: &UnverifiedToken, value: &str| {
        let authentic = authentic(token);
        let policy = Policy::standard().unwrap();
        let outline = Outline::new(&authentic, &policy, Some("uri")).unwrap();
        let args = serde_json::json!({ "uri": value }).to_string();
        outline.permits(&authentic, &request("files/read", &args))
    };
    assert!(shows(&token, "/a/b"));
    for refused in ["/b", "/a/../b", "", "/ab"] {
        assert!(!shows(&token, refused), "{refused}");
    }
    for (check, is_shown) in [
        (r#"check if arg("uri", "/a/b")"#, true),
        (r#"check if arg("uri", "/a/c")"#, false),
        (r#"check if arg("mode", "w")"#, true),
        (r#"check if arg("uri", $u), arg("mode", $u)"#, true),
        (r#"check if arg($p, "/a/c")"#, true),
        (r#"check if arg_absent("uri")"#, false),
        (r#"check if arg_absent("mode")"#, true),
        (r#"reject if arg("uri", $u), $u.ends_with("b")"#, false),
        (r#"reject if arg("mode", $u), arg("uri", "/a/b")"#, true),
        (r#"mine($u) <- arg("uri", $u); check if mine("/a/c")"#, false),
        (r#"mine($u) <- arg("uri", $u); reject if mine("/a/b")"#, false),
        (r#"mine($u) <- arg("mode", $u); reject if mine("/a/b")"#, true),
        (r#"check all arg("uri", $u), $u == "/a/c""#, false),
    ] {
        assert_eq!(shows(&checked(&token, &format!("{check};")), "/a/b"), is_shown, "{check}");
    }
}
