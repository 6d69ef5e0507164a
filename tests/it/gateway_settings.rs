//! What the settings of a gateway say holds: bounds, credentials, records, proofs, ages, hosts.

use std::sync::Arc;
use std::time::Duration;

use hardtack::config::SystemClock;
use hardtack::config::gateway::{GatewaySettings, Listen};
use hardtack::gateway::doors;
use hardtack::gateway::service::{Gateway, explain};
use hardtack::guard::{Circumstances, ToolCall};
use hardtack::keys::HolderKey;
use hardtack::mint::{self, Task};
use hardtack::model::{Args, Clock, Key16, Timestamp};
use hardtack::present::{Credentials, ProofCall, present};
use hardtack::record::MemorySink;
use hardtack::verify::RevocationView;
use hardtack::vocabulary::grant::grants_from_json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway_service::{ALL, Fresh, World, bearer, full, server};
use crate::raw_http::{RawServer, Step, header, ok, send};
use crate::support::rng;
use crate::support_guard::{client, get, root, serve};

const EVERYTHING: &str = r#"[{"tool":"a/*"},{"tool":"m/*"}]"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;

fn mcp(url: &str) -> String {
    format!("[[server]]\nname = \"m\"\nkind = \"mcp-http\"\nurl = \"{url}\"\n")
}

fn posting(url: &str) -> String {
    server("a", url).replace("GET", "POST")
}

impl World {
    fn modern(&self, bearer: &str, body: String) -> reqwest::RequestBuilder {
        let request = client().post(format!("http://{}/mcp/m", self.address)).body(body);
        let request = request.header("authorization", bearer).header("accept", "*/*");
        let request = request.header("content-type", "application/json");
        let request = request.header("mcp-protocol-version", "2026-07-28");
        request.header("mcp-method", "tools/call").header("mcp-name", "x")
    }
}

async fn answered(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn bodies_are_as_long_and_take_as_long_as_settings_say() {
    let upstream = RawServer::answering(ok("{}")).await;
    let listen = "[listen]\nbody_bytes_max = 1024\nbody_timeout_secs = 1\n";
    let settings = format!("{listen}{}{}", posting(&upstream.base), mcp(&upstream.base));
    let (world, bearer) = (World::new(&settings, Listen::default()).await, bearer(EVERYTHING, 1));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(1024));
    let request = client().post(format!("http://{}/a/1", world.address)).body(long.clone());
    let request = request.header("authorization", &bearer);
    let request = request.header("content-type", "application/json");
    assert_eq!(answered(request).await.0, 413);
    let message = CALL.replace(r#""name":"x","#, &format!(r#""name":"x","arguments":{long},"#));
    assert_eq!(answered(world.modern(&bearer, message)).await.0, 413);
    for path in ["/a/1", "/mcp/m"] {
        let mut slow = TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {bearer}\r\naccept: */*\r\n\
             content-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        let read = tokio::time::timeout(Duration::from_secs(20), slow.read_exact(&mut answer));
        read.await.unwrap().unwrap();
        assert_eq!(answer, b"HTTP/1.1 408", "{path}");
    }
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn messages_in_flight_are_bounded_until_they_were_sent() {
    let note = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    let slow = RawServer::answering(vec![
        send(format!("{head}{note}")),
        Step::Wait(Duration::from_millis(1500)),
        send(note),
    ])
    .await;
    let settings = format!("[limits]\ntask_calls_max = 1\n{}", mcp(&slow.base));
    let (world, bearer) = (World::new(&settings, Listen::default()).await, bearer(EVERYTHING, 1));
    let first = world.modern(&bearer, CALL.to_owned()).send().await.unwrap();
    assert_eq!(first.status(), 200);
    let (_, second) = answered(world.modern(&bearer, CALL.to_owned())).await;
    assert!(second.contains("7429"), "{second}");
    assert_eq!(first.text().await.unwrap().matches("data").count(), 2);
    assert_eq!(answered(world.modern(&bearer, CALL.to_owned())).await.0, 200);
    assert_eq!(slow.asked().len(), 2);
}

#[tokio::test]
async fn a_server_gets_as_many_calls_and_children_at_once_as_settings_say() {
    let slow = RawServer::answering(vec![Step::Wait(Duration::from_secs(20))]).await;
    let settings = format!("{}calls_max = 1\n", mcp(&slow.base));
    let world = World::new(&settings, Listen::default()).await;
    let (one, two) = (bearer(EVERYTHING, 1), bearer(EVERYTHING, 2));
    let first = tokio::spawn(world.modern(&one, CALL.to_owned()).send());
    while slow.asked().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (status, told) = answered(world.modern(&two, CALL.to_owned())).await;
    assert!(status == 503 && told.contains("upstream-busy"), "{status} {told}");
    first.abort();

    let settings = "[[server]]\nname = \"m\"\nkind = \"mcp-stdio\"\nsessions_max = 1\n\
         command = [\"sh\", \"-c\", '''while read -r line; do \
         echo '{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{}}'; done''']\n";
    let world = World::new(settings, Listen::default()).await;
    assert_eq!(answered(world.modern(&one, CALL.to_owned())).await.0, 200);
    assert_eq!(answered(world.modern(&two, CALL.to_owned())).await.0, 503);
}

#[tokio::test]
async fn a_call_goes_up_with_its_tools_own_credential() {
    let upstream = RawServer::answering(ok("{}")).await;
    let dir = tempfile::tempdir().unwrap();
    let secret = |name: &str| {
        std::fs::write(dir.path().join(name), format!("secret-of-the-{name}")).unwrap();
        format!("credential = {{ bearer = {{ file = \"{}/{name}\" }} }}", dir.path().display())
    };
    let route = |tool: &str| {
        format!("[[server.route]]\nmethod = \"GET\"\npath = \"/{tool}\"\ntool = \"{tool}\"\n")
    };
    let settings = format!(
        "[[server]]\nname = \"a\"\nkind = \"http\"\nurl = \"{}\"\n{}\n{}{}[server.tool.own]\n{}\n",
        upstream.base,
        secret("server"),
        route("own"),
        route("other"),
        secret("tool")
    );
    let world = World::new(&settings, Listen::default()).await;
    for (path, expected) in [("/own", "tool"), ("/other", "server")] {
        assert_eq!(world.call(path, &bearer(ALL, 1)).await, 200);
        let shown = header(upstream.asked().last().unwrap(), "authorization");
        assert_eq!(shown, Some(format!("Bearer secret-of-the-{expected}")));
    }
}

#[tokio::test]
async fn records_have_what_settings_say() {
    let upstream = RawServer::answering(ok("{}")).await;
    let a = server("a", &upstream.base);
    let kept =
        |world: &World| world.sink.records().pop().unwrap().args.map(|args| args.to_string());
    let plain = World::new(&a, Listen::default()).await;
    assert_eq!(plain.call("/a/1", &bearer(ALL, 1)).await, 200);
    assert_eq!(kept(&plain), None);
    // Of a long path, the beginning.
    assert_eq!(plain.call(&format!("/a/{}", "x".repeat(3000)), &bearer(ALL, 1)).await, 200);
    assert_eq!(plain.sink.records().pop().unwrap().path.unwrap().len(), 1024);
    // Why a call was refused, without what it must not say.
    let other = r#"[{"tool":"a/get","args":{"id":{"any":true},"password":{"eq":"other"}}}]"#;
    assert_eq!(plain.call("/a/1?password=hunter22", &bearer(other, 1)).await, 403);
    let refused = serde_json::to_string(&plain.sink.records().pop().unwrap()).unwrap();
    assert!(refused.contains("password") && !refused.contains("hunter22"), "{refused}");
    let settings = format!("[records]\narguments = true\nredact = [\"note\"]\n{a}");
    let world = World::new(&settings, Listen::default()).await;
    assert_eq!(world.call("/a/1?note=hidden&n=seen", &bearer(ALL, 1)).await, 200);
    let args = kept(&world).unwrap();
    assert!(args.contains("seen") && !args.contains("hidden"), "{args}");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    std::fs::write(&path, full(&format!("[records]\nfile = \"records.jsonl\"\n{a}"))).unwrap();
    let otherwise = Arc::<MemorySink>::default();
    let gateway = Gateway::open(&path, otherwise.clone()).unwrap();
    gateway.guard().publish(Fresh);
    let base = serve(gateway.router()).await;
    let sent = client().get(format!("{base}/a/1")).header("authorization", bearer(ALL, 1));
    assert_eq!(sent.send().await.unwrap().status(), 200);
    let lines = std::fs::read_to_string(dir.path().join("records.jsonl")).unwrap();
    assert!(lines.contains("\"a/get\"") && otherwise.records().is_empty(), "{lines}");
}

#[tokio::test]
async fn a_proof_is_for_the_public_address_and_has_a_nonce_where_settings_say() {
    let upstream = RawServer::answering(ok("{}")).await;
    let a = server("a", &upstream.base);
    let holder = HolderKey::generate(&mut rng(7));
    let task = Task {
        holder: Some(holder.public()),
        ..Task::new(grants_from_json(ALL.as_bytes()).unwrap(), None)
    };
    let token = mint::mint(&task, &root(), SystemClock.now(), &mut rng(1)).unwrap().token;
    let ask = async |world: &World, base: &str, seed: u64| {
        let args = Args::parse(r#"{"id":"1"}"#, Default::default()).unwrap();
        let (uri, tool) = (format!("{base}/a/1").parse().unwrap(), "a/get".parse().unwrap());
        let call = ProofCall { method: "GET", uri: &uri, tool: &tool, args: &args, nonce: None };
        let shown = present(&token, &holder, &call, SystemClock.now(), &mut rng(seed)).unwrap();
        let request = client().get(format!("http://{}/a/1", world.address));
        let request = request.header("authorization", shown.authorization());
        request.header("dpop", shown.dpop()).send().await.unwrap()
    };
    let public = "https://gateway.example";
    let settings = format!("public_uri = \"{public}\"\n{a}");
    let world = World::new(&settings, Listen::default()).await;
    let here = format!("http://{}", world.address);
    assert_eq!(ask(&world, &here, 2).await.status(), 401);
    assert_eq!(ask(&world, public, 3).await.status(), 200);
    let world = World::new(&format!("{a}[proofs]\nnonces = true\n"), Listen::default()).await;
    let answer = ask(&world, &format!("http://{}", world.address), 4).await;
    assert_eq!(answer.status(), 401);
    assert!(answer.headers().contains_key("dpop-nonce"));
}

/// A view of five seconds ago.
struct Aged;

impl RevocationView for Aged {
    fn age_millis(&self, _: Timestamp) -> Option<u64> {
        Some(5000)
    }

    fn is_revoked(&self, _: &Key16) -> bool {
        false
    }
}

#[tokio::test]
async fn a_view_is_as_old_as_settings_allow_for_a_label() {
    let upstream = RawServer::answering(ok("{}")).await;
    let a = server("a", &upstream.base).replacen("kind", "labels = [\"write\"]\nkind", 1);
    for (ages, status) in [("{ read = 1000 }", 200), ("{ write = 1000 }", 503)] {
        let settings = full(&a) + &format!("age_millis_max = {ages}\n");
        let settings = GatewaySettings::from_toml(&settings).unwrap();
        let sink = Arc::<MemorySink>::default();
        let gateway = Gateway::of(settings, sink, std::path::Path::new(""), true).unwrap();
        gateway.guard().publish(Aged);
        let base = serve(gateway.router()).await;
        let sent = client().get(format!("{base}/a/1")).header("authorization", bearer(ALL, 1));
        assert_eq!(sent.send().await.unwrap().status(), status, "{ages}");
    }
}

#[tokio::test]
async fn beyond_loopback_a_gateway_is_called_what_settings_say() {
    let listen = "[listen]\naddress = \"0.0.0.0:8080\"\nhosts = [\"gateway.example\"]\n";
    let settings = format!("{listen}{}", mcp("http://127.0.0.1:1"));
    let (world, bearer) = (World::new(&settings, Listen::default()).await, bearer(EVERYTHING, 1));
    for (host, expected) in [("localhost", 421), ("127.0.0.1", 421), ("gateway.example", 502)] {
        let request = world.modern(&bearer, CALL.to_owned()).header("host", host);
        assert_eq!(answered(request).await.0, expected, "{host}");
    }
}

#[tokio::test]
async fn what_another_proxy_sends_up_is_asked_about_and_not_served() {
    let upstream = RawServer::answering(ok("{}")).await;
    let a = server("a", &upstream.base);
    let b = server("b", "").replace("\"http\"", "\"external\"").replace("url = \"\"\n", "");
    let (world, bearer) = (World::new(&format!("{a}{b}"), Listen::default()).await, bearer(ALL, 1));
    let doors = serve(doors::router(world.gateway.clone())).await;
    let ask = async |path: &str| {
        let request = client().get(format!("{doors}/forward-auth"));
        let request = request.header("x-forwarded-method", "GET").header("x-forwarded-uri", path);
        request.header("authorization", &bearer).send().await.unwrap().status().as_u16()
    };
    assert_eq!((world.call("/a/1", &bearer).await, world.call("/b/1", &bearer).await), (200, 404));
    assert_eq!((ask("/a/1").await, ask("/b/1").await), (404, 200));
}

#[test]
fn what_is_explained_is_held_to_the_kinds_of_arguments() {
    let a = server("a", "http://127.0.0.1:1");
    let settings = full(&format!("{a}[server.tool.get]\narguments = {{ id = \"path\" }}\n"));
    let settings = GatewaySettings::from_toml(&settings).unwrap();
    let token = bearer(ALL, 1).replace("Bearer ", "");
    for (id, allowed) in [("a", true), ("~", false)] {
        let args = Args::parse(format!(r#"{{"id":"{id}"}}"#), Default::default()).unwrap();
        let tool = "a/get".parse().unwrap();
        let told = explain(&settings, &token, tool, args, SystemClock.now()).unwrap();
        assert_eq!(told.decision.is_allow(), allowed, "{id}");
    }
}

#[tokio::test]
async fn lists_know_the_labels_that_settings_give() {
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"x"},{"name":"y"}]}}"#;
    let length = list.len();
    let head = format!("content-type: application/json\r\ncontent-length: {length}");
    let answer = send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{list}"));
    let upstream = RawServer::answering(vec![answer]).await;
    let labels = "[server.tool.y]\nlabels = [\"destructive\"]\n";
    let policy = "[policy]\nfiles = [\"own.datalog\"]\n";
    let world = World::new(&mcp(&upstream.base), Listen::default()).await;
    world.write(&format!("{}{labels}{policy}", mcp(&upstream.base)));
    let own = "deny if label(\"destructive\");\nallow if true;";
    std::fs::write(world.dir.path().join("own.datalog"), own).unwrap();
    world.gateway.reload().await.unwrap();
    let asked = CALL.replace("tools/call", "tools/list").replace(r#""name":"x","#, "");
    let mut request = world.modern(&bearer(EVERYTHING, 1), asked).build().unwrap();
    request.headers_mut().remove("mcp-name");
    request.headers_mut().insert("mcp-method", "tools/list".parse().unwrap());
    let told = client().execute(request).await.unwrap().text().await.unwrap();
    assert!(told.contains(r#"[{"name":"x"}]"#), "{told}");
}

#[tokio::test]
async fn heads_and_connections_are_bounded() {
    let upstream = RawServer::answering(ok("yes")).await;
    let listen = Listen { connections_max: 1, ..Listen::default() };
    let world = World::new(&server("a", &upstream.base), listen).await;
    let bearer = bearer(ALL, 1);
    let mut long = TcpStream::connect(world.address).await.unwrap();
    let head = format!("GET /a/1 HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "x".repeat(200_000));
    long.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    long.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 431");
    drop(long);
    // One connection that is kept: the next one waits for its turn.
    let mut first = TcpStream::connect(world.address).await.unwrap();
    let request = format!("GET /a/1 HTTP/1.1\r\nhost: x\r\nauthorization: {bearer}\r\n\r\n");
    first.write_all(request.as_bytes()).await.unwrap();
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    let mut second = TcpStream::connect(world.address).await.unwrap();
    second.write_all(request.as_bytes()).await.unwrap();
    let waiting = second.read_exact(&mut answer);
    assert!(tokio::time::timeout(Duration::from_millis(500), waiting).await.is_err());
    assert_eq!(upstream.asked().len(), 1);
    drop(first);
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn counters_name_so_many_tools_and_no_more() {
    let world = World::new(&server("a", "http://127.0.0.1:1"), Listen::default()).await;
    let (bearer, (parts, ())) = (bearer(ALL, 1), http::Request::new(()).into_parts());
    for n in 0..2001 {
        let shown = Credentials::from_headers([bearer.as_bytes()], []);
        let admitted = world.gateway.guard().admit(shown, &parts).await.unwrap();
        let call = ToolCall { tool: format!("a/t{n}").parse().unwrap(), args: Args::none() };
        admitted.judge(call, Circumstances::default()).await.unwrap();
    }
    let operations = serve(world.gateway.operations()).await;
    let metrics = get(&format!("{operations}/metrics")).await.1;
    let named = |tool: &str| metrics.matches(&format!("tool=\"a/{tool}")).count();
    assert_eq!((named("t"), named("?")), (2000, 1));
}
