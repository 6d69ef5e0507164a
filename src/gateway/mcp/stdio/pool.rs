//! The children of one server.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::child::{self, Program};
use super::pipe::{Pipe, Shared, lock};
use crate::config::gateway::{Secret, Variable};
use crate::gateway::mcp::session::Questions;
use crate::gateway::mcp::stop::Stop;
use crate::gateway::ops::Metrics;
use crate::gateway::upstream::{Needles, SECRET_BYTES_MIN};
use crate::guard::Owner;
use crate::mcp::{Era, code};

/// Messages that wait until a child reads them.
const INPUT_MAX: usize = 16;
/// The longest pause after a failure that a caller waits for.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Children of one task at once: as many as it may have sessions, and some that are about to end.
const TASK_CHILDREN_MAX: usize = 40;

/// How a server is run, and within which bounds.
#[derive(Clone, Debug)]
pub struct StdioOptions {
    /// The program and its arguments; no shell.
    pub command: Vec<String>,
    /// Its environment, besides `PATH` and `HOME`.
    pub env: BTreeMap<String, Variable>,
    /// The folder that it runs in.
    pub cwd: Option<PathBuf>,
    /// The roots that it is told.
    pub roots: Vec<String>,
    /// Longest line, in bytes: 16 MiB.
    pub line_bytes_max: usize,
    /// How long it may say nothing of a request: five minutes.
    pub answer_timeout: Duration,
    /// How long a child may have nothing to do before it is ended: ten minutes.
    pub idle: Duration,
    /// Children at once.
    pub children_max: usize,
    /// Where its failures are counted.
    pub metrics: Metrics,
}

/// A server that is run as child processes.
///
/// *Shape*: cheap to clone; all clones share the children.
#[derive(Clone)]
pub struct StdioServer {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    name: Arc<str>,
    pub(super) options: StdioOptions,
    counts: Arc<Mutex<Counts>>,
    /// Those of the modern era, which no session keeps: one for each owner.
    kept: Mutex<HashMap<Owner, Arc<Pipe>>>,
    backoff: Mutex<Backoff>,
}

/// The children that there are, of everybody and of each task.
#[derive(Default)]
struct Counts {
    all: usize,
    /// No task without a child is here.
    tasks: HashMap<[u8; 32], usize>,
}

/// A child that counts, until it has ended.
struct Counted {
    counts: Arc<Mutex<Counts>>,
    task: [u8; 32],
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = lock(&self.counts);
        counts.all = counts.all.saturating_sub(1);
        match counts.tasks.get_mut(&self.task) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.tasks.remove(&self.task)),
        }
    }
}

impl StdioOptions {
    /// A program with its arguments, the rest by default.
    pub fn new(command: Vec<String>) -> Self {
        Self {
            command,
            env: BTreeMap::new(),
            cwd: None,
            roots: Vec::new(),
            line_bytes_max: 16 * 1024 * 1024,
            answer_timeout: Duration::from_secs(300),
            idle: Duration::from_secs(600),
            children_max: 256,
            metrics: Metrics::default(),
        }
    }
}

impl StdioServer {
    /// A server with the name that logs call it by. No child is started before somebody asks.
    pub fn new(name: &str, options: StdioOptions) -> Self {
        let inner = Inner {
            name: name.into(),
            options,
            counts: Arc::default(),
            kept: Mutex::default(),
            backoff: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether both share their children.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// How many children there are.
    pub fn children(&self) -> usize {
        lock(&self.inner.counts).all
    }

    /// The child of a caller, started where there is none.
    pub(super) async fn of_caller(&self, owner: Owner) -> Result<Arc<Pipe>, Stop> {
        self.pause(&owner.task).await?;
        if let Some(pipe) = self.living(&owner) {
            return Ok(pipe);
        }
        let program = self.program().await?;
        let counted = self.count_one(owner.task)?;
        let mut kept = lock(&self.inner.kept);
        // Another request of the task may have started it meanwhile.
        if let Some(pipe) = kept.get(&owner).filter(|pipe| !pipe.is_over()) {
            return Ok(Arc::clone(pipe));
        }
        let idle = self.inner.options.idle;
        let pipe = self.start(owner, Era::Modern, program, Arc::default(), counted, idle)?;
        kept.insert(owner, Arc::clone(&pipe));
        Ok(pipe)
    }

    /// A child for one session.
    pub(super) async fn of_session(
        &self,
        owner: Owner,
        questions: Arc<Questions>,
        idle: Duration,
    ) -> Result<Arc<Pipe>, Stop> {
        self.pause(&owner.task).await?;
        let program = self.program().await?;
        let counted = self.count_one(owner.task)?;
        self.start(owner, Era::Legacy, program, questions, counted, idle)
    }

    fn living(&self, owner: &Owner) -> Option<Arc<Pipe>> {
        let pipe = lock(&self.inner.kept).get(owner).cloned();
        pipe.filter(|pipe| !pipe.is_over())
    }

    /// Waits until the task's child may be started again, where that is soon.
    async fn pause(&self, task: &[u8; 32]) -> Result<(), Stop> {
        let pause = lock(&self.inner.backoff).wait(task, Instant::now());
        if pause > WAIT_MAX {
            let why = "the server ends as soon as it is started";
            return Err(unavailable(why));
        }
        sleep(pause).await;
        Ok(())
    }

    /// What is run, with the secrets of the moment.
    async fn program(&self) -> Result<(Program, Vec<Needles>), Stop> {
        let options = &self.inner.options;
        let (mut env, mut needles) = (Vec::new(), Vec::new());
        for name in ["PATH", "HOME"] {
            if let (false, Ok(value)) =
                (options.env.contains_key(name), Secret::Env(name.to_owned()).read().await)
            {
                env.push((name.to_owned(), value));
            }
        }
        for (name, variable) in &options.env {
            let value = match variable {
                Variable::Plain(value) => value.clone().into(),
                Variable::Secret(secret) => {
                    let read = secret.read().await.map_err(|error| {
                        tracing::warn!(server = &*self.inner.name, %error, "no secret");
                        unavailable("the server's environment is not to be had")
                    })?;
                    if read.len() >= SECRET_BYTES_MIN {
                        needles.push(Needles::of(&read));
                    }
                    read
                }
            };
            env.push((name.clone(), value));
        }
        let (command, cwd) = (options.command.clone(), options.cwd.clone());
        Ok((Program { command, env, cwd }, needles))
    }

    fn start(
        &self,
        owner: Owner,
        era: Era,
        (program, needles): (Program, Vec<Needles>),
        questions: Arc<Questions>,
        counted: Counted,
        idle: Duration,
    ) -> Result<Arc<Pipe>, Stop> {
        let inner = &self.inner;
        let started = child::start(&inner.name, &program).map_err(|error| {
            tracing::warn!(server = &*inner.name, %error, "a server could not be started");
            inner.options.metrics.failed(&inner.name, "not-started");
            lock(&inner.backoff).failed(owner.task, Duration::ZERO, Instant::now());
            unavailable("the server could not be started")
        })?;
        let (input, lines) = mpsc::channel(INPUT_MAX);
        let (ending, ended) = watch::channel(());
        let (name, roots) = (Arc::clone(&inner.name), inner.options.roots.clone());
        let shared = Arc::new(Shared::new(name, era, roots, questions, needles));
        tokio::spawn(child::write_lines(started.input, lines));
        let reading = {
            let (shared, input) = (Arc::clone(&shared), input.downgrade());
            let max = inner.options.line_bytes_max;
            let output = started.output;
            async move { shared.read(output, max, input).await }
        };
        let pipe = Arc::new(Pipe::new(input, ending, Arc::clone(&shared)));
        let (weak, pool) = (pipe.downgrade(), Arc::downgrade(inner));
        let began = Instant::now();
        tokio::spawn(async move {
            let watching = started.watching.until_ended(ended);
            tokio::pin!(watching);
            // A child that says no more is of no use, even where it has not ended.
            let was_told = tokio::select! {
                () = &mut watching => shared.waiting().is_over,
                () = reading => {
                    let was_told = shared.waiting().is_over;
                    weak.upgrade().inspect(|pipe| pipe.close());
                    watching.await;
                    was_told
                }
            };
            shared.end();
            drop(counted);
            if let (Some(pool), false) = (pool.upgrade(), was_told) {
                tracing::warn!(server = &*pool.name, "a server ended by itself");
                pool.options.metrics.failed(&pool.name, "ended");
                lock(&pool.backoff).failed(owner.task, began.elapsed(), Instant::now());
            }
        });
        tokio::spawn(end_when_idle(pipe.downgrade(), Arc::downgrade(inner), owner, idle));
        Ok(pipe)
    }

    /// Counts one more child; one that has nothing to do is ended where there are too many.
    fn count_one(&self, task: [u8; 32]) -> Result<Counted, Stop> {
        let inner = &self.inner;
        let of_task = {
            let mut counts = lock(&inner.counts);
            let of_task = counts.tasks.get(&task).copied().unwrap_or_default();
            if counts.all < inner.options.children_max && of_task < TASK_CHILDREN_MAX {
                counts.all += 1;
                counts.tasks.insert(task, of_task + 1);
                return Ok(Counted { counts: Arc::clone(&inner.counts), task });
            }
            of_task
        };
        if of_task >= TASK_CHILDREN_MAX {
            return Err(unavailable("the task runs the server as often as it may"));
        }
        let mut kept = lock(&inner.kept);
        let idle = kept.iter().find(|(_, pipe)| pipe.is_idle(Duration::from_secs(1)));
        if let Some(owner) = idle.map(|(owner, _)| *owner) {
            // Its place is free as soon as it has ended.
            kept.remove(&owner).inspect(|pipe| pipe.close());
        }
        Err(unavailable("the server runs as often as it may"))
    }
}

/// Ends a child that has had nothing to do for long.
async fn end_when_idle(pipe: Weak<Pipe>, pool: Weak<Inner>, owner: Owner, idle: Duration) {
    loop {
        sleep((idle / 4).max(Duration::from_millis(10))).await;
        let Some(pipe) = pipe.upgrade() else { break };
        if pipe.is_idle(idle) {
            pipe.close();
        }
        if pipe.is_over() {
            let pool = pool.upgrade();
            let mut kept = pool.as_ref().map(|pool| lock(&pool.kept));
            let is_it = |kept: &HashMap<_, Arc<Pipe>>| {
                kept.get(&owner).is_some_and(|other| Arc::ptr_eq(other, &pipe))
            };
            if let Some(kept) = kept.as_mut().filter(|kept| is_it(kept)) {
                kept.remove(&owner);
            }
            break;
        }
    }
}

pub(super) fn unavailable(why: &str) -> Stop {
    Stop::fault(http::StatusCode::SERVICE_UNAVAILABLE, code::refusal(503), why)
}

impl fmt::Debug for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioServer")
            .field("name", &self.inner.name)
            .field("children", &self.children())
            .finish_non_exhaustive()
    }
}
