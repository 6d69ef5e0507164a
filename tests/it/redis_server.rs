//! A Redis of a test's own: on a free port, with its files in a directory that goes with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) struct Server {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
    options: Vec<String>,
}

impl Server {
    /// A server, or `None` where there is no `redis-server`: never so where `CI` is set.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let found = Command::new("redis-server").arg("-v").stdout(Stdio::null()).status();
        if found.is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no `redis-server`");
            println!("skipped: there is no `redis-server`");
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let dir = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let child = run(port, dir.path(), &options);
        let server = Self { child, port, dir, options };
        server.wait();
        Some(server)
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> String {
        self.port.to_string()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with what it has on its disk.
    pub(crate) fn start_again(&mut self) {
        self.child = run(self.port, self.dir.path(), &self.options);
        self.wait();
    }

    /// Stops the process where it stands, or lets it go on.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// The answer to a command: a line without its type, or the text that follows it.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap()
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(format!("{command}\r\n").as_bytes())?;
        let (mut reader, mut line) = (BufReader::new(stream), String::new());
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$').and_then(|length| length.parse().ok()) else {
            return Ok(line.get(1..).unwrap_or_default().to_owned());
        };
        let mut text = vec![0; length];
        reader.read_exact(&mut text)?;
        Ok(String::from_utf8(text).unwrap())
    }

    /// A number out of `INFO`.
    pub(crate) fn info(&self, name: &str) -> u64 {
        let info = self.ask("INFO");
        let value = info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        value.trim_start_matches(':').parse().unwrap()
    }

    /// Until it answers, and has read what it has on its disk.
    fn wait(&self) {
        for _ in 0..1000 {
            match self.try_ask("PING").as_deref() {
                Ok("PONG") => return,
                Ok(refused) if refused.starts_with("NOAUTH") => return,
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        panic!("the server does not answer");
    }
}

fn run(port: u16, dir: &std::path::Path, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--repl-diskless-sync-delay", "0", "--dir"])
        .arg(dir)
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
