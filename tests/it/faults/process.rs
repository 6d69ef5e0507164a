//! Processes of their own: an authority, gateways and relays that can be killed.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hardtack::config::SystemClock;
use hardtack::model::Clock;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_hardtack");

/// What the gateway process is told, in the environment.
pub(super) const GATEWAY: &str = "HARDTACK_TEST_GATEWAY";

/// A process that is killed at the end, whatever happens.
pub(super) struct Process {
    child: Child,
    pub(super) url: String,
}

/// How much a process may write to a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    Free,
    Full,
}

impl Process {
    /// Starts a program that says on stderr where it listens.
    fn start(program: &Path, args: &[String], gateway: Option<&Value>, disk: Disk) -> Self {
        // A write beyond the limit fails as on a full disk, and can be allowed again.
        let limit = if disk == Disk::Full { "ulimit -S -f 0; " } else { "" };
        let mut command = Command::new("bash");
        command.arg("-c").arg(format!("trap '' XFSZ; {limit}exec \"$0\" \"$@\"")).arg(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(gateway) = gateway {
            command.env(GATEWAY, gateway.to_string());
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("listening on ").map(|(_, url)| url.trim().to_owned())
        });
        // Nobody may wait because its log is not read.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: url.expect("the process says where it listens") }
    }

    /// A relay of this source.
    pub(super) fn relay(from: &str, listen: &str, root: &str, state: &Path) -> Self {
        let state = state.display().to_string();
        let args = ["relay", "--from", from, "--root", root, "--listen", listen, "--state", &state];
        Self::start(Path::new(PROGRAM), &args.map(str::to_owned), None, Disk::Free)
    }

    /// A gateway that follows these sources, and keeps its view there.
    pub(super) fn gateway(sources: &[String], root: &str, state: &Path, disk: Disk) -> Self {
        let told = json!({"sources": sources, "root": root, "state": state});
        let program = std::env::current_exe().unwrap();
        let args = ["faults::gateway::process", "--exact", "--ignored", "--nocapture"];
        Self::start(&program, &args.map(str::to_owned), Some(&told), disk)
    }

    /// Kills it without a word.
    pub(super) fn kill(mut self) {
        self.end();
    }

    /// The same, of a process that somebody else still talks to.
    pub(super) fn kill_now(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Lets it write to files, or not.
    pub(super) fn disk(&self, disk: Disk) {
        let size = if disk == Disk::Free { "unlimited" } else { "0" };
        let (pid, size) = (self.child.id().to_string(), format!("--fsize={size}:"));
        let status = Command::new("prlimit").args(["--pid", &pid, &size]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// An address on which nobody listens.
pub(super) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// An authority as a process, on one address over all its lives.
pub(super) struct Authority {
    pub(super) process: Option<Process>,
    pub(super) http: Client,
    pub(super) url: String,
    pub(super) root: String,
    key: String,
    home: TempDir,
}

impl Authority {
    pub(super) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let home = tempfile::tempdir().unwrap();
        let grants = home.path().join("grants.json");
        std::fs::write(&grants, r#"[{"tool": "t/*"}]"#).unwrap();
        let mut init = Command::new(PROGRAM);
        init.args(["init", "--bearer"]).arg(home.path().join("data"));
        let made = init.arg("--grants").arg(&grants).output().unwrap();
        assert!(made.status.success());
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let url = format!("http://{}", free_address());
        let http = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let mut authority = Self { process: None, http, url, root: String::new(), key, home };
        authority.serve(Disk::Free);
        let found = authority.http.get(format!("{}/.well-known/hardtack", authority.url));
        let found: Value = found.send().await.unwrap().json().await.unwrap();
        authority.root = found["roots"][0]["key"].as_str().unwrap().to_owned();
        authority
    }

    pub(super) fn serve(&mut self, disk: Disk) {
        let dir = self.home.path().join("data").display().to_string();
        let listen = self.url.trim_start_matches("http://").to_owned();
        let args = ["serve".to_owned(), dir, "--listen".to_owned(), listen];
        self.process = Some(Process::start(Path::new(PROGRAM), &args, None, disk));
    }

    pub(super) fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    async fn post(&self, path: &str, body: &Value) -> reqwest::Result<(StatusCode, Value)> {
        let url = format!("{}{path}", self.url);
        let answer = self.http.post(url).bearer_auth(&self.key).json(body).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// A task for gateway `gw`: its id and its token.
    pub(super) async fn task(&self) -> (String, String) {
        let body = json!({
            "grants": [{"tool": "t/*"}], "principal": "p", "audience": ["gw"], "ttl_secs": 3000,
        });
        let (status, answer) = self.post("/v1/tasks", &body).await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("task"), text("token"))
    }

    /// Whether revoking all that was issued before now was acknowledged.
    pub(super) async fn revoke_all(&self) -> bool {
        let before = json!({"before": SystemClock.now()});
        let revoked = self.post("/v1/revocations", &before).await;
        revoked.is_ok_and(|(status, _)| status == StatusCode::OK)
    }

    /// Whether revoking the task was acknowledged.
    pub(super) async fn revoke(&self, task: &str) -> bool {
        let revoked = self.post("/v1/revocations", &json!({"task": task})).await;
        revoked.is_ok_and(|(status, _)| status == StatusCode::OK)
    }
}

/// What a gateway says of a call with this token: `allowed`, or the code of the refusal.
pub(super) async fn call(gateway: &Process, tool: &str, token: &str) -> String {
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let request =
        client.post(format!("{}/{tool}", gateway.url)).bearer_auth(token).json(&json!({}));
    let answer = request.send().await.unwrap();
    if answer.status() == StatusCode::OK {
        return "allowed".to_owned();
    }
    let problem: Value = answer.json().await.unwrap();
    problem["code"].as_str().unwrap().to_owned()
}
