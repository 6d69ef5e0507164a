//! Making a call.

use anyhow::Context;
use reqwest::{StatusCode, Url};
use serde_json::{Value, json};

use super::super::serve::runtime;
use super::super::usage::{Usage, usage};
use super::super::{Exit, Output, api};
use super::{Args, model};
use crate::client::{CallError, Caller};
use crate::keys::HolderKey;
use crate::token::UnverifiedToken;

/// What a gateway answered.
type Answer = (StatusCode, Vec<u8>);

/// Makes the call, once more where the gateway asks for a nonce, and prints the answer.
pub(super) fn run(
    asked: &Args,
    token: UnverifiedToken,
    key: Option<HolderKey>,
    args: &model::Args,
    out: &mut Output,
) -> anyhow::Result<Exit> {
    let Ok(url) = Url::parse(&asked.url) else {
        return usage("`--url` is not an address that can be called");
    };
    let gateway = format!("the gateway at {}", url.origin().ascii_serialization());
    let mut caller = Caller::new(api::client(), token, key)?;
    if let Some(nonce) = &asked.nonce {
        caller = caller.nonce(&asked.url, nonce)?;
    }
    let answer = runtime()?.block_on(async {
        let response = caller.call(&asked.tool, asked.method.clone(), &asked.url, args).await;
        let response = response.map_err(|error| told(error, &gateway))?;
        api::read(response).await.with_context(|| gateway.clone())
    })?;
    print(&answer, asked.json, out)
}

/// What the user is told.
fn told(error: CallError, gateway: &str) -> anyhow::Error {
    match error {
        CallError::Timeout => api::no_answer(false).context(gateway.to_owned()),
        CallError::Unreached => api::no_answer(true).context(gateway.to_owned()),
        CallError::Address => Usage(format!("`--url`: {error}")).into(),
        CallError::Argument { .. } => Usage(format!("`--args`: {error}")).into(),
        error => error.into(),
    }
}

fn print((status, body): &Answer, as_json: bool, out: &mut Output) -> anyhow::Result<Exit> {
    if as_json {
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        let body = serde_json::from_slice::<Value>(body).unwrap_or_else(|_| text());
        out.json(&json!({ "status": status.as_u16(), "body": body }))?;
    } else {
        out.say(&format!("the gateway answered {status}"));
        out.foreign(body)?;
    }
    Ok(match *status {
        status if status.is_success() => Exit::Done,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Exit::Denied,
        _ => Exit::Failure,
    })
}
