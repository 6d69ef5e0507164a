//! Who calls: a client, by its key.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::problem::Refusal;
use super::{AppState, Authority};
use crate::store::{Client, ClientKey, TaskRecord};

/// The client whose key came with the request.
pub(super) struct Caller(pub(super) Client);

/// A caller who may administer.
pub(super) struct Admin(pub(super) Client);

impl Caller {
    /// Finds the client by the `Authorization` header.
    pub(super) async fn find(authority: &Authority, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (value, None) = (values.next().ok_or(Refusal::NoKey)?, values.next()) else {
            return Err(Refusal::BadKey);
        };
        let key = value.to_str().ok().and_then(bearer).ok_or(Refusal::BadKey)?;
        let key: ClientKey = key.parse().map_err(|_| Refusal::BadKey)?;
        match authority.store.client(key.id()).await? {
            Some((client, digest)) if digest == key.digest() && client.disabled.is_none() => {
                Ok(Self(client))
            }
            _ => Err(Refusal::BadKey),
        }
    }

    /// Whether the task is the caller's business: its own, or the caller administers.
    pub(super) fn may_see(&self, task: &TaskRecord) -> bool {
        self.0.is_admin || self.0.id == task.client
    }
}

/// What the log calls the client.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client:{}", self.0.id)
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        Self::find(state, &parts.headers).await
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        match Caller::find(state, &parts.headers).await? {
            Caller(client) if client.is_admin => Ok(Self(client)),
            _ => Err(Refusal::NotAdmin),
        }
    }
}
