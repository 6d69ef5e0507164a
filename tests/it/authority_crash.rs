//! What was acknowledged survives the process being killed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use serde_json::{Value, json};

use crate::feed_reader::Reader;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hardtack");
const WRITERS: usize = 4;

/// A process that is killed at the end, whatever happens.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(dir: &Path) -> (Killed, String) {
    let mut child = Command::new(PROGRAM)
        .args(["serve".as_ref(), dir.as_os_str(), "--listen".as_ref(), "127.0.0.1:0".as_ref()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| {
        line.unwrap().split_once("listening on ").map(|(_, url)| url.trim().to_owned())
    });
    (Killed(child), line.unwrap())
}

/// Makes tasks and completes every other one until the service is gone; what was acknowledged.
async fn write(http: Client, url: String, key: String) -> Vec<(String, bool)> {
    let mut acknowledged = Vec::new();
    loop {
        let body = json!({"grants": [{"tool": "a/b"}], "principal": "p", "audience": ["g"]});
        let request = http.post(format!("{url}/v1/tasks")).bearer_auth(&key).json(&body);
        let Ok(answer) = request.send().await else { return acknowledged };
        let Ok(answer) = answer.json::<Value>().await else { return acknowledged };
        let task = answer["task"].as_str().unwrap().to_owned();
        acknowledged.push((task.clone(), false));
        if acknowledged.len() % 2 == 0 {
            let request = http.post(format!("{url}/v1/tasks/{task}/complete")).bearer_auth(&key);
            let Ok(answer) = request.send().await else { return acknowledged };
            let Ok(answer) = answer.json::<Value>().await else { return acknowledged };
            assert_eq!(answer["state"], "completed");
            acknowledged.last_mut().unwrap().1 = true;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let grants = home.path().join("grants.json");
    std::fs::write(&grants, r#"[{"tool": "a/b"}]"#).unwrap();
    let mut made = Command::new(PROGRAM);
    made.arg("init").arg("--bearer").arg(&dir).arg("--grants").arg(&grants);
    let key = String::from_utf8(made.output().unwrap().stdout).unwrap().trim().to_owned();
    let http = Client::new();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let (process, url) = start(&dir);
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| tokio::spawn(write(http.clone(), url.clone(), key.clone())))
            .collect();
        tokio::time::sleep(std::time::Duration::from_millis(200 + 100 * round)).await;
        drop(process);
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
    }
    assert!(acknowledged.len() > 10, "only {} writes", acknowledged.len());
    let (_process, url) = start(&dir);
    let root = std::fs::read_to_string(dir.join("root.key")).unwrap();
    let root: hardtack::keys::RootKey = root.parse().unwrap();
    let roots = hardtack::keys::TrustedRoots::one(root.public());
    let mut reader = Reader::new(&url, roots).await;
    reader.catch_up().await;
    let revoked = reader.follower.table();
    // Nothing has ended yet, and nothing is in the log twice.
    assert_eq!(reader.seq(), revoked.len() as u64);
    for (task, is_completed) in acknowledged {
        let request = http.get(format!("{url}/v1/tasks/{task}")).bearer_auth(&key);
        let shown: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(shown["task"], task, "{shown}");
        let is_revoked = revoked.contains(&hardtack::model::Key16::of(task.as_bytes()));
        // A completion that was not acknowledged may have happened; never half of it.
        assert_eq!(is_revoked, shown["state"] == "completed", "{shown}");
        assert!(is_revoked || !is_completed, "{shown}");
    }
}
