//! A bad network: passes bytes on between a client and a server, or does something worse.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the network does to everything that a server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    /// Connections are taken, and nothing comes any more.
    Stalls,
    /// Connections are cut, new ones refused.
    Cut,
    /// Everything arrives this much later.
    Delays(Duration),
    /// Connections end after a few bytes.
    Truncates,
    /// Bytes are not what they were.
    Corrupts,
    /// Each request is answered as it was the first time.
    Replays,
}

/// Between a client and a server.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) url: String,
    state: Arc<State>,
}

struct State {
    server: String,
    weather: Mutex<Weather>,
    /// What the server said first, by the path that was asked for.
    first: Mutex<HashMap<String, Vec<u8>>>,
}

impl Proxy {
    pub(super) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = server.trim_start_matches("http://").to_owned();
        let (weather, first) = (Mutex::new(Weather::Fair), Mutex::default());
        let state = Arc::new(State { server, weather, first });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass(client, Arc::clone(&shared)));
            }
        });
        Self { url, state }
    }

    pub(super) fn turn(&self, weather: Weather) {
        *self.state.weather.lock().unwrap() = weather;
    }
}

impl State {
    fn now(&self) -> Weather {
        *self.weather.lock().unwrap()
    }
}

/// The path that a request asks for, without its query.
fn path(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let target = text.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default().to_owned()
}

async fn pass(mut client: TcpStream, state: Arc<State>) -> Option<()> {
    let mut server = match state.now() {
        Weather::Cut => return None,
        _ => TcpStream::connect(&state.server).await.ok()?,
    };
    let (mut said, mut asked) = ([0; 4096], [0; 4096]);
    let mut current = String::new();
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let request = &asked[..read.ok().filter(|read| *read > 0)?];
                current = path(request);
                let first = state.first.lock().unwrap().get(&current).cloned();
                match (state.now(), first) {
                    (Weather::Replays, Some(first)) => client.write_all(&first).await.ok()?,
                    _ => server.write_all(request).await.ok()?,
                }
            }
            read = server.read(&mut said) => {
                let bytes = &mut said[..read.ok().filter(|read| *read > 0)?];
                tell(&mut client, bytes, &current, &state).await?;
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                if state.now() == Weather::Cut {
                    return None;
                }
            }
        }
    }
}

async fn tell(client: &mut TcpStream, bytes: &mut [u8], path: &str, state: &State) -> Option<()> {
    match state.now() {
        Weather::Fair => {
            let mut first = state.first.lock().unwrap();
            let kept = first.entry(path.to_owned()).or_default();
            if kept.len() < 65_536 {
                kept.extend_from_slice(bytes);
            }
        }
        Weather::Stalls | Weather::Replays => return Some(()),
        Weather::Cut => return None,
        Weather::Delays(time) => tokio::time::sleep(time).await,
        Weather::Truncates => {
            let _ = client.write_all(&bytes[..bytes.len() / 2]).await;
            return None;
        }
        Weather::Corrupts => {
            // Past the head of the answer, so that somebody reads it.
            for at in (60..bytes.len()).step_by(61) {
                bytes[at] ^= 1;
            }
        }
    }
    client.write_all(bytes).await.ok()
}
