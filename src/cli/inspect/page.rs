//! A token for people.

use super::super::duration;
use super::super::output::Output;
use super::super::text::{Style, Text};
use super::block::{BlockView, Shown};
use super::{Summary, Verification};
use crate::model::Timestamp;
use crate::token::UnverifiedToken;
use crate::vocabulary::Grant;
use crate::vocabulary::grant::{Constraint, Test};

/// Prints what the whole token says.
pub(super) fn head(
    token: &UnverifiedToken,
    summary: &Summary,
    verification: &Verification,
    now: Timestamp,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (style, line) = verified(verification);
    out.line(Text::of(style, line))?;
    out.line("")?;
    for name in ["task", "principal", "agent", "intent"] {
        if let Some(value) = token.authority_text(name) {
            out.field(0, name, value)?;
        }
    }
    out.field(0, "ends", &ends(summary.expires, now))?;
    out.field(0, "gateways", &gateways(summary))?;
    let hops = match summary.depth {
        Some(max) => format!("{} of {max} used", summary.hops),
        None => format!("{} used", summary.hops),
    };
    out.field(0, "hops", &hops)?;
    out.field(0, "sealed", sealed(token, summary))?;
    let (count, bytes) = (token.blocks().len(), token.as_bytes().len());
    let blocks = if count == 1 { "block" } else { "blocks" };
    out.field(0, "size", &format!("{bytes} bytes, {count} {blocks}"))
}

/// Whether the signatures hold, in a sentence.
pub(super) fn verified(verification: &Verification) -> (Style, String) {
    match verification {
        Verification::NotAsked => {
            (Style::Bad, "not verified: name the root key with --root to check it".to_owned())
        }
        Verification::Good(key) => (Style::Good, format!("verified: signed by root key {key}")),
        Verification::Bad(reason) => {
            (Style::Bad, format!("not verified: {} ({})", reason.message, reason.code))
        }
    }
}

/// Whether the token is sealed, in a sentence.
pub(super) fn sealed(token: &UnverifiedToken, summary: &Summary) -> &'static str {
    match token.is_sealed() {
        true => "yes: it can be used, and not narrowed further",
        false if summary.chain.current().is_some() => {
            "no: it can be narrowed, and its holder can hand it on"
        }
        false => "no: whoever holds it can narrow it and hand it on",
    }
}

fn ends(expires: Option<Timestamp>, now: Timestamp) -> String {
    match expires {
        None => "never, as far as its blocks say in plain terms".to_owned(),
        Some(at) if at > now => {
            format!("{at}, in {}", duration::human(at.secs().saturating_sub(now.secs())))
        }
        Some(at) => {
            format!("{at}, {} ago", duration::human(now.secs().saturating_sub(at.secs())))
        }
    }
}

fn gateways(summary: &Summary) -> String {
    match &summary.audience {
        None => "any".to_owned(),
        Some(none) if none.is_empty() => "none: its blocks exclude each other's".to_owned(),
        Some(some) => some.iter().cloned().collect::<Vec<_>>().join(", "),
    }
}

/// Prints the title of a block.
pub(super) fn title(view: &BlockView, out: &mut Output) -> anyhow::Result<()> {
    let (name, id) = (&view.title, view.revocation_id.short());
    out.line("")?;
    let id = format!("{:>width$}", format!("revocation id {id}…"), width = 79 - name.len());
    out.line(Text::of(Style::Bold, name.as_str()).and(Style::Dim, id))
}

/// Prints what a block grants or takes away.
pub(super) fn block(view: &BlockView, out: &mut Output) -> anyhow::Result<()> {
    title(view, out)?;
    match (&view.signer, &view.hands_on_to) {
        (_, Some(name)) => out.field(2, "hands on to", name)?,
        (Some(key), None) => out.field(2, "signed by", &format!("a third party, {key}"))?,
        (None, None) => {}
    }
    if view.is_suspect {
        out.paragraph(
            2,
            "careful: this block states facts that only a gateway may state, so its own checks \
             may take away less than they seem to",
        )?;
    }
    for (place, shown) in &view.grants {
        out.line(format!("  grant {place}"))?;
        match shown {
            Shown::Grant(grant) => lines(grant, true, out)?,
            Shown::Datalog(text) => out.paragraph(4, text)?,
        }
    }
    for grants in &view.leaves {
        for (index, grant) in grants.iter().enumerate() {
            out.line(if index == 0 { "  leaves only" } else { "  or" })?;
            lines(grant, false, out)?;
        }
    }
    if let Some(at) = view.expires {
        out.field(2, "ends", &at.to_string())?;
    }
    if let Some(gateways) = &view.audience {
        let gateways: Vec<&str> = gateways.iter().map(String::as_str).collect();
        out.field(2, "gateways", &gateways.join(", "))?;
    }
    if let Some(depth) = view.depth {
        out.field(2, "hops", &format!("at most {depth}"))?;
    }
    datalog("facts", &view.facts, out)?;
    datalog("rules", &view.rules, out)?;
    datalog("also checks", &view.checks, out)?;
    if view.asks_nothing() {
        out.line("  takes nothing away")?;
    }
    Ok(())
}

impl BlockView {
    pub(super) fn asks_nothing(&self) -> bool {
        let lists = [self.facts.len(), self.rules.len(), self.checks.len(), self.leaves.len()];
        let frames = [self.expires.is_some(), self.audience.is_some(), self.depth.is_some()];
        self.grants.is_empty() && lists.iter().all(|len| *len == 0) && !frames.contains(&true)
    }
}

fn datalog(name: &str, statements: &[String], out: &mut Output) -> anyhow::Result<()> {
    if statements.is_empty() {
        return Ok(());
    }
    out.line(format!("  {name}, in Datalog"))?;
    statements.iter().try_for_each(|statement| out.paragraph(4, statement))
}

/// A grant, its tools and then an argument a line.
pub(in crate::cli) fn lines(
    grant: &Grant,
    is_authority: bool,
    out: &mut Output,
) -> anyhow::Result<()> {
    let tools: Vec<String> = grant.tools.iter().map(ToString::to_string).collect();
    let mut tools = tools.join(", ");
    if !grant.labels.is_empty() {
        let labels: Vec<&str> = grant.labels.iter().map(String::as_str).collect();
        tools.push_str(&format!(" labelled {}", labels.join(" and ")));
    }
    out.paragraph(4, &tools)?;
    let args = match &grant.args {
        None if is_authority => return out.line("      any arguments"),
        None => return out.line("      arguments as before"),
        Some(args) if args.is_empty() && !grant.other_args => {
            return out.line("      no arguments");
        }
        Some(args) => args,
    };
    for (path, constraint) in args {
        out.paragraph(6, &format!("{path} {}", must(constraint)))?;
    }
    out.line(match (grant.other_args, is_authority) {
        (false, _) => "      no other arguments",
        (true, true) => "      any other arguments",
        (true, false) => "      other arguments as before",
    })
}

/// What an argument must be.
pub(super) fn must(constraint: &Constraint) -> String {
    if constraint.tests.contains(&Test::Any) {
        return "may be anything".to_owned();
    }
    let tests: Vec<String> = constraint.tests.iter().map(Test::to_string).collect();
    let must = format!("must {}", tests.join(" and "));
    if constraint.optional { format!("{must}, or be left out") } else { must }
}
