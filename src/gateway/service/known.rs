use std::collections::BTreeMap;
use std::sync::Arc;

use super::routes::Credentials;
use crate::gateway::catalogue::{Catalogue, Standing};
use crate::gateway::mcp::{ToolFacts, Tools};
use crate::guard::Refusal;
use crate::mcp::{ListKind, Listed};
use crate::model::{Args, Tool};

/// What settings, approvals and servers say of tools.
pub(super) struct KnownTools {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) credentials: BTreeMap<String, Credentials>,
}

impl Tools for KnownTools {
    fn check(&self, tool: &Tool, args: &Args) -> Result<(), Refusal> {
        self.catalogue.check(tool, args)
    }

    fn facts(&self, tool: &Tool) -> ToolFacts {
        let credentials = self.credentials.get(tool.server());
        let credential = credentials.and_then(|found| found.of_tool(tool.name())).cloned();
        let labels = self.catalogue.labels(tool);
        ToolFacts { labels, credential, mirrors: self.catalogue.mirrors(tool) }
    }

    fn is_shown(&self, server: &str, listed: &Listed<'_>) -> bool {
        match listed.kind {
            ListKind::Tools => {
                self.catalogue.observe(server, listed.definition).1 == Standing::Good
            }
            ListKind::Prompts | ListKind::Resources | ListKind::Templates => true,
        }
    }
}
