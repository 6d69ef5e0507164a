use std::collections::BTreeSet;

use serde::Serialize;

use super::{OpenError, parts};
use crate::config::gateway::{GatewaySettings, Server, ServerKind};
use crate::decide::{Decision, decide};
use crate::guard::path::Template;
use crate::guard::{Refusal, TokenCache, Trust};
use crate::model::{Args, Code, Json, Reason, Request, Timestamp, Tool};
use crate::verify::{DangerUnrevoked, RevocationView};

/// What a gateway would do with one call, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// What it would decide.
    #[serde(flatten)]
    pub decision: Decision,
    /// The labels of the tool.
    pub labels: BTreeSet<String>,
    /// The name of the credential that the call would go up with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Whether anything was known of revocations: only from a bundle is anything, here.
    pub knows_revocations: bool,
}

/// Decides one call as a gateway with these settings would, without starting one: no server is asked,
/// and no source of revocations.
///
/// *Shape*: a token that is bound to a holder is refused with `proof-missing`, since the call comes
/// without a proof. Method and path are those of the server's own endpoint, `POST /mcp/SERVER`, or of
/// the first of its routes that these arguments can be sent to. *Errors*: [`OpenError`] where the settings cannot be used.
pub fn explain(
    settings: &GatewaySettings,
    token: &str,
    tool: Tool,
    args: Args,
    now: Timestamp,
) -> Result<Explained, OpenError> {
    let trust =
        Trust { roots: parts::roots(&settings.authority), policy: parts::policy(settings)? };
    let catalogue = parts::catalogue(settings)?;
    let bundle = match settings.authority.bundle {
        Some(_) => Some(parts::bundle(&settings.authority)?),
        None => None,
    };
    let server = settings.servers.iter().find(|server| server.name == tool.server());
    let credential = server.and_then(|server| {
        let of_tool = server.tools.get(tool.name()).and_then(|tool| tool.credential.as_ref());
        let own = format!("{}/{}", server.name, tool.name());
        let named = |found: &crate::config::gateway::CredentialConfig, own: &str| {
            found.name.clone().unwrap_or_else(|| own.to_owned())
        };
        let of_server = || Some(named(server.credential.as_ref()?, &server.name));
        of_tool.map(|found| named(found, &own)).or_else(of_server)
    });
    let labels = catalogue.labels(&tool);
    let view: &dyn RevocationView = bundle.as_ref().map_or(&DangerUnrevoked, |bundle| bundle);
    let cache = TokenCache::new(trust, 0);
    let decided = || -> Result<Decision, Refusal> {
        let known = cache.find(token, now)?;
        let http = server.map(|server| place(server, &tool, &args)).transpose()?;
        let request = Request {
            tool,
            args,
            labels: labels.clone(),
            audience: settings.gateway.clone(),
            time: now,
            http,
        };
        let verified = known.authentic().admit_with(view, now, None)?;
        let decision = decide(&verified, known.program(), &request);
        if decision.is_allow() {
            catalogue.check(&request.tool, &request.args)?;
        }
        Ok(decision)
    };
    let decision =
        decided().unwrap_or_else(|refusal| Decision::Deny { reasons: refusal.reasons().to_vec() });
    Ok(Explained { decision, labels, credential, knows_revocations: bundle.is_some() })
}

/// Method and path of the request that would ask for a call.
fn place(server: &Server, tool: &Tool, args: &Args) -> Result<(String, String), Reason> {
    if matches!(server.kind, ServerKind::McpHttp | ServerKind::McpStdio) {
        return Ok(("POST".to_owned(), format!("/mcp/{}", server.name)));
    }
    let captured = |name: &str| match args.value().member(name) {
        Some(Json::String(text)) => Some(text.clone()),
        _ => None,
    };
    let mut routes = server.routes.iter().filter(|route| route.tool == tool.name());
    let place = routes.find_map(|route| {
        let path = Template::parse(&route.path).ok()?.filled(captured)?;
        Some((route.method.clone(), path))
    });
    let why = "no route of the server asks for this tool with these arguments in its path";
    place.ok_or_else(|| Reason::new(Code::RequestMalformed, why))
}
