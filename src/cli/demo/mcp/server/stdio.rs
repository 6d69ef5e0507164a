//! The server as a child process: a message a line.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write, stdin};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::era::{Era, version_of};
use super::log::Log;
use super::message::{Fault, INVALID_REQUEST, Members, Message, Request};
use super::{Server, Session};

/// Messages that wait for whoever reads.
const QUEUE: usize = 64;
const LINE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// How long what still runs may take once the input has ended.
const GRACE: Duration = Duration::from_millis(200);

/// Serves until the input ends.
pub(super) async fn serve(
    server: Arc<Server>,
    log: Log,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (answers, mut written) = mpsc::channel(QUEUE);
    let reader = tokio::spawn(read(server, log, answers));
    while let Some(message) = written.recv().await {
        writeln!(out, "{message}").context("the output cannot be written")?;
        out.flush().context("the output cannot be written")?;
    }
    reader.await.context("the reader ended")?
}

async fn read(server: Arc<Server>, log: Log, out: mpsc::Sender<Value>) -> anyhow::Result<()> {
    let mut connection = Connection::new(server, out);
    let (sender, mut lines) = mpsc::channel(QUEUE);
    // Not one of the runtime's threads: it may wait for input when all else has ended.
    let input = thread::Builder::new().spawn(move || lines_of(stdin().lock(), &sender));
    drop(input.context("the input cannot be read")?);
    while let Some(line) = lines.recv().await {
        let line: Vec<u8> = line;
        log.note(&[], &line);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        connection.take(text.strip_suffix(b"\r").unwrap_or(text)).await;
    }
    connection.end().await;
    Ok(())
}

/// Hands lines on, up to the end or to one that cannot be read.
fn lines_of(mut input: impl BufRead, lines: &mpsc::Sender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) || lines.blocking_send(line).is_err() {
            return;
        }
    }
}

struct Connection {
    server: Arc<Server>,
    /// Opened with `initialize`.
    session: Option<Arc<Session>>,
    running: JoinSet<()>,
    /// What runs, by the text of its id.
    ids: HashMap<String, AbortHandle>,
    /// Tells the session what changes.
    told: JoinSet<()>,
    out: mpsc::Sender<Value>,
}

impl Connection {
    fn new(server: Arc<Server>, out: mpsc::Sender<Value>) -> Self {
        let (running, told) = (JoinSet::new(), JoinSet::new());
        Self { server, session: None, running, ids: HashMap::new(), told, out }
    }

    async fn take(&mut self, line: &[u8]) {
        self.ids.retain(|_, handle| !handle.is_finished());
        while self.running.try_join_next().is_some() {}
        match Message::read(line) {
            Err(fault) => drop(self.out.send(fault.to_json()).await),
            Ok(Message::Request(request)) => self.start(request).await,
            Ok(Message::Notification(method, params)) => self.hear(&method, &params),
            Ok(Message::Response) => {}
        }
    }

    async fn start(&mut self, request: Request) {
        let era = if version_of(&request).is_some() { Era::Modern } else { Era::Legacy };
        if era == Era::Legacy && request.method == "initialize" && self.session.is_none() {
            self.open();
        }
        let session = match (&self.session, era) {
            (Some(session), _) => Arc::clone(session),
            (None, Era::Modern) => Arc::default(),
            (None, Era::Legacy) => {
                let words = "neither `initialize` nor a version in `_meta`";
                let fault = Fault::new(INVALID_REQUEST, words);
                drop(self.out.send(request.answered(Err(fault))).await);
                return;
            }
        };
        let (server, out) = (Arc::clone(&self.server), self.out.clone());
        let id = request.id.to_string();
        let answered = async move { server.respond(&request, era, &session, &out).await };
        self.ids.insert(id, self.running.spawn(answered));
    }

    fn open(&mut self) {
        let session = Arc::<Session>::default();
        self.session = Some(Arc::clone(&session));
        let (server, out) = (Arc::clone(&self.server), self.out.clone());
        self.told.spawn(async move { server.tell(&session, &out).await });
    }

    fn hear(&mut self, method: &str, params: &Members) {
        if method == "notifications/cancelled"
            && let Some(id) = params.get("requestId")
            && let Some(handle) = self.ids.remove(&id.to_string())
        {
            handle.abort();
        }
    }

    async fn end(mut self) {
        let all = async { while self.running.join_next().await.is_some() {} };
        // Whatever takes longer is given up.
        let _ = tokio::time::timeout(GRACE, all).await;
    }
}
