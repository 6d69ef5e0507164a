//! A real authority, a real gateway, and nginx where there is one.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::origin;
use super::process::Running;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hardtack");
const DEADLINE: Duration = Duration::from_secs(20);

/// Everything that runs.
pub(super) struct World {
    /// What stands behind.
    pub(super) origin: String,
    /// A token that grants all of it.
    pub(super) token: String,
    pub(super) gateway: Running,
    pub(super) nginx: Option<Nginx>,
    address: String,
    _authority: Running,
    _home: tempfile::TempDir,
}

/// nginx as a plain proxy.
pub(super) struct Nginx {
    pub(super) url: String,
    pub(super) running: Running,
}

impl World {
    pub(super) fn start() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let origin = origin::start();
        let data = home.path().join("data");
        said(Command::new(PROGRAM).arg("init").arg(&data));
        let mut serve = Command::new(PROGRAM);
        serve.arg("serve").arg(&data).args(["--listen", "127.0.0.1:0"]);
        let (authority, source) = Running::start(serve, "listening on ");
        let root = said(Command::new(PROGRAM).args(["key", "public"]).arg(data.join("root.key")));
        let address = format!("127.0.0.1:{}", free_port());
        let settings = home.path().join("gateway.toml");
        std::fs::write(&settings, settings_text(&address, &source, root.trim(), &origin))
            .expect("settings");
        let mut gateway = Command::new(PROGRAM);
        gateway.arg("gateway").arg(&settings).stdout(Stdio::null());
        let (gateway, _) = Running::start(gateway, "listening on ");
        let token = token(&data.join("root.key"));
        let nginx = Nginx::start(home.path(), &origin);
        let world =
            Self { origin, token, gateway, nginx, address, _authority: authority, _home: home };
        reachable(&world.address);
        world
    }

    /// Where the gateway serves plain HTTP.
    pub(super) fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the gateway serves MCP.
    pub(super) fn mcp(&self) -> String {
        format!("http://{}/mcp/notes", self.address)
    }
}

impl Nginx {
    fn start(home: &Path, origin: &str) -> Option<Self> {
        let version = Command::new("nginx").arg("-v").stderr(Stdio::piped()).output().ok()?;
        eprintln!("{}", String::from_utf8_lossy(&version.stderr).trim());
        let port = free_port();
        let (path, upstream) = (home.display(), origin.strip_prefix("http://")?);
        let text = format!(
            "daemon off; pid {path}/nginx.pid; error_log {path}/nginx.log; worker_processes 2;\n\
             events {{ worker_connections 8192; }}\n\
             http {{\n access_log off; client_body_temp_path {path}/a; proxy_temp_path {path}/b;\n\
             fastcgi_temp_path {path}/c; uwsgi_temp_path {path}/d; scgi_temp_path {path}/e;\n\
             keepalive_requests 1000000000; tcp_nodelay on;\n\
             upstream origin {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://origin;\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering off; }} }}\n}}\n"
        );
        let file = home.join("nginx.conf");
        std::fs::write(&file, text).expect("settings");
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(home).arg("-e").arg(home.join("nginx.log"));
        let running = Running::silent(command);
        reachable(&format!("127.0.0.1:{port}"));
        Some(Self { url: format!("http://127.0.0.1:{port}"), running })
    }
}

fn settings_text(address: &str, source: &str, root: &str, origin: &str) -> String {
    format!(
        r#"
gateway = "bench-gateway"
[listen]
address = "{address}"
connections_max = 20000
[authority]
sources = ["{source}"]
roots = ["{root}"]
[records]
file = "records.jsonl"
sync = "every-second"
[limits]
task_calls_max = 4096
[[server]]
name = "refunds"
kind = "http"
url = "{origin}"
calls_max = 4096
labels = ["read"]
[[server.route]]
method = "POST"
path = "/refunds/{{id}}"
tool = "refund"
[[server.route]]
method = "GET"
path = "/large"
tool = "large"
[[server]]
name = "notes"
kind = "mcp-http"
url = "{origin}/mcp"
calls_max = 4096
labels = ["read"]
"#
    )
}

fn token(key: &Path) -> String {
    let mut mint = Command::new(PROGRAM);
    mint.args(["mint", "--grants", "-", "--agent", "agent:bench", "--audience", "bench-gateway"]);
    mint.arg("--key").arg(key).args(["--principal", "user:bench@example.com"]);
    let mut child = mint.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
    let grants = br#"[{"tool":"refunds/*"},{"tool":"notes/*"}]"#;
    child.stdin.take().expect("its input").write_all(grants).expect("grants");
    let out = child.wait_with_output().expect("a token");
    assert!(out.status.success());
    String::from_utf8(out.stdout).expect("a token").trim().to_owned()
}

fn said(command: &mut Command) -> String {
    let out = command.output().expect("a process");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("words")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn reachable(address: &str) {
    let begin = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(begin.elapsed() < DEADLINE, "nothing listens at {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
