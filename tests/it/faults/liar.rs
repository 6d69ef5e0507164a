//! A relay that lies: it has what the authority says, and may pass on something else.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hardtack::feed::{Delta, Message, SignedHead};
use hardtack::keys::HolderKey;
use tokio::net::TcpListener;

use crate::support::rng;

/// What a relay says in place of the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    None,
    /// The last head from before the lie, again and again.
    OldHead,
    /// An entry less.
    Dropped,
    /// Entries in another order.
    Reordered,
    /// Heads of its own, with entries of its own.
    Forged,
}

pub(super) struct Liar {
    pub(super) url: String,
    state: Arc<Lies>,
}

struct Lies {
    authority: String,
    http: reqwest::Client,
    lie: Mutex<Lie>,
    /// The last true head.
    old: Mutex<Option<SignedHead>>,
}

impl Liar {
    pub(super) async fn start(authority: &str) -> Self {
        let (http, lie, old) = (reqwest::Client::new(), Mutex::new(Lie::None), Mutex::default());
        let state = Arc::new(Lies { authority: authority.to_owned(), http, lie, old });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    pub(super) fn begin(&self, lie: Lie) {
        *self.state.lie.lock().unwrap() = lie;
    }
}

impl Lies {
    async fn ask(&self, target: &str) -> Option<Bytes> {
        let answer = self.http.get(format!("{}{target}", self.authority)).send().await.ok()?;
        if answer.status() != reqwest::StatusCode::OK {
            return None;
        }
        answer.bytes().await.ok()
    }

    /// The message as it is passed on.
    fn told(&self, message: Message) -> Message {
        let lie = *self.lie.lock().unwrap();
        let mut old = self.old.lock().unwrap();
        let delta = message.delta.as_ref();
        match lie {
            Lie::None => {
                *old = Some(message.head.clone());
                message
            }
            Lie::OldHead => match old.clone() {
                Some(head) => Message { delta: None, head },
                None => message,
            },
            Lie::Dropped | Lie::Reordered => {
                Message { delta: delta.and_then(|delta| changed(delta, lie)), ..message }
            }
            Lie::Forged => {
                let own = HolderKey::generate(&mut rng(666));
                let head = message.head.open(|_| true).unwrap();
                let signed = head.signed(own.public(), |bytes| own.sign(bytes)).unwrap();
                // Under its own name, or under the authority's.
                let posing = SignedHead { key: message.head.key, ..signed.clone() };
                let head = if head.seq.is_multiple_of(2) { signed } else { posing };
                Message { delta: None, head }
            }
        }
    }
}

/// The delta without an entry, or in another order.
fn changed(delta: &Delta, lie: Lie) -> Option<Delta> {
    let mut entries = delta.entries().to_vec();
    match lie {
        Lie::Dropped => drop(entries.remove(0)),
        _ => entries.rotate_left(1),
    }
    Delta::new(delta.from(), entries)
}

async fn answer(State(lies): State<Arc<Lies>>, request: Request) -> Response {
    let target = request.uri().path_and_query().unwrap().to_string();
    let none = || reqwest::StatusCode::NOT_FOUND.into_response();
    let lie = *lies.lie.lock().unwrap();
    if target.contains("/stream") {
        return stream(lies, target).into_response();
    }
    let Some(body) = lies.ask(&target).await else { return none() };
    if target.contains("/head") {
        let Ok(message) = Message::from_json(&body) else { return none() };
        return lies.told(message).to_json().unwrap().into_response();
    }
    let delta = Delta::from_bytes(&body);
    match (lie, delta) {
        (Lie::Dropped | Lie::Reordered, Ok(delta)) => {
            changed(&delta, lie).map_or_else(none, |delta| delta.to_bytes().into_response())
        }
        _ => body.into_response(),
    }
}

/// A stream made of many questions.
fn stream(lies: Arc<Lies>, target: String) -> impl IntoResponse {
    let query = target.split_once("from=").map(|(_, from)| from.to_owned());
    let (sent, received) = tokio::sync::mpsc::channel::<Bytes>(4);
    tokio::spawn(async move {
        let mut place = query.unwrap_or_else(|| "0-0".to_owned());
        loop {
            let target = format!("/v1/revocations/head?after={place}&wait=300");
            let Some(body) = lies.ask(&target).await else { return };
            let Ok(message) = Message::from_json(&body) else { return };
            let head = message.head.open(|_| true).unwrap();
            place = format!("{}-{}", head.epoch, head.seq);
            let text = lies.told(message).to_json().unwrap();
            let event = format!("event: message\nid: {place}\ndata: {text}\n\n");
            if sent.send(event.into()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    ([("content-type", "text/event-stream")], Body::new(Frames(received)))
}

/// What is received, as the body of an answer.
struct Frames(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}
