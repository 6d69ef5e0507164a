//! A proxy that is made anew, with the sessions of the one before.

use std::sync::Arc;

use hardtack::config::SystemClock;
use hardtack::config::gateway::Denials;
use hardtack::gateway::{
    McpOptions, McpProxy, McpServer, McpServerError, McpUpstream, ToolFacts, Tools, Upstream as Up,
};
use hardtack::guard::{Guard, Refusal, ToolMap};
use hardtack::keys::TrustedRoots;
use hardtack::mcp::Listed;
use hardtack::model::{Args, JsonProfile, Tool};
use hardtack::record::MemorySink;
use hardtack::verify::DangerUnrevoked;

use super::upstream::{Upstream, plain};
use super::world::{ALL, INITIALIZE, token};
use crate::support_guard::{client, root, serve};

/// Knows nothing of any tool.
struct Nothing;

impl Tools for Nothing {
    fn check(&self, _: &Tool, _: &Args) -> Result<(), Refusal> {
        Ok(())
    }

    fn facts(&self, _: &Tool) -> ToolFacts {
        ToolFacts::default()
    }

    fn is_shown(&self, _: &str, _: &Listed<'_>) -> bool {
        true
    }
}

fn options() -> McpOptions {
    let guard = Guard::builder("gw")
        .roots(TrustedRoots::one(root().public()))
        .tools(ToolMap::new())
        .sink(Arc::<MemorySink>::default())
        .revocations(DangerUnrevoked)
        .build()
        .unwrap();
    McpOptions::new("gw", guard, Arc::new(Nothing), Arc::new(SystemClock))
}

fn server(up: &Up) -> McpServer {
    McpServer {
        name: "s".to_owned(),
        upstream: McpUpstream::Http(Box::new(up.clone())),
        credential: None,
        profile: JsonProfile::default(),
        denials: Denials::Error,
        roots: Vec::new(),
        sessions_max: 8,
    }
}

#[tokio::test]
async fn sessions_stay_with_the_connections_that_they_were_opened_over() {
    let (one, two) = (Upstream::start(plain).await, Upstream::start(plain).await);
    let up = |of: &Upstream| Up::new("s", &of.url, Default::default()).unwrap();
    let (first, other) = (up(&one), up(&two));
    let bearer = token(ALL, 1).to_text();
    let send = async |base: &str, session: Option<&str>, text: &'static str| {
        let request = client().post(format!("{base}/mcp/s")).bearer_auth(&bearer).body(text);
        let request = request.header("content-type", "application/json").header("accept", "*/*");
        let request = match session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        };
        request.send().await.unwrap()
    };
    let proxy = McpProxy::new(options(), [server(&first)]).unwrap();
    let opened = send(&serve(proxy.router()).await, None, INITIALIZE).await;
    let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let ping = r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#;
    for (up, status) in [(&first, 200), (&other, 404)] {
        let anew = proxy.after(options(), [server(up)]).unwrap();
        let answer = send(&serve(anew.router()).await, Some(&session), ping).await;
        assert_eq!(answer.status().as_u16(), status);
    }
    assert!(two.arrived().is_empty());
}

#[tokio::test]
async fn two_servers_have_two_names() {
    let up = Up::new("s", "http://127.0.0.1:1/mcp", Default::default()).unwrap();
    let made = McpProxy::new(options(), [server(&up), server(&up)]);
    assert_eq!(made.err(), Some(McpServerError::Twice("s".to_owned())));
}
