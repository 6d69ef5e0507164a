//! Queries of listings: `cursor`, `limit`, `state`.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::AppState;
use super::problem::Refusal;
use crate::store::{PageRequest, TaskState};

/// What a listing was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listing {
    /// Which part.
    pub(super) page: PageRequest,
    /// Tasks in this state alone.
    pub(super) state: Option<TaskState>,
}

impl FromRequestParts<AppState> for Listing {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Refusal> {
        let mut listing = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            listing.set(&name, &value).map_err(Refusal::Malformed)?;
        }
        Ok(listing)
    }
}

impl Listing {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "cursor" => {
                let cursor = value.parse().map_err(|error| format!("`cursor`: {error}"))?;
                self.page.after = Some(cursor);
            }
            "limit" => {
                let max = PageRequest::LIMIT_MAX;
                let limit = value.parse().ok().filter(|limit| (1..=max).contains(limit));
                self.page.limit =
                    limit.ok_or_else(|| format!("`limit`: is not a number from 1 to {max}"))?;
            }
            "state" => {
                let states = TaskState::ALL.map(TaskState::as_str).join("`, `");
                let state =
                    value.parse().map_err(|()| format!("`state`: is none of `{states}`"))?;
                self.state = Some(state);
            }
            _ => return Err("the query may hold `cursor`, `limit` and `state` only".to_owned()),
        }
        Ok(())
    }
}
