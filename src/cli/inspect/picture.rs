//! The chain as a picture: a card for the root key, one for each hop, and one for each block that
//! came after the last.

use super::super::output::Output;
use super::super::text::Style;
use super::block::{BlockView, Shown};
use super::holders::{call, links, taken};
use super::svg::{self, Card, Look};
use super::{Summary, Verification, page};
use crate::token::UnverifiedToken;

/// Prints the picture.
pub(super) fn print(
    token: &UnverifiedToken,
    summary: &Summary,
    blocks: &[BlockView],
    verification: &Verification,
    out: &mut Output,
) -> anyhow::Result<()> {
    let mut cards = vec![root(token, verification)];
    let (links, since) = links(token, summary, blocks);
    // Without a chain, each block is a card of its own.
    let since = if links.is_empty() { blocks } else { since };
    for link in &links {
        let (depth, block) = (link.depth, link.holder.block);
        let name = link.name.unwrap_or("a holder without a name");
        let mut card = Card::default().and(Look::Strong, name);
        let place = format!("depth {depth}, block {block}");
        let hop = blocks.iter().find(|view| view.index == block);
        card = card.and(Look::Soft, hop.map_or(place.clone(), |view| with_id(&place, view)));
        card = card.and(Look::Soft, format!("key {}", link.holder.thumbprint));
        // Block 0 is no step of the way, and grants.
        let own = hop.filter(|view| view.index == 0);
        for view in own.into_iter().chain(link.blocks) {
            card = says(card, view, view.index != block);
        }
        cards.push(card);
    }
    for view in since {
        let card = Card { is_dashed: !links.is_empty(), ..Card::default() };
        let card = card.and(Look::Strong, &view.title);
        cards.push(says(card.and(Look::Soft, with_id("", view)), view, false));
    }
    out.raw(&svg::draw("A delegation chain", &cards, &end(token, summary)))
}

fn root(token: &UnverifiedToken, verification: &Verification) -> Card {
    let (style, line) = page::verified(verification);
    let look = if style == Style::Good { Look::Good } else { Look::Bad };
    let mut card = Card::default().and(look, line);
    if let (Some(id), false) = (token.root_key_id(), matches!(verification, Verification::Good(_)))
    {
        card = card.and(Look::Soft, format!("says it is of root key {id}"));
    }
    for name in ["task", "principal", "intent"] {
        if let Some(value) = token.authority_text(name) {
            card = card.and(Look::Plain, format!("{name} {value}"));
        }
    }
    card
}

/// Who has the token in the end, and what can be done with it.
fn end(token: &UnverifiedToken, summary: &Summary) -> Card {
    let held = match (&summary.broken, summary.chain.current()) {
        (Some(error), _) => (Look::Bad, format!("held by: nobody can tell: {error}")),
        (None, Some(_)) => (Look::Plain, "held by the last of these: a bound token".to_owned()),
        (None, None) => (Look::Plain, "held by whoever has it: a bearer token".to_owned()),
    };
    let mut card = Card { is_dashed: true, texts: vec![held] };
    card = card.and(Look::Plain, format!("sealed: {}", page::sealed(token, summary)));
    match summary.expires {
        Some(at) => card.and(Look::Plain, format!("ends {at}")),
        None => card.and(Look::Plain, "ends never, as far as its blocks say in plain terms"),
    }
}

/// A place, and the revocation identifier of its block.
fn with_id(place: &str, view: &BlockView) -> String {
    let comma = if place.is_empty() { "" } else { ", " };
    format!("{place}{comma}revocation id {}…", view.revocation_id.short())
}

/// The card, with what a block grants and takes away.
fn says(mut card: Card, view: &BlockView, is_named: bool) -> Card {
    let before = if is_named { format!("block {}: ", view.index) } else { String::new() };
    for (_, shown) in &view.grants {
        card = card.and(
            Look::Plain,
            match shown {
                Shown::Grant(grant) => format!("grants {}", call(grant)),
                Shown::Datalog(text) => format!("grants, in Datalog, {text}"),
            },
        );
    }
    if view.is_suspect {
        card = card.and(Look::Bad, format!("{before}states facts that only a gateway may state"));
    }
    let nothing = view.index == 0 && view.asks_nothing();
    for taken in taken(view).into_iter().filter(|_| !nothing) {
        card = card.and(Look::Plain, format!("{before}{taken}"));
    }
    card
}
