//! The connection to Redis: one at a time, opened when it is asked for.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Client, RedisError, cmd};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long opening a connection may take. Calls do not wait that long for it.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// How long after a failure no connection is opened.
const REST: Duration = Duration::from_millis(100);

/// A connection to a server that does not evict.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    /// No other link has the same allocation.
    identity: Arc<()>,
}

/// Why a connection is of no use. No variant holds anything that the server or the address says.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{:?}", .0.kind())]
    Redis(#[from] RedisError),
    #[error("it did not answer in time")]
    Late,
    #[error("it gave an answer that makes no sense")]
    Answer,
    #[error("its `maxmemory_policy` is not `noeviction`, so it may forget")]
    Evicts,
}

enum State {
    Down,
    Opening,
    Up(Link),
    Resting,
}

pub(super) struct Line {
    client: Client,
    state: watch::Sender<State>,
}

impl Line {
    pub(super) fn new(client: Client) -> Self {
        Self { client, state: watch::Sender::new(State::Down) }
    }

    /// The connection; it is opened if there is none. `None` where that failed a moment ago.
    pub(super) async fn link(self: &Arc<Self>) -> Option<Link> {
        let mut states = self.state.subscribe();
        let begins = |state: &mut State| {
            let down = matches!(state, State::Down);
            if down {
                *state = State::Opening;
            }
            down
        };
        if matches!(*states.borrow(), State::Down) && self.state.send_if_modified(begins) {
            let line = Arc::clone(self);
            tokio::spawn(async move { line.open().await });
        }
        let opened = states.wait_for(|state| !matches!(state, State::Opening)).await.ok()?;
        match &*opened {
            State::Up(link) => Some(link.clone()),
            _ => None,
        }
    }

    /// Gives a connection up, unless there is a newer one.
    pub(super) fn give_up(&self, link: &Link, fault: &Fault) {
        let is_up = |state: &mut State| {
            let is_it = matches!(state, State::Up(up) if Arc::ptr_eq(&up.identity, &link.identity));
            if is_it {
                *state = State::Down;
            }
            is_it
        };
        if self.state.send_if_modified(is_up) {
            tracing::warn!(%fault, "gave up the connection to the memory of used proofs");
        }
    }

    async fn open(&self) {
        let fault = match timeout(OPEN_TIMEOUT, self.opened()).await {
            Ok(Ok(link)) => return drop(self.state.send_replace(State::Up(link))),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Late,
        };
        tracing::warn!(%fault, "no connection to the memory of used proofs");
        self.state.send_replace(State::Resting);
        sleep(REST).await;
        self.state.send_replace(State::Down);
    }

    /// A new connection to a server that does not evict.
    async fn opened(&self) -> Result<Link, Fault> {
        // Both times are bounded by those who wait.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let info: String = cmd("INFO").arg("memory").query_async(&mut connection).await?;
        match info.lines().any(|line| line.trim() == "maxmemory_policy:noeviction") {
            true => Ok(Link { connection, identity: Arc::default() }),
            false => Err(Fault::Evicts),
        }
    }
}
