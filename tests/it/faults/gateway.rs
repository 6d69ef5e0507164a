//! A gateway as a process of its own: this very program, started for nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use hardtack::gateway::{Authority, RevocationSync, SyncOptions};
use hardtack::guard::{Freshness, Guard, ToolMap};
use hardtack::keys::{TrustedRoots, VerifyingKey};
use hardtack::record::WriterSink;
use serde_json::Value;

use super::BOUNDS;
use super::process::GATEWAY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that other tests start"]
async fn process() {
    let Ok(told) = std::env::var(GATEWAY) else { return };
    let told: Value = serde_json::from_str(&told).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let roots = TrustedRoots::one(text(&told["root"]).parse::<VerifyingKey>().unwrap());
    let mut tools = ToolMap::new();
    let mut freshness = Freshness::default();
    for (tool, bound) in BOUNDS {
        tools = tools.route("POST", &format!("/{tool}"), &format!("t/{tool}")).unwrap();
        freshness = freshness.label(tool, Duration::from_secs(bound));
    }
    let mut guard = Guard::builder("gw").roots(roots.clone()).tools(tools).freshness(freshness);
    for (tool, _) in BOUNDS {
        guard = guard.labels(&format!("t/{tool}"), [tool]).unwrap();
    }
    let guard = guard.sink(Arc::new(WriterSink::new(std::io::sink()))).build().unwrap();
    let sources = told["sources"].as_array().unwrap().iter();
    let sources =
        sources.map(|url| Authority::new(&text(url), Duration::from_secs(2)).unwrap()).collect();
    let options =
        SyncOptions { file: Some(PathBuf::from(text(&told["state"]))), ..Default::default() };
    let sync = RevocationSync::start(sources, roots, options);
    guard.publish(sync.view());
    let mut app = Router::new();
    for (tool, _) in BOUNDS {
        app = app.route(&format!("/{tool}"), post(|| async { "done" }));
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!("listening on http://{}", listener.local_addr().unwrap());
    axum::serve(listener, app.layer(guard)).await.unwrap();
}
