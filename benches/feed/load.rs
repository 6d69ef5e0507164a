//! What a gateway that only listens costs its authority: a real `hardtack serve`, and many streams.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Report;

const PROGRAM: &str = env!("CARGO_BIN_EXE_hardtack");
const STREAMS: usize = 800;
const WINDOW: Duration = Duration::from_secs(15);
/// The kernel's ticks a second, in `/proc`.
const TICKS: f64 = 100.0;

struct Served {
    child: Child,
    address: String,
    _home: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let dir = home.path().join("data");
        let made = Command::new(PROGRAM).arg("init").arg(&dir).output().expect("init");
        assert!(made.status.success());
        let mut serve = Command::new(PROGRAM);
        serve.arg("serve").arg(&dir).args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped());
        let mut child = serve.spawn().expect("serve");
        let mut lines = BufReader::new(child.stderr.take().expect("a log")).lines();
        let address = lines
            .find_map(|line| Some(line.ok()?.split_once("listening on http://")?.1.to_owned()))
            .expect("an address");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _home: home }
    }

    /// Seconds of processor so far, and bytes of memory.
    fn used(&self) -> (f64, f64) {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("figures")
        };
        let stat = read("stat");
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok());
        let ticks = ticks(11).unwrap_or_default() + ticks(12).unwrap_or_default();
        let status = read("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kilo = line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
        (ticks / TICKS, kilo.unwrap_or_default() * 1024.0)
    }

    /// The share of a core over a while, and the memory at its end.
    async fn window(&self) -> (f64, f64) {
        let before = self.used().0;
        tokio::time::sleep(WINDOW).await;
        let (after, memory) = self.used();
        ((after - before) / WINDOW.as_secs_f64(), memory)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Listens, and counts nothing.
async fn listen(address: String) {
    let mut stream = TcpStream::connect(&address).await.expect("a connection");
    let request = format!("GET /v1/revocations/stream HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut bytes = [0; 16 * 1024];
    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

pub(super) async fn measure(report: &mut Report) {
    let served = Served::start();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (idle, memory) = served.window().await;
    let readers: Vec<_> =
        (0..STREAMS).map(|_| tokio::spawn(listen(served.address.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (busy, more) = served.window().await;
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    let core = (busy - idle).max(0.0) / STREAMS as f64;
    let each = (more - memory).max(0.0) / STREAMS as f64;
    report.row(
        format!("the authority's cost of a gateway that listens ({STREAMS} of them)"),
        format!("{:.4} % of a core, {:.0} kB", core * 100.0, each / 1e3),
        "",
    );
    (report.figures.core_a_stream, report.figures.memory_a_stream) = (core, each);
}
