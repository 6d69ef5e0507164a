use std::sync::Arc;

use http::HeaderMap;

use super::narrowing::Narrowing;
use super::session::Session;
use crate::gateway::credential::Credential;
use crate::guard::Tenure;
use crate::mcp::{Era, Message};

/// A message that may go up.
pub(super) struct Call {
    pub(super) message: Message,
    /// The very bytes that were judged, without the caller's credentials.
    pub(super) bytes: Vec<u8>,
    pub(super) era: Era,
    /// The headers of the request that it came in.
    pub(super) headers: HeaderMap,
    pub(super) owner: [u8; 32],
    pub(super) session: Option<Arc<Session>>,
    pub(super) credential: Option<Credential>,
    /// What is left out of the answer, where it is a list.
    pub(super) narrowing: Option<Narrowing>,
    pub(super) tenure: Tenure,
}
