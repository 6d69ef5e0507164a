//! Ten thousand connections that say nothing, or not enough: they cost little, hold nobody up, and end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli_support::Cli;

const CONNECTIONS: usize = 10_000;
/// What one may take at most, in bytes, in a build for tests.
const EACH_MAX: u64 = 24 * 1024;
const DEADLINE: Duration = Duration::from_secs(60);

struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Gateway {
    /// A gateway that nobody has given revocations, in this folder.
    fn start(cli: &Cli, address: SocketAddr) -> Self {
        let root = std::fs::read_to_string(cli.path("root.pub")).unwrap();
        let settings = format!(
            "gateway = \"tools\"\n[listen]\naddress = \"{address}\"\nhead_timeout_secs = 8\n\
             [authority]\nsources = [\"http://127.0.0.1:9\"]\nroots = [\"{}\"]\n\
             [[server]]\nname = \"a\"\nkind = \"http\"\nurl = \"http://127.0.0.1:9\"\n\
             [[server.route]]\nmethod = \"GET\"\npath = \"/a\"\ntool = \"get\"\n",
            root.trim()
        );
        cli.write("gateway.toml", &settings);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardtack"));
        command.arg("gateway").arg(cli.path("gateway.toml"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let gateway = Self(child);
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < DEADLINE, "nothing listens");
            std::thread::sleep(Duration::from_millis(20));
        }
        gateway
    }

    /// Resident memory in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

fn answer(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Whether the gateway has ended a connection.
fn is_ended(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_hold_nobody_up() {
    let cli = Cli::with_key();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::start(&cli, address);
    assert!(answer(address).starts_with("HTTP/1.1 401"));
    let before = gateway.memory();
    let mut open = Vec::new();
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(address).unwrap();
        if number % 2 == 0 {
            stream.write_all(b"GET /a HTTP/1.1\r\nauthorization: Bear").unwrap();
        }
        open.push(stream);
    }
    let told = answer(address);
    assert!(told.starts_with("HTTP/1.1 401") && told.contains("token-missing"), "{told}");
    let each = gateway.memory().saturating_sub(before) / CONNECTIONS as u64;
    println!("{each} bytes a connection");
    assert!(each <= EACH_MAX, "{each} bytes a connection");
    // Each is given up in its time.
    for stream in &mut open {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        assert!(is_ended(stream));
    }
    assert!(answer(address).starts_with("HTTP/1.1 401"));
}
