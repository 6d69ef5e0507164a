use std::sync::Arc;

use super::tools::Tools;
use crate::guard::Listing;
use crate::mcp::{Era, ListKind, Listed, NarrowError, narrow, served};

/// Leaves out of a server's lists what their caller could not call.
pub(super) struct Narrowing {
    pub(super) server: String,
    /// The list that was asked for; `None` for whatever comes.
    pub(super) kind: Option<ListKind>,
    pub(super) era: Era,
    pub(super) listing: Listing,
    pub(super) tools: Arc<dyn Tools>,
}

impl Narrowing {
    /// The answer as the caller sees it.
    pub(super) fn of(&self, answer: &[u8]) -> Result<Vec<u8>, NarrowError> {
        narrow(answer, self.kind, self.era, |listed| self.stays(listed))
    }

    fn stays(&self, listed: &Listed<'_>) -> bool {
        let Some(tool) = served(&self.server, listed.kind, listed.name) else { return false };
        let labels = self.tools.facts(&tool).labels;
        self.listing.could_call(&tool, &labels) && self.tools.is_shown(&self.server, listed)
    }
}
