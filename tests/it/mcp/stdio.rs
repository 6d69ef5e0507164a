//! Servers that are child processes: told apart, bounded, and ended.

use std::time::{Duration, Instant};

use hardtack::gateway::{McpUpstream, StdioOptions, StdioServer};
use hardtack::verify::DangerUnrevoked;
use http::StatusCode;
use serde_json::{Value, json};

use super::upstream::Upstream;
use super::world::{ALL, INITIALIZE, META, Settings, World, token, told};
use crate::support_guard::client;

/// A server in the shell: keeps every line that reached it, and does what the name of a tool says.
const SERVER: &str = r#"
number() { rest=${line#*\"id\":}; id=${rest%%,*}; }
say() { printf '%s\n' "$1"; }
answer() { say '{"jsonrpc":"2.0","id":'"$id"',"result":'"$1"'}'; }
while IFS= read -r line; do
  printf '%s\n' "$line" >> "$LOG"
  number
  case "$line" in
    *'"name":"crash"'*) exit 3 ;;
    *'"name":"silent"'*) ;;
    *'"name":"garbage"'*) say 'not JSON'; say '[]'; say '{"a":1,"a":2}'; say '{"id":1e5,"result":{}}'; say ''; answer '{"ok":true}' ;;
    *'"name":"long"'*) head -c 300000 /dev/zero | tr '\0' 'x'; say '' ;;
    *'"name":"flood"'*) i=0; while [ $i -lt 20000 ]; do say '{"jsonrpc":"2.0","method":"notifications/message","params":{"n":'$i'}}'; i=$((i+1)); done; answer '{"ok":true}' ;;
    *'"name":"progress"'*)
      say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'"$id"',"progress":1}}'
      say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":99,"progress":2}}'
      answer '{"ok":true}' ;;
    *'"name":"env"'*) answer '{"env":"'"$(env | cut -d= -f1 | sort | tr '\n' ' ')"'"}' ;;
    *'"name":"leak"'*) answer '{"key":"'"$KEY"'"}' ;;
    *'"name":"tells"'*)
      say '{"jsonrpc":"2.0","method":"notifications/message","params":{"key":"'"$KEY"'"}}'
      say '{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{"key":"'"$KEY"'"}}'
      say '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
      answer '{"ok":true}' ;;
    *'"name":"unnamed"'*) say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}'; answer '{"ok":true}' ;;
    *'"name":"pauses"'*) say '{"jsonrpc":"2.0","method":"notifications/message","params":{}}' ;;
    *'"name":"stuck"'*) sleep 1000 ;;
    *'"name":"ask"'*) say '{"jsonrpc":"2.0","id":0,"method":"sampling/createMessage"}'; say '{"jsonrpc":"2.0","id":"r","method":"roots/list"}'; asking=$id ;;
    *'"id":0,"result"'*) id=$asking; answer '{"asked":true}' ;;
    *'"id":0,"error"'*) id=$asking; answer '{"refused":true}' ;;
    *'"method":"tools/list"'*) [ -n "$BEFORE" ] && say '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'; answer '{"tools":[{"name":"x"},{"name":"y"}]}' ;;
    *'"method":"subscriptions/listen"'*) say '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":'"$id"'}}}' ;;
    *'"method":"server/discover"'*|*'"method":"nonsense"'*) say '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"Method not found"}}' ;;
    *'"method":"initialize"'*) [ -n "$REFUSES" ] && say '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32000,"message":"no"}}' || answer '{"pid":'$$'}' ;;
    *'"id":'*) answer '{"pid":'$$'}' ;;
  esac
done
"#;

pub(super) struct Stdio {
    pub(super) world: World,
    pub(super) server: StdioServer,
    pub(super) log: tempfile::NamedTempFile,
}

impl Stdio {
    pub(super) async fn new() -> Self {
        Self::with(Settings::default(), |_| {}).await
    }

    pub(super) async fn with(settings: Settings, change: impl FnOnce(&mut StdioOptions)) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let command = ["sh", "-c", SERVER].map(str::to_owned).to_vec();
        let mut options = StdioOptions::new(command);
        let env = format!(r#"{{"LOG":"{}"}}"#, log.path().display());
        options.env = serde_json::from_str(&env).unwrap();
        options.line_bytes_max = 100_000;
        options.roots.clone_from(&settings.roots);
        change(&mut options);
        let server = StdioServer::new("s", options);
        let world = World::behind(
            settings,
            DangerUnrevoked,
            Upstream::start(super::upstream::plain).await,
            McpUpstream::Stdio(server.clone()),
        )
        .await;
        Self { world, server, log }
    }

    pub(super) fn arrived(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub(super) fn modern(&self, name: &str, id: &str, extra: &str) -> reqwest::RequestBuilder {
        let meta = META.replace("}}", &format!("}}{extra}}}"));
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}",{meta}}}}}"#
        );
        self.world.modern("tools/call", Some(name), body)
    }

    pub(super) fn legacy(&self, session: &str, text: &str) -> reqwest::RequestBuilder {
        self.world.post(text.to_owned()).header("mcp-session-id", session)
    }

    /// Waits until so many children are left.
    pub(super) async fn children(&self, count: usize) {
        let began = Instant::now();
        while self.server.children() != count {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", self.server.children());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The messages of an answer, whether a stream or not.
pub(super) async fn messages(request: reqwest::RequestBuilder) -> Vec<Value> {
    let text = request.send().await.unwrap().text().await.unwrap();
    match text.starts_with('{') {
        true => vec![serde_json::from_str(&text).unwrap()],
        false => {
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            data.map(|data| serde_json::from_str(data).unwrap()).collect()
        }
    }
}

pub(super) fn call(name: &str, id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}"}}}}"#)
}

#[tokio::test]
async fn a_task_has_one_child_and_identifiers_are_the_callers() {
    let stdio = Stdio::new().await;
    let (status, one) = told(stdio.modern("x", r#""a\u0062""#, "")).await;
    assert_eq!((status, &one["id"]), (200, &json!("ab")));
    let (_, two) = told(stdio.modern("x", "7", "")).await;
    assert_eq!((&two["id"], &two["result"]), (&json!(7), &one["result"]));
    let other = Stdio { world: stdio.world.holding(ALL), ..stdio };
    let foreign = token(ALL, 2).to_text();
    let mut request = other.modern("x", "7", "").build().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {foreign}").parse().unwrap());
    let third: Value = client().execute(request).await.unwrap().json().await.unwrap();
    assert_ne!(third["result"], one["result"]);
    assert_eq!(other.server.children(), 2);
    let arrived = other.arrived();
    assert_eq!(
        arrived[0],
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x",{META}}}}}"#
        )
    );
    assert!(arrived[1].contains(r#""id":2,"#) && arrived[2].contains(r#""id":1,"#));
}

#[tokio::test]
async fn progress_finds_the_one_who_asked() {
    let stdio = Stdio::new().await;
    let told = messages(stdio.modern("progress", "\"q\"", r#","progressToken":"mine""#)).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["params"], json!({"progressToken": "mine", "progress": 1}));
    assert_eq!((&told[1]["id"], &told[1]["result"]["ok"]), (&json!("q"), &json!(true)));
    assert!(stdio.arrived()[0].contains(r#""progressToken":1"#));
    let told = messages(stdio.modern("progress", "1", "")).await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn nothing_arrives_that_was_not_decided() {
    let stdio = Stdio::new().await;
    let world = stdio.world.holding(r#"[{"tool":"s/x"}]"#);
    let stdio = Stdio { world, ..stdio };
    assert_eq!(told(stdio.modern("y", "1", "")).await.0, 403);
    assert_eq!(stdio.server.children(), 0);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    let (_, list) = told(stdio.world.modern("tools/list", None, body)).await;
    let want = json!({"ttlMs": 0, "cacheScope": "private", "tools": [{"name": "x"}]});
    assert_eq!(list["result"], want);
    assert_eq!(stdio.arrived().len(), 1);
    assert!(stdio.world.records().iter().all(|record| !record.decision.is_allow()));
}

#[tokio::test]
async fn what_a_child_says_wrongly_is_passed_over() {
    let stdio = Stdio::new().await;
    let (_, answer) = told(stdio.modern("garbage", "1", "")).await;
    assert_eq!(answer["result"]["ok"], true);
    let (status, _) = told(stdio.modern("x", "1", "")).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_flood_is_waited_with_and_ends() {
    let stdio = Stdio::new().await;
    let told = messages(stdio.modern("flood", "1", "")).await;
    assert_eq!(told.len(), 20_001);
    assert_eq!(told.last().unwrap()["id"], 1);
    // Where nobody takes it, it is passed over.
    let both = tokio::join!(
        messages(stdio.modern("flood", "1", "")),
        messages(stdio.modern("x", "2", "")),
    );
    assert_eq!(
        (both.0.last().unwrap()["id"].as_i64(), both.1.last().unwrap()["id"].as_i64()),
        (Some(1), Some(2))
    );
}

#[tokio::test]
async fn a_child_that_ends_is_told_of_and_started_again() {
    let stdio = Stdio::new().await;
    let (_, first) = told(stdio.modern("x", "1", "")).await;
    for name in ["crash", "long"] {
        let silent = tokio::spawn(messages(stdio.modern("silent", "2", "")));
        while !stdio.arrived().iter().any(|line| line.contains("silent")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for answer in [messages(stdio.modern(name, "3", "")).await, silent.await.unwrap()] {
            let answer = answer.last().unwrap().clone();
            assert_eq!(answer["error"]["code"], -32603, "{name} {answer}");
            assert!(answer["id"].is_i64());
        }
        std::fs::write(stdio.log.path(), "").unwrap();
        let (status, again) = told(stdio.modern("x", "1", "")).await;
        assert_eq!(status, 200);
        assert_ne!(again["result"]["pid"], first["result"]["pid"]);
    }
}

#[tokio::test]
async fn a_server_that_never_starts_is_not_started_all_the_time() {
    let stdio = Stdio::with(Settings::default(), |options| {
        options.command = ["sh", "-c", "exit 1"].map(str::to_owned).to_vec();
    })
    .await;
    let began = Instant::now();
    let mut told_of = 0;
    while told_of == 0 {
        let (status, answer) = told(stdio.modern("x", "1", "")).await;
        assert!(status == 503 || answer["error"]["code"] == -32603, "{answer}");
        let text = answer.to_string();
        told_of += usize::from(text.contains("ends as soon as it is started"));
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    let gone = Stdio::with(Settings::default(), |options| {
        options.command = vec!["/no/such/program".to_owned()];
    })
    .await;
    let (status, answer) = told(gone.modern("x", "1", "")).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!(7503)));
    assert_eq!(gone.server.children(), 0);
}

#[tokio::test]
async fn a_child_that_does_not_read_holds_nobody_for_ever() {
    let stdio = Stdio::with(Settings::default(), |options| {
        options.answer_timeout = Duration::from_millis(200);
    })
    .await;
    for _ in 0..3 {
        let (status, answer) = told(stdio.modern("stuck", "1", "")).await;
        assert_eq!((status, &answer["error"]["code"]), (504, &json!(7504)));
    }
    assert_eq!(stdio.arrived().len(), 1);
}

#[tokio::test]
async fn a_child_has_little_of_the_gateways_environment() {
    let stdio = Stdio::with(Settings::default(), |options| {
        let extra: std::collections::BTreeMap<String, _> =
            serde_json::from_str(r#"{"KEY":{"env":"CARGO_PKG_NAME"}}"#).unwrap();
        options.env.extend(extra);
    })
    .await;
    let (_, answer) = told(stdio.modern("env", "1", "")).await;
    let names: Vec<_> = answer["result"]["env"].as_str().unwrap().split(' ').collect();
    let known = ["", "HOME", "KEY", "LOG", "OLDPWD", "PATH", "PWD", "SHLVL", "_"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert!(names.contains(&"KEY") && names.contains(&"PATH"));
    // A secret that a child was given does not come back.
    let (_, answer) = told(stdio.modern("leak", "1", "")).await;
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
}

#[tokio::test]
async fn a_caller_that_goes_away_cancels_its_call() {
    let stdio = Stdio::new().await;
    let call = stdio.modern("silent", "\"mine\"", "").timeout(Duration::from_millis(300)).send();
    assert!(call.await.is_err());
    let began = Instant::now();
    loop {
        let last = stdio.arrived().last().cloned().unwrap();
        if last.contains("notifications/cancelled") {
            assert!(last.contains(r#""requestId":1"#), "{last}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{last}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn subscriptions_know_themselves_by_the_callers_identifier() {
    let stdio = Stdio::new().await;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"sub","method":"subscriptions/listen","params":{{{META}}}}}"#
    );
    let request = stdio.world.modern("subscriptions/listen", None, body);
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let first = String::from_utf8(answer.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.contains(r#""io.modelcontextprotocol/subscriptionId":"sub""#), "{first}");
}

#[tokio::test]
async fn errors_have_the_status_that_callers_look_for() {
    let stdio = Stdio::new().await;
    let send = |method: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}}}}}"#);
        told(stdio.world.modern(method, None, body))
    };
    for (method, status) in [("server/discover", 400), ("nonsense", 404), ("ping", 200)] {
        assert_eq!(send(method).await.0, status, "{method}");
    }
}

#[tokio::test]
async fn each_session_has_a_child_that_ends_with_it() {
    let settings = Settings { roots: vec!["file:///data".to_owned()], ..Settings::default() };
    let stdio = Stdio::with(settings, |_| {}).await;
    let (one, two) = (stdio.world.session().await, stdio.world.session().await);
    assert_eq!(stdio.server.children(), 2);
    let pid = |session: &str| told(stdio.legacy(session, &call("x", "4")));
    let (first, second) = (pid(&one).await.1, pid(&two).await.1);
    assert_ne!(first["result"]["pid"], second["result"]["pid"]);
    assert_eq!(first["id"], 4);
    // What the server asks comes on the stream of the call, and is answered once.
    let asking = tokio::spawn(messages(stdio.legacy(&one, &call("ask", "5"))));
    let answer = |session: &str, id: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"roots":[]}}}}"#);
        told(stdio.legacy(session, &text))
    };
    let began = Instant::now();
    while answer(&one, "0").await.0 != 202 {
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(answer(&two, "0").await.0, 400);
    let told_of = asking.await.unwrap();
    assert_eq!(
        (&told_of[0]["method"], &told_of[1]["id"]),
        (&json!("sampling/createMessage"), &json!(5))
    );
    assert_eq!(told_of.len(), 2);
    let roots = r#"{"id":"r","jsonrpc":"2.0","result":{"roots":[{"uri":"file:///data"}]}}"#;
    let same = |line: &String| {
        serde_json::from_str::<Value>(line).unwrap()
            == serde_json::from_str::<Value>(roots).unwrap()
    };
    assert!(stdio.arrived().iter().any(same), "{:?}", stdio.arrived());
    assert!(stdio.arrived()[0].contains(r#""roots":{},"sampling""#));
    // Ended by its caller, and by itself.
    let end = client().delete(stdio.world.url()).bearer_auth(&stdio.world.bearer);
    assert_eq!(end.header("mcp-session-id", &one).send().await.unwrap().status(), 200);
    stdio.children(1).await;
    let crashed = messages(stdio.legacy(&two, &call("crash", "6"))).await;
    assert_eq!(crashed[0]["error"]["code"], -32603);
    stdio.children(0).await;
    assert_eq!(pid(&two).await.0, StatusCode::NOT_FOUND.as_u16());
    assert_eq!(told(stdio.world.post(INITIALIZE)).await.0, 200);
}

#[tokio::test]
async fn who_listens_hears_what_was_said_before() {
    let stdio = Stdio::new().await;
    let session = stdio.world.session().await;
    let listen = || {
        let request = client().get(stdio.world.url()).bearer_auth(&stdio.world.bearer);
        request.header("accept", "text/event-stream").header("mcp-session-id", &session).send()
    };
    let mut first = listen().await.unwrap();
    assert_eq!(first.chunk().await.unwrap().unwrap(), ": \n\n");
    let mut second = listen().await.unwrap();
    assert_eq!(second.chunk().await.unwrap().unwrap(), ": \n\n");
    // The newer one took the place of the older.
    assert_eq!(first.chunk().await.unwrap(), None);
    let asking = tokio::spawn(messages(stdio.legacy(&session, &call("ask", "5"))));
    let heard = String::from_utf8(second.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(heard.contains("sampling/createMessage"), "{heard}");
    let text = r#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
    assert_eq!(told(stdio.legacy(&session, text)).await.0, 202);
    assert_eq!(asking.await.unwrap().len(), 1);
}

#[tokio::test]
async fn children_are_bounded_and_idle_ones_end() {
    let stdio = Stdio::with(Settings::default(), |options| {
        options.children_max = 1;
        options.idle = Duration::from_millis(200);
    })
    .await;
    assert_eq!(told(stdio.modern("x", "1", "")).await.0, 200);
    assert_eq!(told(stdio.world.post(INITIALIZE)).await.0, 503);
    stdio.children(0).await;
    assert_eq!(told(stdio.world.post(INITIALIZE)).await.0, 200);
}

#[cfg(target_os = "linux")]
/// A grandchild does not outlive its server, whatever it does with its input.
#[tokio::test]
async fn the_whole_group_of_a_child_ends() {
    let stdio = Stdio::new().await;
    let session = stdio.world.session().await;
    let (_, answer) = told(stdio.legacy(&session, &call("x", "1"))).await;
    let pid = answer["result"]["pid"].as_i64().unwrap();
    let stuck = stdio.legacy(&session, &call("stuck", "2")).timeout(Duration::from_millis(300));
    assert!(stuck.send().await.is_err());
    let group = || {
        let all = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
        let of_group = |stat: &String| {
            let (_, rest) = stat.rsplit_once(')').unwrap();
            let fields: Vec<_> = rest.split_whitespace().collect();
            fields[2] == pid.to_string() && fields[0] != "Z"
        };
        all.filter(of_group).count()
    };
    assert_eq!(group(), 2);
    let end = client().delete(stdio.world.url()).bearer_auth(&stdio.world.bearer);
    assert_eq!(end.header("mcp-session-id", &session).send().await.unwrap().status(), 200);
    stdio.children(0).await;
    assert_eq!(group(), 0);
}
