//! Making a call.

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::super::serve::runtime;
use super::super::usage::usage;
use super::super::{Exit, Output, api};
use super::{Call, Credentials};

/// What a gateway answered.
type Answer = (StatusCode, HeaderMap, Vec<u8>);

/// Makes the call, once more where the gateway asks for a nonce, and prints the answer.
pub(super) fn run(
    call: &Call,
    method: &Method,
    url: &str,
    nonce: Option<String>,
    json: bool,
    out: &mut Output,
) -> anyhow::Result<Exit> {
    let Ok(url) = Url::parse(url) else {
        return usage("`--url` is not an address that can be called");
    };
    let origin = url.origin().ascii_serialization();
    let send = |nonce: Option<&str>| -> anyhow::Result<Answer> {
        let request = request(call, method, &url, call.credentials(method, nonce)?)?;
        let answer = runtime()?.block_on(api::exchange(request));
        answer.with_context(|| format!("the gateway at {origin}"))
    };
    let mut answer = send(nonce.as_deref())?;
    if let Some(nonce) = wanted_nonce(call, &answer) {
        answer = send(Some(&nonce))?;
    }
    print(&answer, json, out)
}

fn request(
    call: &Call,
    method: &Method,
    url: &Url,
    credentials: Credentials,
) -> anyhow::Result<reqwest::RequestBuilder> {
    let request = api::client()?.request(method.clone(), url.clone());
    let mut request = request.header(AUTHORIZATION, credentials.authorization);
    if let Some(proof) = credentials.proof {
        request = request.header("DPoP", proof);
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return Ok(request);
    }
    Ok(request.header(CONTENT_TYPE, "application/json").body(call.args.bytes().to_vec()))
}

/// The nonce that a refusal asks the next proof to carry.
///
/// *Source*: RFC 9449, section 9.
fn wanted_nonce(call: &Call, (status, headers, _): &Answer) -> Option<String> {
    let asks = |value: &reqwest::header::HeaderValue| {
        value.to_str().is_ok_and(|text| text.contains("use_dpop_nonce"))
    };
    let is_asked = call.key.is_some()
        && *status == StatusCode::UNAUTHORIZED
        && headers.get_all(WWW_AUTHENTICATE).iter().any(asks);
    let nonce = headers.get("dpop-nonce").filter(|_| is_asked)?;
    Some(nonce.to_str().ok()?.to_owned())
}

fn print(answer: &Answer, as_json: bool, out: &mut Output) -> anyhow::Result<Exit> {
    let (status, _, body) = answer;
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
