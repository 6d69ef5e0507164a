//! Reads a feed over HTTP as a gateway would, with [`Follower`] as the judge.

use std::time::Duration;

use hardtack::feed::{
    Delta, Follower, Head, Message, Need, SignedCertificate, SignedHead, SnapshotReader,
};
use hardtack::keys::TrustedRoots;
use reqwest::{Client, Response, StatusCode};

/// Whoever waits so long waits in vain.
pub(crate) const HANGS: Duration = Duration::from_secs(20);

/// A client without a pool of old connections.
pub(crate) fn client() -> Client {
    // Another test may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().unwrap()
}

/// A follower that fetches whatever it needs. Its clock counts its questions.
pub(crate) struct Reader {
    pub(crate) url: String,
    pub(crate) http: Client,
    pub(crate) follower: Follower,
    /// What it had to fetch: deltas and snapshots.
    pub(crate) fetched: Vec<&'static str>,
    asked: u64,
}

impl Reader {
    pub(crate) async fn new(url: &str, roots: TrustedRoots) -> Self {
        let (url, follower) = (url.to_owned(), Follower::new(roots, None));
        let mut reader = Self { url, http: client(), follower, fetched: Vec::new(), asked: 0 };
        reader.learn().await;
        reader
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}/v1/revocations/{path}", self.url)).send().await.unwrap()
    }

    pub(crate) async fn learn(&mut self) {
        let keys: Vec<SignedCertificate> = self.get("keys").await.json().await.unwrap();
        self.follower.learn_keys(&keys, 0).unwrap();
    }

    /// `EPOCH-SEQ`
    pub(crate) fn named(&self) -> Option<String> {
        self.follower.place().map(|place| format!("{}-{}", place.epoch, place.seq))
    }

    pub(crate) fn seq(&self) -> u64 {
        self.follower.place().unwrap().seq
    }

    /// Asks for the newest head, and gets there; it was made after the call.
    pub(crate) async fn catch_up(&mut self) {
        self.asked += 1;
        let nonce = format!("{:032x}", self.asked);
        let question = self.follower.question(nonce.clone(), self.asked);
        let after = self.named().map(|place| format!("&after={place}")).unwrap_or_default();
        let answer = self.get(&format!("head?nonce={nonce}{after}")).await;
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let message = Message::from_json(&answer.bytes().await.unwrap()).unwrap();
        let need = self.follower.hear(&message, Some(&question), self.asked).unwrap();
        self.fetch(need).await;
    }

    /// Hears a message, and gets there.
    pub(crate) async fn hear(&mut self, message: &Message) {
        let need = self.follower.hear(message, None, self.asked).unwrap();
        self.fetch(need).await;
    }

    async fn fetch(&mut self, mut need: Need) {
        loop {
            let head = self.follower.seen().unwrap().clone();
            need = match need {
                Need::Nothing => return,
                Need::Delta { from, to, hash } => {
                    let file = self.get(&format!("deltas/{}-{from}-{to}-{hash}", head.epoch)).await;
                    match file.status() {
                        StatusCode::OK => {
                            self.fetched.push("delta");
                            let delta = Delta::from_bytes(&file.bytes().await.unwrap()).unwrap();
                            self.follower.take_delta(&delta).unwrap()
                        }
                        StatusCode::NOT_FOUND => {
                            Need::Snapshot(self.follower.need_instead().unwrap())
                        }
                        other => panic!("{other}"),
                    }
                }
                Need::Snapshot(name) => {
                    let file = self.get(&format!("snapshots/{}", name.sha256)).await;
                    assert_eq!(file.status(), StatusCode::OK);
                    assert_eq!(file.content_length(), Some(name.bytes));
                    self.fetched.push("snapshot");
                    let mut reader = SnapshotReader::new(name).unwrap();
                    reader.read(&file.bytes().await.unwrap()).unwrap();
                    self.follower.take_snapshot(reader).unwrap()
                }
            };
        }
    }
}

pub(crate) fn head(signed: &SignedHead) -> Head {
    serde_json::from_str(&signed.head).unwrap()
}

/// A stream's events as they arrive.
pub(crate) struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// Opens a stream from a place, if there is one.
    pub(crate) async fn open(url: &str, http: &Client, from: Option<&str>) -> Self {
        let query = from.map(|from| format!("?from={from}")).unwrap_or_default();
        let request = http.get(format!("{url}/v1/revocations/stream{query}"));
        Self::of(request.send().await.unwrap())
    }

    pub(crate) fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("x-accel-buffering", "no"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        Self { response, text: String::new() }
    }

    /// The next message; none once the stream has ended as it should.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let lines: Vec<&str> = event.trim_end().lines().collect();
                assert_eq!((lines.len(), lines[0]), (3, "event: message"));
                let data = lines[2].strip_prefix("data: ").unwrap();
                let message = Message::from_json(data.as_bytes()).unwrap();
                let head = head(&message.head);
                assert_eq!(lines[1], format!("id: {}-{}", head.epoch, head.seq));
                return Some(message);
            }
            let chunk = tokio::time::timeout(HANGS, self.response.chunk()).await;
            let chunk = chunk.expect("the stream hangs").unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Waits until something holds; fails after a minute.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..6000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
