//! What each server last said of its tools.

use std::collections::HashMap;
use std::sync::Arc;

use super::definition::Digest;
use crate::mcp::Mirror;
use crate::model::Tool;

/// Most tools of one server whose definitions are remembered, besides those that are approved: no
/// server takes the room of another.
const TOOLS_MAX: usize = 10_000;

/// Most log lines about tools of one server that nobody approved.
const STRANGERS_TOLD_MAX: usize = 100;

/// Most log lines about one approved tool.
const CHANGES_TOLD_MAX: usize = 10;

/// What every server last said of its tools.
#[derive(Clone, Default)]
pub(super) struct Seen(HashMap<String, OfServer>);

#[derive(Clone, Default)]
struct OfServer {
    tools: HashMap<String, Said>,
    told: usize,
}

/// What a server last said of one tool.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) digest: Digest,
    pub(super) mirrors: Arc<[Mirror]>,
    told: usize,
}

/// What there is to tell of a definition that is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing: it was the same before, or enough was told.
    None,
    /// That it is withheld.
    Withheld,
    /// That, and that no more will be told of its like.
    Last,
}

impl Seen {
    pub(super) fn get(&self, tool: &Tool) -> Option<&Said> {
        self.0.get(tool.server())?.tools.get(tool.name())
    }

    /// Takes note of a definition. One of a tool that is approved is noted whatever else was.
    pub(super) fn note(
        &mut self,
        tool: &Tool,
        digest: Digest,
        mirrors: Arc<[Mirror]>,
        is_approved: bool,
        is_withheld: bool,
    ) -> News {
        let of_server = self.0.entry(tool.server().to_owned()).or_default();
        let before = of_server.tools.get(tool.name());
        if before.is_some_and(|before| before.digest == digest) {
            return News::None;
        }
        let mut told = before.map_or(0, |before| before.told);
        let is_full = before.is_none() && of_server.tools.len() >= TOOLS_MAX;
        let news = match (is_withheld, is_approved) {
            (false, _) => News::None,
            (true, true) => count(&mut told, CHANGES_TOLD_MAX),
            (true, false) => count(&mut of_server.told, STRANGERS_TOLD_MAX),
        };
        if is_approved || !is_full {
            of_server.tools.insert(tool.name().to_owned(), Said { digest, mirrors, told });
        }
        news
    }
}

fn count(told: &mut usize, max: usize) -> News {
    *told = told.saturating_add(1).min(max + 1);
    match *told {
        told if told > max => News::None,
        told if told == max => News::Last,
        _ => News::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::catalogue::Definition;

    fn digest(text: &str) -> Digest {
        let definition = format!(r#"{{"name":"x","description":"{text}"}}"#);
        Definition::read(definition.as_bytes()).unwrap().1.digest
    }

    #[test]
    fn no_server_takes_the_room_of_another() {
        let mut seen = Seen::default();
        let tool = |server: &str, name: &str| Tool::new(server, name).unwrap();
        let (fine, evil) = (digest("fine"), digest("evil"));
        let mirrors: Arc<[Mirror]> = Vec::new().into();
        let mut note = |tool: &Tool, digest: &Digest, is_approved: bool| {
            seen.note(tool, digest.clone(), Arc::clone(&mirrors), is_approved, digest == &evil)
        };
        note(&tool("a", "early"), &fine, true);
        let mut told = 0;
        for n in 0..TOOLS_MAX + 5 {
            told += usize::from(note(&tool("a", &format!("t{n}")), &evil, false) != News::None);
        }
        assert_eq!(told, STRANGERS_TOLD_MAX);
        // Another server's tools, and approved ones of the same, are noted still.
        assert_eq!(note(&tool("b", "x"), &evil, false), News::Withheld);
        assert_eq!(note(&tool("a", "late"), &fine, true), News::None);
        assert_eq!(note(&tool("a", "late"), &evil, true), News::Withheld);
        let mut told = 0;
        for _ in 0..2 * CHANGES_TOLD_MAX {
            note(&tool("a", "early"), &fine, true);
            told += usize::from(note(&tool("a", "early"), &evil, true) != News::None);
        }
        assert_eq!(told, CHANGES_TOLD_MAX);
        for (name, noted) in [("early", true), ("late", true), ("t7", true), ("t10003", false)] {
            assert_eq!(seen.get(&tool("a", name)).is_some(), noted, "{name}");
        }
        assert!(seen.get(&tool("b", "x")).is_some_and(|said| said.digest == evil));
    }
}
