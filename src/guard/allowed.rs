use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::model::{Args, Tool};
use crate::verify::{Authentic, Hop};

/// What a handler learns of the call that it was given: an axum extractor, and a request
/// extension for any other service.
///
/// *Shape*: only a guard makes one. The extractor answers 500 where no guard stands before the
/// handler, so that a route cannot be left open by mistake.
#[derive(Clone, Debug)]
pub struct Allowed {
    authentic: Arc<Authentic>,
    tool: Tool,
    args: Arc<Args>,
    grant: usize,
}

impl Allowed {
    pub(super) fn new(
        authentic: Arc<Authentic>,
        tool: Tool,
        args: Arc<Args>,
        grant: usize,
    ) -> Self {
        Self { authentic, tool, args, grant }
    }

    /// What was called.
    pub fn tool(&self) -> &Tool {
        &self.tool
    }

    /// The arguments that were judged: path, query and body together.
    pub fn args(&self) -> &Args {
        &self.args
    }

    /// The grant of block 0 that covers the call: its place among the grants.
    pub fn grant(&self) -> usize {
        self.grant
    }

    /// The task, where the token names one.
    pub fn task(&self) -> Option<&str> {
        self.authentic.task()
    }

    /// On whose behalf, where the token says.
    pub fn principal(&self) -> Option<&str> {
        self.authentic.principal()
    }

    /// What the task is for, where the token says.
    pub fn intent(&self) -> Option<&str> {
        self.authentic.intent()
    }

    /// The steps from the authority to the caller.
    pub fn chain(&self) -> Vec<Hop> {
        self.authentic.chain()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Allowed {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
