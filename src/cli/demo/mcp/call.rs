//! One message to the server, through the gateway or around it.

use anyhow::Context;
use rand::rngs::OsRng;
use serde_json::{Value, json};

use super::super::agents::Agent;
use super::super::row::Outcome;
use super::world::{SERVER, World};
use crate::config::SystemClock;
use crate::model::{Args, Clock, JsonProfile, Tool};
use crate::present::{ProofCall, present};

const VERSION: &str = "2026-07-28";

/// A request of the protocol.
#[derive(Clone, Debug)]
pub(super) struct Message {
    method: &'static str,
    /// The parameters, without metadata.
    params: Value,
}

/// What came of it.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Message {
    /// A call of a tool.
    pub(super) fn tool(name: &str, arguments: Value) -> Self {
        Self { method: "tools/call", params: json!({ "name": name, "arguments": arguments }) }
    }

    /// A request to read a resource.
    pub(super) fn resource(uri: &str) -> Self {
        Self { method: "resources/read", params: json!({ "uri": uri }) }
    }

    /// A request for a page of the tools.
    fn tools(cursor: Option<&str>) -> Self {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        Self { method: "tools/list", params }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).and_then(Value::as_str)
    }

    /// The tool that is decided, and its arguments.
    fn decided(&self) -> anyhow::Result<(Tool, Args)> {
        let (name, args) = match self.text("name") {
            Some(name) => (name.to_owned(), self.params.get("arguments").unwrap_or(&Value::Null)),
            None => (format!("mcp:{}", self.method), &self.params),
        };
        let args = Args::parse(args.to_string(), JsonProfile::Interoperable)?;
        Ok((Tool::new(SERVER, &name)?, args))
    }

    /// Sends it to the server as it is.
    pub(super) async fn around(&self, world: &World) -> anyhow::Result<Answer> {
        self.send(world, &world.server, &[]).await
    }

    /// Sends it through the gateway, with the agent's token and its proof for this message.
    pub(super) async fn by(&self, world: &World, agent: &Agent) -> anyhow::Result<Answer> {
        let (tool, args) = self.decided()?;
        let uri = world.guarded.parse()?;
        let call = ProofCall { method: "POST", uri: &uri, tool: &tool, args: &args, nonce: None };
        let sent = present(&agent.token, &agent.key, &call, SystemClock.now(), &mut OsRng)?;
        let authorization = sent.authorization();
        let headers = [("authorization", authorization.as_str()), ("dpop", sent.dpop())];
        self.send(world, &world.guarded, &headers).await
    }

    async fn send(
        &self,
        world: &World,
        url: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let mut params = self.params.clone();
        if let Some(members) = params.as_object_mut() {
            members.insert("_meta".to_owned(), meta);
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": self.method, "params": params });
        let mut request = world.office.http.post(url).json(&body);
        let argument = self.params.pointer("/arguments/to").and_then(Value::as_str);
        let own = [
            ("accept", Some("application/json, text/event-stream")),
            ("mcp-protocol-version", Some(VERSION)),
            ("mcp-method", Some(self.method)),
            ("mcp-name", self.text("name").or_else(|| self.text("uri"))),
            ("mcp-param-to", argument),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in own.chain(headers.iter().copied()) {
            request = request.header(name, value);
        }
        let answer = request.send().await.context("the server was not reached")?;
        let status = answer.status().as_u16();
        let body = answer.json().await.context("the server answered no JSON")?;
        Ok(Answer { status, body })
    }
}

/// The names of all tools that are listed for an agent.
pub(super) async fn listed(world: &World, agent: &Agent) -> anyhow::Result<Vec<String>> {
    let (mut names, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let answer = Message::tools(cursor.as_deref()).by(world, agent).await?;
        let result = answer.body.get("result").context("the tools were not listed")?;
        let tools = result.get("tools").and_then(Value::as_array).into_iter().flatten();
        names.extend(tools.filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)));
        cursor = result.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            return Ok(names);
        }
    }
}

impl Answer {
    /// Whether it was allowed, and why not.
    pub(super) fn outcome(&self) -> Outcome {
        match (self.body.get("result"), self.problem("code")) {
            (Some(_), _) => Outcome::Allow,
            (None, Some(code)) => Outcome::Deny(code),
            (None, None) => Outcome::Deny(format!("{} and no reason", self.status)),
        }
    }

    /// The text of a tool's result.
    pub(super) fn text(&self) -> Option<&str> {
        self.body.pointer("/result/content/0/text").and_then(Value::as_str)
    }

    /// In one sentence, why it was refused.
    pub(super) fn why(&self) -> Option<String> {
        let reason = self.body.pointer("/error/data/reasons/0/message").and_then(Value::as_str);
        reason.map(str::to_owned).or_else(|| self.problem("detail"))
    }

    fn problem(&self, name: &str) -> Option<String> {
        let problem = self.body.pointer("/error/data").unwrap_or(&self.body);
        problem.get(name).and_then(Value::as_str).map(str::to_owned)
    }
}
