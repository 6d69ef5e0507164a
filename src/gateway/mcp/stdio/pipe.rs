//! A child and everything that waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::process::ChildStdout;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::lines;
use super::pending::{Pending, Told, Waiting};
use crate::gateway::mcp::session::Questions;
use crate::gateway::upstream::Needles;
use crate::mcp::{self, Era, Fault, Id, Reply, Splice, code};

/// How long whoever asked may leave a message lying; then it is not waited for any more.
const TAKE: Duration = Duration::from_secs(30);
/// How long a child may leave its input full.
const READ: Duration = Duration::from_secs(10);
/// Messages that lie for one who asked, and for one who listens.
pub(super) const LYING_MAX: usize = 2;

const ROOTS: &str = "roots/list";

/// One child, as those see it that use it.
///
/// *Shape*: it ends with the last who holds it, or when it is closed.
pub(in crate::gateway::mcp) struct Pipe {
    input: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    ending: watch::Sender<()>,
    shared: Arc<Shared>,
}

/// What the reader of a child's lines knows.
pub(super) struct Shared {
    server: Arc<str>,
    era: Era,
    roots: Vec<String>,
    questions: Arc<Questions>,
    needles: Vec<Needles>,
    waiting: Mutex<Waiting>,
    used: Mutex<Instant>,
}

/// The child has ended, or does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread;

impl Pipe {
    pub(super) fn new(
        input: mpsc::Sender<Vec<u8>>,
        ending: watch::Sender<()>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { input: Mutex::new(Some(input)), ending, shared }
    }

    /// Whether the child has ended, or was told to.
    pub(in crate::gateway::mcp) fn is_over(&self) -> bool {
        self.shared.waiting().is_over
    }

    /// Whether the child has had nothing to do for so long.
    pub(super) fn is_idle(&self, idle: Duration) -> bool {
        let waiting = self.shared.waiting();
        let is_free = waiting.pending.is_empty() && waiting.listener.is_none();
        is_free && lock(&self.shared.used).elapsed() > idle
    }

    /// Ends the child: its input ends, and nobody waits for it any more.
    pub(in crate::gateway::mcp) fn close(&self) {
        drop(lock(&self.input).take());
        self.shared.end();
        let _ = self.ending.send(());
    }

    /// Takes a request in, under a number of its own.
    pub(super) fn begin(&self, pending: Pending) -> Result<u64, Unread> {
        let mut waiting = self.shared.waiting();
        if waiting.is_over { Err(Unread) } else { Ok(waiting.add(pending)) }
    }

    /// Nobody waits for this request any more; the child is told, where it has not answered.
    pub(super) fn cancel(&self, number: u64) {
        if self.shared.waiting().pending.remove(&number).is_none() {
            return;
        }
        let told = serde_json::json!({
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": { "requestId": number, "reason": "the caller went away" },
        });
        let input = lock(&self.input).clone();
        // A child that reads nothing learns nothing.
        let _ = input.map(|input| input.try_send(told.to_string().into_bytes()));
    }

    /// Forgets a request of the caller's that the caller cancels, and gives its number.
    pub(super) fn forget(&self, id: &Id) -> Option<u64> {
        let mut waiting = self.shared.waiting();
        let number = waiting.number(id)?;
        waiting.pending.remove(&number);
        Some(number)
    }

    /// Writes a message, after those before it.
    pub(super) async fn write(&self, mut message: Vec<u8>) -> Result<(), Unread> {
        // A line break stands between values, never in a string.
        for byte in message.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
        *lock(&self.shared.used) = Instant::now();
        let input = lock(&self.input).clone().ok_or(Unread)?;
        match timeout(READ, input.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Unread),
        }
    }

    /// Listens for what the child says by itself; whoever listened before does not any more.
    pub(super) fn listen(&self) -> (Vec<Vec<u8>>, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(LYING_MAX);
        let mut waiting = self.shared.waiting();
        if !waiting.is_over {
            waiting.listener = Some(sender);
        }
        (waiting.take_kept().into(), receiver)
    }

    /// A handle that does not keep the child.
    pub(super) fn downgrade(self: &Arc<Self>) -> Weak<Self> {
        Arc::downgrade(self)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    pub(super) fn new(
        server: Arc<str>,
        era: Era,
        roots: Vec<String>,
        questions: Arc<Questions>,
        needles: Vec<Needles>,
    ) -> Self {
        let (waiting, used) = (Mutex::default(), Mutex::new(Instant::now()));
        Self { server, era, roots, questions, needles, waiting, used }
    }

    /// Nobody waits for the child any more: whoever asked is told.
    pub(super) fn end(&self) {
        let pending = {
            let mut waiting = self.waiting();
            (waiting.is_over, waiting.listener) = (true, None);
            std::mem::take(&mut waiting.pending)
        };
        for (_, one) in pending {
            let answer = fault(&one.written, "the server ended before it answered");
            let _ = one.to.try_send(Told::Answer(answer));
        }
    }

    /// Reads what the child says, until it says no more.
    pub(super) async fn read(
        &self,
        output: ChildStdout,
        max: usize,
        input: mpsc::WeakSender<Vec<u8>>,
    ) {
        let mut output = BufReader::new(output);
        loop {
            match lines::next(&mut output, max).await {
                Ok(Some(line)) => self.hear(&line, &input).await,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(server = &*self.server, %error, "a server is not read any more");
                    break;
                }
            }
        }
    }

    async fn hear(&self, line: &[u8], input: &mpsc::WeakSender<Vec<u8>>) {
        let reply = match Reply::read(line) {
            Ok(reply) => reply,
            Err(_) if line.trim_ascii().is_empty() => return,
            Err(_) => {
                tracing::debug!(server = &*self.server, "a line of a server is no message");
                return;
            }
        };
        let is_echo = self.needles.iter().any(|needles| needles.within(line));
        if is_echo {
            tracing::warn!(server = &*self.server, "a server's message holds a secret");
        }
        let id = reply.place("id");
        match (reply.text("method"), id) {
            (None, Some(_)) => self.answered(line, &reply, is_echo).await,
            _ if is_echo => {}
            (Some(method), Some(id)) => {
                if let Some(id) = Id::from_text(reply.at(id.clone())) {
                    self.asked(line, method, id, &reply, input).await;
                }
            }
            (Some(method), None) => self.notified(line, &method, &reply).await,
            (None, None) => tracing::debug!(server = &*self.server, "an answer to nothing"),
        }
    }

    async fn answered(&self, line: &[u8], reply: &Reply<'_>, is_echo: bool) {
        let Some((place, number)) = number(reply, &["id"]) else { return };
        let Some(pending) = self.waiting().pending.remove(&number) else { return };
        let answer = match is_echo {
            true => fault(&pending.written, "the server's answer cannot be passed on"),
            false => spliced(line, place, &pending.written),
        };
        let _ = timeout(TAKE, pending.to.send(Told::Answer(answer))).await;
    }

    /// The child asks something.
    async fn asked(
        &self,
        line: &[u8],
        method: String,
        id: Id,
        reply: &Reply<'_>,
        input: &mpsc::WeakSender<Vec<u8>>,
    ) {
        let written = reply.place("id").map(|place| reply.at(place)).unwrap_or_default();
        let own = match (method.as_str(), self.era) {
            ("ping", _) => Some(mcp::result(written, serde_json::json!({}))),
            (ROOTS, Era::Legacy) if !self.roots.is_empty() => {
                let roots: Vec<_> =
                    self.roots.iter().map(|uri| serde_json::json!({ "uri": uri })).collect();
                Some(mcp::result(written, serde_json::json!({ "roots": roots })))
            }
            (ROOTS, _) | (_, Era::Modern) => {
                let why = Fault::new(code::METHOD_NOT_FOUND, "nobody answers this here");
                Some(mcp::error(Some(written), &why))
            }
            _ => None,
        };
        match own {
            Some(own) => {
                let _ = input.upgrade().map(|input| input.try_send(own));
            }
            None => {
                self.questions.ask(id, method);
                self.tell(line.to_vec()).await;
            }
        }
    }

    async fn notified(&self, line: &[u8], method: &str, reply: &Reply<'_>) {
        const SUBSCRIPTION: &[&str] =
            &["params", "_meta", "io.modelcontextprotocol/subscriptionId"];
        if method == "notifications/progress" {
            let Some((place, number)) = number(reply, &["params", "progressToken"]) else { return };
            let found = self
                .waiting()
                .pending
                .get(&number)
                .and_then(|pending| Some((pending.to.clone(), pending.progress.clone()?)));
            if let Some((to, token)) = found {
                self.tell_one(number, &to, spliced(line, place, &token)).await;
            }
            return;
        }
        if let Some((place, number)) = number(reply, SUBSCRIPTION) {
            let found = self
                .waiting()
                .pending
                .get(&number)
                .map(|pending| (pending.to.clone(), pending.written.clone()));
            if let Some((to, written)) = found {
                self.tell_one(number, &to, spliced(line, place, &written)).await;
            }
            return;
        }
        match (self.era, number(reply, &["params", "requestId"])) {
            (Era::Modern, Some((place, number))) if method == "notifications/cancelled" => {
                let Some(pending) = self.waiting().pending.remove(&number) else { return };
                let last = spliced(line, place, &pending.written);
                let _ = timeout(TAKE, pending.to.send(Told::Before(last))).await;
            }
            _ => self.tell(line.to_vec()).await,
        }
    }

    /// Tells a message before the answer; who leaves it lying is not told more.
    async fn tell_one(&self, number: u64, to: &mpsc::Sender<Told>, message: Vec<u8>) {
        if timeout(TAKE, to.send(Told::Before(message))).await.is_err() {
            self.waiting().pending.remove(&number);
        }
    }

    /// Tells what belongs to no request: in the legacy era whoever listens, or else whoever asked
    /// last; in the modern era the one who asked, if there is but one.
    async fn tell(&self, message: Vec<u8>) {
        let (listener, asker) = {
            let waiting = self.waiting();
            match self.era {
                Era::Legacy => (waiting.listener.clone(), waiting.newest()),
                Era::Modern => (None, waiting.only()),
            }
        };
        let told = match (listener, asker) {
            (Some(listener), _) => {
                let told = timeout(TAKE, listener.send(message)).await;
                matches!(told, Ok(Ok(())))
            }
            (None, Some(asker)) => {
                let _ = timeout(TAKE, asker.send(Told::Before(message))).await;
                true
            }
            (None, None) => {
                if self.era == Era::Legacy {
                    self.waiting().keep(message);
                }
                true
            }
        };
        if !told {
            self.waiting().listener = None;
        }
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}

/// The number that stands at the end of a path, and where.
fn number(reply: &Reply<'_>, path: &[&str]) -> Option<(std::ops::Range<usize>, u64)> {
    let place = reply.find(path)?;
    let number = std::str::from_utf8(reply.at(place.clone())).ok()?.parse().ok()?;
    Some((place, number))
}

fn spliced(line: &[u8], place: std::ops::Range<usize>, text: &[u8]) -> Vec<u8> {
    let mut splice = Splice::new();
    splice.replace(place, text);
    splice.apply(line).unwrap_or_default()
}

pub(super) fn fault(id: &[u8], why: &str) -> Vec<u8> {
    mcp::error(Some(id), &Fault::new(code::INTERNAL, why))
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
