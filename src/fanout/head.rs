//! `GET /v1/revocations/head`: the newest head, at once or once it is beyond a place.

use std::time::Duration;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::query::{HeadQuery, Named};
use super::refusal::Refusal;
use super::{Ending, Fanout, ended};

/// How long an answer to a question may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub(super) async fn newest(
    State(fanout): State<Fanout>,
    ending: Option<Extension<Ending>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let HeadQuery { nonce, after, wait } = HeadQuery::parse(query.as_deref().unwrap_or_default())?;
    if let Some(after) = after.filter(|_| !wait.is_zero()) {
        let ending = ending.map(|Extension(ending)| ending);
        fanout.wait_beyond(after, wait, ending).await?;
    }
    let told = match nonce {
        None => fanout.read().catch_up(after),
        Some(nonce) => {
            let answer = tokio::time::timeout(ANSWER_MAX, fanout.0.source.answer(nonce)).await;
            let signed = answer.ok().flatten().ok_or(Refusal::NoHead)?;
            fanout.read().answer(after, signed).ok()
        }
    };
    let json = told.and_then(|told| told.into_json().ok()).ok_or(Refusal::NoHead)?;
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, json).into_response())
}

impl Fanout {
    /// Waits until the newest head is beyond a place, or the time is over, or the service.
    async fn wait_beyond(
        &self,
        after: Named,
        wait: Duration,
        ending: Option<Ending>,
    ) -> Result<(), Refusal> {
        let mut newest = self.0.newest.subscribe();
        if *newest.borrow() > after {
            return Ok(());
        }
        let _held = self.hold()?;
        tokio::select! {
            _ = newest.wait_for(|newest| *newest > after) => {}
            () = tokio::time::sleep(wait) => {}
            () = ended(self.0.closed.subscribe(), ending) => {}
        }
        Ok(())
    }
}
