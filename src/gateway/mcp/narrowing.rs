use std::sync::Arc;

use super::tools::Tools;
use crate::guard::Listing;
use crate::mcp::{Era, Join, ListKind, Listed, NarrowError, Reply, narrow, served};

/// Leaves out of a server's lists what their caller could not call.
pub(super) struct Narrowing {
    pub(super) server: String,
    /// The list that was asked for; `None` for whatever comes.
    pub(super) kind: Option<ListKind>,
    pub(super) era: Era,
    pub(super) listing: Listing,
    pub(super) tools: Arc<dyn Tools>,
    /// Where the list is one of several that are joined.
    pub(super) joined: Option<Joined>,
}

/// How the list of one server is one page of the list of several.
#[derive(Clone)]
pub(super) struct Joined {
    /// The server whose list comes next, if any.
    pub(super) next: Option<String>,
}

impl Narrowing {
    /// The answer as the caller sees it.
    pub(super) fn of(&self, answer: &[u8]) -> Result<Vec<u8>, NarrowError> {
        let next = self.joined.as_ref().map(|joined| joined.next.as_deref());
        let join = next.map(|next| Join { server: &self.server, next });
        match (&join, self.kind, refused(answer)) {
            // A server that has no such list does not keep those of the others from being seen.
            (Some(join), Some(kind), Some(id)) => Ok(join.nothing(&id, kind, self.era)),
            _ => narrow(answer, self.kind, self.era, join.as_ref(), |listed| self.stays(listed)),
        }
    }

    fn stays(&self, listed: &Listed<'_>) -> bool {
        let served = served(&self.server, listed.kind, listed.name);
        let Some((tool, argument)) = served else { return false };
        let labels = self.tools.facts(&tool).labels;
        let could_call = match argument {
            None => self.listing.could_call(&tool, &labels),
            Some(argument) => self.listing.could_call_with(&tool, &labels, (argument, listed.name)),
        };
        could_call && self.tools.is_shown(&self.server, listed)
    }
}

/// The identifier of an answer that is an error.
fn refused(answer: &[u8]) -> Option<Vec<u8>> {
    let reply = Reply::read(answer).ok()?;
    reply.place("error")?;
    Some(reply.at(reply.place("id")?).to_vec())
}
