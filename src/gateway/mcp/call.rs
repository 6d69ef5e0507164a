use std::sync::Arc;

use http::HeaderMap;

use super::narrowing::Narrowing;
use super::session::Session;
use crate::gateway::credential::Credential;
use crate::guard::{Owner, Tenure};
use crate::mcp::{Era, Message, Splice};

/// A message that may go up.
pub(super) struct Call {
    pub(super) message: Message,
    pub(super) changes: Changes,
    pub(super) era: Era,
    /// The headers of the request that it came in.
    pub(super) headers: HeaderMap,
    pub(super) owner: Owner,
    pub(super) session: Option<Arc<Session>>,
    pub(super) credential: Option<Credential>,
    /// What is left out of the answer, where it is a list.
    pub(super) narrowing: Option<Narrowing>,
    pub(super) tenure: Tenure,
}

/// What changes of a message before it goes up.
#[derive(Default)]
pub(super) struct Changes {
    /// What is cut out of the bytes that were judged: the caller's credentials.
    pub(super) splice: Splice,
    /// What goes up instead, where that is the gateway's own.
    pub(super) own: Option<Vec<u8>>,
}

impl Call {
    /// What goes up, with these changes.
    pub(super) fn bytes(&self, splice: Splice) -> Option<Vec<u8>> {
        match &self.changes.own {
            Some(own) => Some(own.clone()),
            None => splice.apply(self.message.bytes()),
        }
    }
}
