//! One child process, from its start to the end of its whole group.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::lines::{self, LineError};

/// How long a child may take to end once its input ended, and again once it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// Longest line of a child's own log that is kept, in bytes.
const LOG_BYTES_MAX: usize = 1024;
/// Lines of a child's own log that are passed on in one period.
const LOG_LINES_MAX: u32 = 20;
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// What is run, and where.
pub(super) struct Program {
    pub(super) command: Vec<String>,
    pub(super) env: Vec<(String, zeroize::Zeroizing<String>)>,
    pub(super) cwd: Option<PathBuf>,
}

/// A child's two ends, and what watches over it.
pub(super) struct Started {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) watching: Watching,
}

/// A child that has to be watched until it has ended.
pub(super) struct Watching {
    child: Child,
    group: Group,
}

/// A group of processes, ended when dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // The group may have ended by itself.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Starts a child, in a group of its own.
pub(super) fn start(server: &Arc<str>, program: &Program) -> std::io::Result<Started> {
    let (name, arguments) =
        program.command.split_first().ok_or_else(|| std::io::Error::other("no command"))?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .envs(program.env.iter().map(|(name, value)| (name, value.as_str())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(cwd) = &program.cwd {
        command.current_dir(cwd);
    }
    let mut child = command.spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let watching = |child| Watching { child, group: Group(pid) };
    match (child.stdin.take(), child.stdout.take(), child.stderr.take()) {
        (Some(input), Some(output), Some(log)) => {
            tokio::spawn(pass_on_log(log, Arc::clone(server)));
            Ok(Started { input, output, watching: watching(child) })
        }
        _ => {
            drop(watching(child));
            Err(std::io::Error::other("the child has no pipes"))
        }
    }
}

impl Watching {
    /// Waits until the child has ended by itself, or `ended` says that it has to: then its input has
    /// ended already. Either way its whole group is ended.
    pub(super) async fn until_ended(mut self, mut ended: watch::Receiver<()>) {
        let is_told = tokio::select! {
            _ = self.child.wait() => false,
            _ = ended.changed() => true,
        };
        if is_told && timeout(GRACE, self.child.wait()).await.is_err() {
            self.group.signal(Signal::TERM);
            if timeout(GRACE, self.child.wait()).await.is_err() {
                self.group.signal(Signal::KILL);
                let _ = self.child.wait().await;
            }
        }
        self.group.signal(Signal::KILL);
        self.group.0 = None;
    }
}

/// Writes lines to a child, in order, until nobody has any more or it does not read.
pub(super) async fn write_lines(mut input: ChildStdin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        let written = match input.write_all(&line).await {
            Ok(()) => input.flush().await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            break;
        }
    }
}

/// Passes the child's own log on, the first lines of each period; the rest is read and forgotten.
async fn pass_on_log(log: ChildStderr, server: Arc<str>) {
    let mut log = BufReader::new(log);
    let (mut began, mut count) = (Instant::now(), 0_u32);
    loop {
        let line = match lines::next(&mut log, LOG_BYTES_MAX).await {
            Ok(Some(line)) => line,
            // What follows of a long line is a line of its own.
            Err(LineError::TooLong) => b"a long line".to_vec(),
            Ok(None) | Err(LineError::Io(_)) => break,
        };
        if began.elapsed() > LOG_PERIOD {
            (began, count) = (Instant::now(), 0);
        }
        count = count.saturating_add(1);
        if count <= LOG_LINES_MAX {
            let line: String = String::from_utf8_lossy(&line).escape_debug().collect();
            // Nobody searches it for secrets.
            tracing::trace!(server = &*server, line, "a server's own log");
        }
    }
}
