//! One call of a tool over HTTP, and whether it went as expected.

use anyhow::Context;
use http::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use super::row::{Answer, Expected, Outcome, Row};
use super::world::{Place, World};
use crate::attenuate::seal;
use crate::decide::Decision;
use crate::model::{Code, Reason};
use crate::present::to_authorization;
use crate::record::Record;
use crate::token::UnverifiedToken;

/// A call to be made.
pub(super) struct Call<'a> {
    /// What is called, and in short with what.
    pub(super) tool: &'static str,
    pub(super) with: &'static str,
    /// Who calls.
    pub(super) by: &'static str,
    /// Where, and how the tool's request looks.
    pub(super) place: Place,
    pub(super) path: &'static str,
    /// A body makes it a `POST`.
    pub(super) body: Option<&'static str>,
    pub(super) token: Option<&'a UnverifiedToken>,
    pub(super) expected: Expected,
    /// Whether the failing check is worth showing in full.
    pub(super) shows_check: bool,
}

/// What came back.
struct Response {
    status: u16,
    body: Value,
}

impl<'a> Call<'a> {
    /// A call that is refused with this code, unless something else is said of it.
    pub(super) fn new(tool: &'static str, place: Place, path: &'static str) -> Self {
        Self {
            tool,
            with: "",
            by: "",
            place,
            path,
            body: None,
            token: None,
            expected: Expected::Refused(Code::TokenMissing),
            shows_check: false,
        }
    }

    /// Who calls with which token.
    pub(super) fn by(self, by: &'static str, token: &'a UnverifiedToken) -> Self {
        Self { by, token: Some(token), ..self }
    }

    /// Who calls without a token.
    pub(super) fn by_nobody(self, by: &'static str) -> Self {
        Self { by, token: None, ..self }
    }

    /// Expects the call to be refused with this code.
    pub(super) fn refused(self, code: Code) -> Self {
        Self { expected: Expected::Refused(code), ..self }
    }

    /// Expects the call to be allowed, and the tool to answer this at this place: in short, that.
    pub(super) fn answers(
        self,
        pointer: &'static str,
        value: impl Into<Value>,
        says: &'static str,
    ) -> Self {
        let value = value.into();
        Self { expected: Expected::Answer(Answer { pointer, value, says }), ..self }
    }
}

/// Makes the call, and compares what came back, and what was recorded, with what was expected.
pub(super) async fn make(world: &World, call: Call<'_>) -> anyhow::Result<Row> {
    let gateway = world.gateway(call.place);
    let before = gateway.records()?.len();
    let response = send(world, &call).await?;
    let records = gateway.records()?;
    let (record, others) = match records.get(before..) {
        Some([record, others @ ..]) => (Some(record), others.len()),
        _ => (None, 0),
    };
    let outcome = outcome(&response, &call.expected);
    let mut row = Row::new(call.tool, call.by, gateway.id, outcome, &call.expected);
    row.with = call.with.to_owned();
    row.status = Some(response.status);
    row.micros = record.map(|record| record.micros);
    if let Some(reason) = reason(&response) {
        row.check = reason.source.filter(|_| call.shows_check);
        (row.why, row.block, row.hint) = (reason.message, reason.block, reason.hint);
    } else {
        row.why = said(&call.expected, record);
    }
    row.faults = faults(&response, &call, record, others);
    Ok(row)
}

async fn send(world: &World, call: &Call<'_>) -> anyhow::Result<Response> {
    let method = if call.body.is_some() { Method::POST } else { Method::GET };
    let url = format!("{}{}", world.gateway(call.place).url, call.path);
    let mut request = world.http.request(method, url);
    if let Some(body) = call.body {
        request = request.header(CONTENT_TYPE, "application/json").body(body);
    }
    if let Some(token) = call.token {
        request = request.header(AUTHORIZATION, to_authorization(token));
    }
    let answer =
        request.send().await.with_context(|| format!("`{}` was not reached", call.tool))?;
    let status = answer.status().as_u16();
    let body = answer.json().await.with_context(|| format!("`{}` answered no JSON", call.tool))?;
    Ok(Response { status, body })
}

/// A copy of the token for one call, to which nobody on the way can append.
pub(super) fn sealed(token: &UnverifiedToken) -> anyhow::Result<UnverifiedToken> {
    Ok(seal(token)?)
}

fn outcome(response: &Response, expected: &Expected) -> Outcome {
    match (response.status, response.body.get("code").and_then(Value::as_str)) {
        (200, _) => Outcome::Allow,
        (_, Some(code)) => Outcome::Deny(code.to_owned()),
        (status, None) => Outcome::Deny(format!("{status}, not {expected}")),
    }
}

/// The decisive reason of a refusal.
fn reason(response: &Response) -> Option<Reason> {
    serde_json::from_value(response.body.get("reasons")?.get(0)?.clone()).ok()
}

/// In a few words, what an allowed call brought.
fn said(expected: &Expected, record: Option<&Record>) -> String {
    match (expected, record.map(|record| &record.decision)) {
        (Expected::Answer(answer), Some(Decision::Allow { grant })) => {
            format!("{} (grant {grant})", answer.says)
        }
        _ => String::new(),
    }
}

/// Whatever is not as it should be besides the outcome itself.
fn faults(
    response: &Response,
    call: &Call<'_>,
    record: Option<&Record>,
    others: usize,
) -> Vec<String> {
    let mut faults = Vec::new();
    match &call.expected {
        Expected::Refused(code) if response.status != code.http_status() => {
            faults.push(format!("the status is {}, not {}", response.status, code.http_status()));
        }
        Expected::Answer(Answer { pointer, value, .. })
            if response.body.pointer(pointer) != Some(value) =>
        {
            faults.push(format!("the tool did not answer {value}"));
        }
        _ => {}
    }
    let Some(record) = record.filter(|_| others == 0) else {
        faults.push("the call did not leave exactly one record".to_owned());
        return faults;
    };
    let told = response.body.get("code").and_then(Value::as_str);
    if record.decision.code().map(Code::as_str) != told {
        faults.push("the record tells of another decision than the response".to_owned());
    }
    faults
}
