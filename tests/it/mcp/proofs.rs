//! A bound token comes with a proof for each message, also for those that are not decided.

use std::sync::OnceLock;

use hardtack::config::SystemClock;
use hardtack::keys::HolderKey;
use hardtack::mint::{self, Task};
use hardtack::model::{Args, Clock, JsonProfile};
use hardtack::present::{Presentation, ProofCall, present};
use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::grant::grants_from_json;

use super::upstream::plain;
use super::world::{ALL, INITIALIZE, META, World, told};
use crate::support::rng;
use crate::support_guard::{client, root};

fn bound(holder: &HolderKey) -> UnverifiedToken {
    let grants = grants_from_json(ALL.as_bytes()).unwrap();
    let mut task = Task::new(grants, Some(["gw".to_owned()].into()));
    task.holder = Some(holder.public());
    mint::mint(&task, &root(), SystemClock.now(), &mut rng(3)).unwrap().token
}

fn prove(world: &World, method: &str, tool: &str, args: &str, seed: u64) -> Presentation {
    // One task: a token that is minted again is another one's.
    static TOKEN: OnceLock<UnverifiedToken> = OnceLock::new();
    let (token, holder) = (&TOKEN, HolderKey::generate(&mut rng(7)));
    let args = Args::parse(args, JsonProfile::default()).unwrap();
    let (uri, tool) = (world.url().parse().unwrap(), tool.parse().unwrap());
    let call = ProofCall { method, uri: &uri, tool: &tool, args: &args, nonce: None };
    present(token.get_or_init(|| bound(&holder)), &holder, &call, SystemClock.now(), &mut rng(seed))
        .unwrap()
}

fn with(request: reqwest::RequestBuilder, shown: &Presentation) -> reqwest::RequestBuilder {
    let mut request = request.build().unwrap();
    request.headers_mut().insert("authorization", shown.authorization().parse().unwrap());
    request.headers_mut().insert("dpop", shown.dpop().parse().unwrap());
    reqwest::RequestBuilder::from_parts(client(), request)
}

#[tokio::test]
async fn a_proof_is_for_one_message() {
    let world = World::new(plain).await;
    let shown = prove(&world, "POST", "s/x", r#"{"a":1}"#, 1);
    assert_eq!(told(with(world.call("x", r#"{"a":2}"#), &shown)).await.0, 401);
    assert_eq!(told(with(world.call("y", r#"{"a":1}"#), &shown)).await.0, 401);
    assert_eq!(told(with(world.call("x", r#"{"a":1}"#), &shown)).await.0, 200);
    assert_eq!(told(with(world.call("x", r#"{"a":1}"#), &shown)).await.0, 401);
    assert_eq!(world.upstream.arrived().len(), 1);
    assert!(!world.upstream.last().headers.contains_key("dpop"));
    // In the metadata.
    let shown = prove(&world, "POST", "s/x", "{}", 2);
    let [authorization, proof] = shown.meta();
    let meta =
        format!(r#""{}":"{}","{}":"{}","io.m"#, authorization.0, authorization.1, proof.0, proof.1);
    let body = super::world::call("x", "{}");
    let mut request =
        world.modern("tools/call", Some("x"), body.replacen(r#""io.m"#, &meta, 1)).build().unwrap();
    request.headers_mut().remove("authorization");
    assert_eq!(client().execute(request).await.unwrap().status(), 200);
    assert_eq!(world.upstream.last().text(), body);
}

#[tokio::test]
async fn what_is_not_decided_is_proven_too() {
    let world = World::new(plain).await;
    let list = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"a":1,{META}}}}}"#);
    let ping = || world.modern("ping", None, list.clone());
    let wrong = prove(&world, "POST", "s/mcp:ping", "{}", 1);
    assert_eq!(told(with(ping(), &wrong)).await.0, 401);
    let right = prove(&world, "POST", "s/mcp:ping", r#"{"a":1}"#, 2);
    assert_eq!(told(with(ping(), &right)).await.0, 200);
    assert_eq!(told(with(ping(), &right)).await.0, 401);
    let params: serde_json::Value = serde_json::from_str(INITIALIZE).unwrap();
    let params = params["params"].to_string();
    let opening = prove(&world, "POST", "s/mcp:initialize", &params, 3);
    let answer = with(world.post(INITIALIZE), &opening).send().await.unwrap();
    let session = answer.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let end = |shown: &Presentation| {
        let request = client().delete(world.url()).header("mcp-session-id", &session);
        with(request, shown).send()
    };
    for (method, tool) in [("DELETE", "s/mcp:session/listen"), ("GET", "s/mcp:session/end")] {
        let shown = prove(&world, method, tool, "{}", 4);
        assert_eq!(end(&shown).await.unwrap().status(), 401, "{method} {tool}");
    }
    let shown = prove(&world, "DELETE", "s/mcp:session/end", "{}", 5);
    assert_eq!(end(&shown).await.unwrap().status(), 200);
}
