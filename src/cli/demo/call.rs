//! One call of a tool over HTTP, and whether it went as expected.

use anyhow::Context;
use http::Method;
use rand::rngs::OsRng;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use super::agents::Agent;
use super::row::{Answer, Expected, Outcome, Row};
use super::world::{Place, World};
use crate::config::SystemClock;
use crate::decide::Decision;
use crate::model::{Args, Clock, Code, JsonProfile, Reason};
use crate::present::{Presentation, ProofCall, present, to_authorization};
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
    /// A body makes it a `POST`; the arguments of other calls are in the path.
    pub(super) body: Option<&'static str>,
    pub(super) args: &'static str,
    pub(super) sent: Sent<'a>,
    pub(super) expected: Expected,
    /// Whether the failing check is worth showing in full.
    pub(super) shows_check: bool,
}

/// What goes with a call to permit it.
pub(super) enum Sent<'a> {
    Nothing,
    /// A token alone, as somebody sends it who has no key.
    Token(&'a UnverifiedToken),
    /// A token and a new proof.
    Proved(&'a Agent),
    /// Both, as they went with a call before.
    Copied(&'a Presentation),
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
            args: "{}",
            sent: Sent::Nothing,
            expected: Expected::Refused(Code::TokenMissing),
            shows_check: false,
        }
    }

    /// An agent calls, with its token and a proof by its key.
    pub(super) fn by(self, agent: &'a Agent) -> Self {
        self.sends(agent.name, Sent::Proved(agent))
    }

    /// Somebody calls with this.
    pub(super) fn sends(self, by: &'static str, sent: Sent<'a>) -> Self {
        Self { by, sent, ..self }
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

impl Call<'_> {
    fn method(&self) -> Method {
        if self.body.is_some() { Method::POST } else { Method::GET }
    }

    fn url(&self, world: &World) -> String {
        format!("{}{}", world.gateway(self.place).url, self.path)
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

/// An agent's token and its proof for this call.
pub(super) fn proved(
    world: &World,
    call: &Call<'_>,
    agent: &Agent,
) -> anyhow::Result<Presentation> {
    let method = call.method();
    // Arguments that the gateway must refuse have no digest.
    let args = Args::parse(call.body.unwrap_or(call.args), JsonProfile::Interoperable);
    let (args, uri, tool) = (args.unwrap_or_else(|_| Args::none()), call.url(world), call.tool);
    let (uri, tool) = (uri.parse()?, tool.parse()?);
    let proof =
        ProofCall { method: method.as_str(), uri: &uri, tool: &tool, args: &args, nonce: None };
    Ok(present(&agent.token, &agent.key, &proof, SystemClock.now(), &mut OsRng)?)
}

fn with(request: RequestBuilder, sent: &Presentation) -> RequestBuilder {
    request.header(AUTHORIZATION, sent.authorization()).header("DPoP", sent.dpop())
}

async fn send(world: &World, call: &Call<'_>) -> anyhow::Result<Response> {
    let mut request = world.office.http.request(call.method(), call.url(world));
    if let Some(body) = call.body {
        request = request.header(CONTENT_TYPE, "application/json").body(body);
    }
    request = match &call.sent {
        Sent::Nothing => request,
        Sent::Token(token) => request.header(AUTHORIZATION, to_authorization(token)),
        Sent::Proved(agent) => with(request, &proved(world, call, agent)?),
        Sent::Copied(sent) => with(request, sent),
    };
    let answer =
        request.send().await.with_context(|| format!("`{}` was not reached", call.tool))?;
    let status = answer.status().as_u16();
    let body = answer.json().await.with_context(|| format!("`{}` answered no JSON", call.tool))?;
    Ok(Response { status, body })
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
