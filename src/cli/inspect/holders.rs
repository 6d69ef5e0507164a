//! Who holds a bound token, as a tree: each hop with what it took away.

use serde_json::{Value, json};

use super::super::output::Output;
use super::super::text::{Style, Text, wrapped};
use super::Summary;
use super::block::BlockView;
use super::page::must;
use crate::token::{Holder, UnverifiedToken};
use crate::vocabulary::Grant;

/// Columns that fit everywhere.
const WIDTH: usize = 80;

/// One holder, and the blocks that narrowed the token on its way there.
pub(super) struct Link<'a> {
    pub(super) depth: usize,
    pub(super) holder: &'a Holder,
    pub(super) name: Option<&'a str>,
    pub(super) blocks: &'a [BlockView],
}

/// The links of a token, and the blocks that came after the last.
pub(super) fn links<'a>(
    token: &'a UnverifiedToken,
    summary: &'a Summary,
    blocks: &'a [BlockView],
) -> (Vec<Link<'a>>, &'a [BlockView]) {
    let mut links: Vec<Link<'a>> = Vec::new();
    let mut next = 1;
    for (depth, holder) in summary.chain.holders().iter().enumerate() {
        let agent = || token.authority_text("agent").filter(|_| depth == 0);
        let blocks = blocks.get(next..=holder.block).unwrap_or_default();
        links.push(Link { depth, holder, name: holder.name.as_deref().or_else(agent), blocks });
        next = holder.block.saturating_add(1);
    }
    (links, blocks.get(next..).unwrap_or_default())
}

/// Prints the tree of a bound token, or why there is none.
pub(super) fn print(
    token: &UnverifiedToken,
    summary: &Summary,
    blocks: &[BlockView],
    out: &mut Output,
) -> anyhow::Result<()> {
    if let Some(error) = &summary.broken {
        return out.field(0, "held by", &format!("nobody can tell: {error}"));
    }
    let (links, since) = links(token, summary, blocks);
    if links.is_empty() {
        return out.field(0, "held by", "whoever has it: a bearer token");
    }
    out.line("")?;
    out.line("held by")?;
    let count = links.len();
    for link in links {
        let is_last = link.depth + 1 == count;
        let indent = "  ".repeat(link.depth);
        let (branch, below) = match link.depth {
            0 => ("  ".to_owned(), "  "),
            _ => (format!("{indent}└ "), "  "),
        };
        let below = format!("{indent}{below}{}", if is_last { "  " } else { "│ " });
        let head = format!("depth {}, block {}", link.depth, link.holder.block);
        let head = match link.name {
            Some(name) => format!("{head}: {name}"),
            None => head,
        };
        lines(&branch, &below, &head, Style::Bold, out)?;
        lines(&below, &below, &link.holder.thumbprint, Style::Dim, out)?;
        for taken in link.blocks.iter().flat_map(taken) {
            lines(&below, &format!("{below}  "), &taken, Style::Plain, out)?;
        }
        if is_last {
            for view in since {
                lines(
                    &below,
                    &below,
                    &format!("then, in block {}:", view.index),
                    Style::Plain,
                    out,
                )?;
                for taken in taken(view) {
                    lines(
                        &format!("{below}  "),
                        &format!("{below}    "),
                        &taken,
                        Style::Plain,
                        out,
                    )?;
                }
            }
        }
    }
    Ok(())
}

/// A text behind the lines of the tree.
fn lines(
    first: &str,
    rest: &str,
    text: &str,
    style: Style,
    out: &mut Output,
) -> anyhow::Result<()> {
    let used = rest.chars().count().max(first.chars().count());
    for (index, line) in wrapped(text, WIDTH.saturating_sub(used)).into_iter().enumerate() {
        let before = if index == 0 { first } else { rest };
        out.line(Text::of(Style::Dim, before).and(style, line))?;
    }
    Ok(())
}

/// What a block takes away, in a phrase each.
pub(super) fn taken(view: &BlockView) -> Vec<String> {
    let leaves = |grants: &Vec<Grant>| {
        let grants: Vec<String> = grants.iter().map(call).collect();
        format!("leaves only {}", grants.join("; or "))
    };
    let mut all: Vec<String> = view.leaves.iter().map(leaves).collect();
    all.extend(view.expires.map(|at| format!("ends {at}")));
    all.extend(view.audience.as_ref().map(|gateways| {
        let gateways: Vec<&str> = gateways.iter().map(String::as_str).collect();
        format!("only at {}", gateways.join(", "))
    }));
    all.extend(view.depth.map(|depth| format!("at most {depth} hops")));
    all.extend(view.checks.iter().cloned());
    if all.is_empty() {
        all.push("takes nothing away".to_owned());
    }
    all
}

/// The calls that a grant leaves.
pub(super) fn call(grant: &Grant) -> String {
    let tools: Vec<String> = grant.tools.iter().map(ToString::to_string).collect();
    let labels: Vec<&str> = grant.labels.iter().map(String::as_str).collect();
    let mut text = tools.join(", ");
    if !labels.is_empty() {
        text.push_str(&format!(" labelled {}", labels.join(" and ")));
    }
    let Some(args) = &grant.args else { return text };
    if args.is_empty() && !grant.other_args {
        return format!("{text} without arguments");
    }
    let mut args: Vec<String> =
        args.iter().map(|(path, constraint)| format!("{path} {}", must(constraint))).collect();
    if !grant.other_args {
        args.push("no other arguments".to_owned());
    }
    match args.is_empty() {
        true => text,
        false => format!("{text}: {}", args.join(", ")),
    }
}

/// The tree as JSON: a list, the first holder first; `null` where there is no chain to tell.
pub(super) fn to_json(
    token: &UnverifiedToken,
    summary: &Summary,
    blocks: &[BlockView],
) -> Option<Vec<Value>> {
    let (links, _) = links(token, summary, blocks);
    let link = |link: &Link<'_>| {
        let taken = |view: &BlockView| {
            let mut taken = view.taken_json();
            taken.insert("block".to_owned(), json!(view.index));
            taken
        };
        json!({
            "depth": link.depth,
            "block": link.holder.block,
            "name": link.name,
            "key": link.holder.key,
            "thumbprint": link.holder.thumbprint,
            "took_away": link.blocks.iter().map(taken).collect::<Vec<_>>(),
        })
    };
    if links.is_empty() { None } else { Some(links.iter().map(link).collect()) }
}
