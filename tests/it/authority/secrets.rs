//! Law 8: secrets never appear. Everything is logged at its most talkative and searched.

use std::io::Write;
use std::sync::{Arc, Mutex};

use hardtack::keys::RootKey;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn law_8_no_secret_is_logged_or_stored() {
    let log = Log::default();
    let filter = tracing::level_filters::LevelFilter::TRACE;
    tracing_subscriber::fmt().with_max_level(filter).with_writer(log.clone()).init();
    let served = Served::start().await;
    let (key, id) = served.client("worker", json!({})).await;
    let issued = served.task(&key).await;
    let token = issued["token"].as_str().unwrap().to_owned();
    served.post("", "/v1/revocations", &json!({"token": token})).await;
    // Where a secret is sent to the wrong place.
    served.get(&key, &format!("/v1/tasks/{token}?state={token}")).await;
    served.get(&token, "/v1/tasks").await;
    served.post(&key, "/v1/tasks", &json!({"grants": token, (token.clone()): key})).await;
    served
        .post(&key, &format!("/v1/tasks/{}/complete", issued["task"].as_str().unwrap()), &json!({}))
        .await;
    served.get("", "/v1/revocations/head").await;
    served.get("", "/v1/revocations/keys").await;

    let dir = served.dir.path().join("data");
    let root: RootKey = std::fs::read_to_string(dir.join("root.key")).unwrap().parse().unwrap();
    let root = root.to_secret_text();
    let part = |key: &str| key.get(key.len() - 43..).unwrap().to_owned();
    let secrets = [
        token[..64].to_owned(),
        token[token.len() - 40..].to_owned(),
        part(&key),
        part(&served.admin),
        root.split_once('/').unwrap().1.to_owned(),
    ];
    let mut logged = log.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&logged).contains("TRACE"));
    assert!(String::from_utf8_lossy(&logged).contains("/v1/tasks/{id}/complete"));
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("root.key") {
            logged.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(logged.windows(id.len()).any(|window| window == id.as_bytes()));
    for secret in secrets {
        let found = logged.windows(secret.len()).position(|window| window == secret.as_bytes());
        let near = found.map(|at| String::from_utf8_lossy(&logged[at.saturating_sub(200)..at]));
        assert_eq!(near, None);
    }
}
