//! Why a call was refused, in the language of grants: what failed, and what would pass.

use std::sync::Arc;

use std::fmt::{self, Write};

use biscuit_auth::builder::{Check, CheckKind, Rule};

use crate::model::{Block, Code, Json, Number, Reason, Request, Work};
use crate::vocabulary::grant::{ArgPath, Found, Mismatch, Place, Test};
use crate::vocabulary::{Bearing, Grant, print, read};

/// A call that was refused, and the work that explaining it may still take.
pub(super) struct Call<'a> {
    pub(super) blocks: &'a [Arc<Block>],
    pub(super) bearing: Bearing,
    pub(super) request: &'a Request,
    pub(super) work: Work,
}

/// The reason of a check that did not hold.
pub(super) fn failed(check: &Check, code: Code, call: &mut Call<'_>) -> Reason {
    let Call { bearing, request, .. } = call;
    let source = Some(print::check(check));
    let simple = |message: String, fact: String| Reason {
        source: source.clone(),
        fact: Some(fact),
        ..Reason::new(code, message)
    };
    match code {
        Code::Expired => {
            let message = "the token's time is over".to_owned();
            simple(message, format!("time({})", request.time))
        }
        Code::AudienceMismatch => simple(
            format!("the token is not meant for gateway `{}`", request.audience),
            format!("audience({})", Json::String(request.audience.clone())),
        ),
        Code::ChainTooLong => simple(
            format!("the token was handed on {} times, more than it allows", bearing.depth),
            format!("depth({})", bearing.depth),
        ),
        _ => {
            let nearest = nearest(&alternatives(check, call), call.request);
            Reason { source, ..mismatch(code, "a check of the token", nearest, call.request) }
        }
    }
}

/// The alternatives of a check that are grants; meeting any one of them is enough.
fn alternatives(check: &Check, call: &mut Call<'_>) -> Vec<Grant> {
    match check.kind {
        CheckKind::One => affordable(&check.queries, call),
        CheckKind::All | CheckKind::Reject => Vec::new(),
    }
}

/// The grants among some queries, up to where reading them and holding the request against them
/// takes more work than is left.
fn affordable<'a>(queries: impl IntoIterator<Item = &'a Rule>, call: &mut Call<'_>) -> Vec<Grant> {
    let read = |query| {
        read::take_work(query, &mut call.work).ok()?;
        let grant = read::query(query);
        if let Some(grant) = &grant {
            grant.take_work(call.request, &mut call.work).ok()?;
        }
        Some(grant)
    };
    queries.into_iter().map_while(read).flatten().collect()
}

/// The reason of a call that no grant of block 0 covers.
pub(super) fn not_granted(call: &mut Call<'_>) -> Reason {
    let rules = call.blocks.first().map(|block| block.rules.as_slice()).unwrap_or_default();
    let grants = affordable(rules, call);
    let request = call.request;
    let who = format!("the grant for `{}`", request.tool);
    mismatch(Code::NotGranted, &who, nearest(&grants, request), request)
}

/// What stands in the way of the grant that comes nearest to the call: one for this very tool,
/// and of those the one whose constraints the call meets furthest.
fn nearest(grants: &[Grant], request: &Request) -> Option<Mismatch> {
    let misses = grants.iter().filter_map(|grant| grant.permits(request).err());
    misses.min_by_key(|miss| match miss {
        Mismatch::Argument(..) => 0,
        Mismatch::Missing(_) => 1,
        Mismatch::OtherArgument(_) => 2,
        Mismatch::Label(_) => 3,
        Mismatch::Tool => 4,
    })
}

/// A reason for the nearest miss; `who` asked for what the call does not meet.
fn mismatch(code: Code, who: &str, miss: Option<Mismatch>, request: &Request) -> Reason {
    let tool = &request.tool;
    let text = |text: &str| Json::String(text.to_owned()).to_string();
    let call = || format!("call({}, {})", text(tool.server()), text(tool.name()));
    let (message, fact, hint) = match &miss {
        None | Some(Mismatch::Tool) => {
            let message = match code {
                Code::NotGranted => format!("no grant of the token covers this call of `{tool}`"),
                _ => format!("{who} does not allow this call of `{tool}`"),
            };
            (message, Some(call()), None)
        }
        Some(Mismatch::Label(label)) => {
            (format!("{who} asks for a tool labelled `{label}`"), Some(call()), None)
        }
        Some(Mismatch::OtherArgument(name)) => (
            format!("{who} does not allow argument `{name}`"),
            Some(format!("arg_names({})", names(request))),
            Some(format!("leave out `{name}`")),
        ),
        Some(Mismatch::Missing(path)) => {
            (format!("{who} asks for argument `{path}`"), None, Some(format!("give `{path}`")))
        }
        Some(Mismatch::Argument(path, test)) => (
            format!("{who} asks that `{path}` {test}"),
            fact(path, test, request),
            Some(format!("`{path}` must {test}")),
        ),
    };
    Reason { fact, hint, ..Reason::new(code, message) }
}

fn names(request: &Request) -> String {
    match request.args.value() {
        Json::Object(members) => {
            let shown = members.iter().take(NAMES_MAX);
            let mut names: Vec<String> = shown.map(|(name, _)| quoted(name)).collect();
            if members.len() > NAMES_MAX {
                names.push("…".to_owned());
            }
            format!("{{{}}}", names.join(", "))
        }
        _ => "{,}".to_owned(),
    }
}

/// Argument names that a reason quotes.
const NAMES_MAX: usize = 32;
/// Characters of one name or value that a reason quotes: the caller chose them, and a token can
/// fail hundreds of checks on the same megabyte.
const SHOWN_MAX: usize = 80;

/// The beginning of a text, quoted.
fn quoted(text: &str) -> String {
    let start: String = text.chars().take(SHOWN_MAX).collect();
    let mark = if start.len() < text.len() { "…" } else { "" };
    format!("{}{mark}", Json::String(start))
}

/// The beginning of a value.
fn shown(value: &Json) -> String {
    struct Start(String, usize);
    impl Write for Start {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                self.1 = self.1.checked_sub(1).ok_or(fmt::Error)?;
                self.0.push(c);
            }
            Ok(())
        }
    }
    let mut start = Start(String::new(), SHOWN_MAX);
    // The only error is that no more fits.
    if write!(start, "{value}").is_err() {
        start.0.push('…');
    }
    start.0
}

/// The fact that failed a test: the argument as the Datalog sees it.
fn fact(path: &ArgPath, test: &Test, request: &Request) -> Option<String> {
    let Found::Places(places) = path.find(request.args.value()) else { return None };
    let failing = places.into_iter().find_map(|place| match place {
        Place::Value(value) if !test.holds(value) => Some(value),
        _ => None,
    })?;
    let at = Json::String(path.to_string());
    let micros = match (test, failing) {
        (Test::Min(_) | Test::Max(_), Json::Number(number)) => Number::micros(number),
        _ => None,
    };
    Some(match micros {
        Some(micros) => format!("number({at}, {micros})"),
        None => format!("arg({at}, {})", shown(failing)),
    })
}
