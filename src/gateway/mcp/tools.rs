use std::collections::BTreeSet;

use crate::gateway::credential::Credential;
use crate::guard::Refusal;
use crate::mcp::{Listed, Mirror};
use crate::model::{Args, Tool};

/// What the gateway knows of the tools of its servers.
pub trait Tools: Send + Sync {
    /// Whether a call that its token allows may go up: the tool is known as it is, and the arguments
    /// are of the form that it takes.
    ///
    /// *Errors*: why the call is refused all the same. It is recorded.
    fn check(&self, tool: &Tool, args: &Args) -> Result<(), Refusal>;

    /// What is said of a tool.
    fn facts(&self, tool: &Tool) -> ToolFacts;

    /// Whether callers may see an element of a server's list.
    fn is_shown(&self, server: &str, listed: &Listed<'_>) -> bool;
}

/// What is said of one tool.
#[derive(Clone, Debug, Default)]
pub struct ToolFacts {
    /// Its labels, besides those that the guard was built with.
    pub labels: BTreeSet<String>,
    /// What its calls go up with.
    pub credential: Option<Credential>,
    /// Its arguments that callers repeat in headers.
    pub mirrors: Vec<Mirror>,
}
