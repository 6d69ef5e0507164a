//! The authority's feed over real HTTP, with [`hardtack::feed::Follower`] as the judge.

use std::time::Duration;

use hardtack::feed::{
    Delta, Follower, Message, Need, SignedCertificate, SignedHead, SnapshotReader,
};
use hardtack::model::Key16;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::tasks::roots;
use super::*;

/// A follower over HTTP that fetches whatever it needs.
pub(crate) struct Following<'a> {
    served: &'a Served,
    pub(crate) follower: Follower,
    asked: u64,
}

impl<'a> Following<'a> {
    pub(crate) async fn new(served: &'a Served) -> Self {
        let follower = Follower::new(roots(served).await, None);
        let mut following = Self { served, follower, asked: 0 };
        following.learn().await;
        following
    }

    async fn learn(&mut self) {
        let keys = self.served.get("", "/v1/revocations/keys").await;
        let keys: Vec<SignedCertificate> = serde_json::from_value(keys.body).unwrap();
        self.follower.learn_keys(&keys).unwrap();
    }

    /// Asks for the newest head, and gets there; the answer was made after the call.
    pub(crate) async fn catch_up(&mut self) {
        self.asked += 1;
        let nonce = format!("{:032x}", self.asked);
        let question = self.follower.question(nonce.clone(), self.asked);
        let after = match self.follower.place() {
            Some(place) => format!("&after={}-{}", place.epoch, place.seq),
            None => String::new(),
        };
        let path = format!("/v1/revocations/head?nonce={nonce}{after}");
        let message = message(&self.served.get("", &path).await.body);
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
                    let name = format!("{}-{from}-{to}-{hash}", head.epoch);
                    let path = format!("/v1/revocations/deltas/{name}");
                    let file = self.served.request(Method::GET, &path).send().await.unwrap();
                    match file.status() {
                        StatusCode::OK => {
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
                    let path = format!("/v1/revocations/snapshots/{}", name.sha256);
                    let file = self.served.request(Method::GET, &path).send().await.unwrap();
                    assert_eq!(file.status(), StatusCode::OK);
                    let mut reader = SnapshotReader::new(name).unwrap();
                    reader.read(&file.bytes().await.unwrap()).unwrap();
                    self.follower.take_snapshot(reader).unwrap()
                }
            };
        }
    }

    pub(crate) fn seq(&self) -> u64 {
        self.follower.place().unwrap().seq
    }
}

pub(crate) fn message(body: &Value) -> Message {
    Message::from_json(body.to_string().as_bytes()).unwrap()
}

fn head(signed: &SignedHead) -> hardtack::feed::Head {
    serde_json::from_str(&signed.head).unwrap()
}

/// Events as they arrive.
pub(crate) struct Events {
    response: Response,
    text: String,
}

impl Events {
    pub(crate) async fn open(served: &Served, query: &str) -> Self {
        let path = format!("/v1/revocations/stream{query}");
        let response = served.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next message; none once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let lines: Vec<&str> = event.lines().collect();
                assert_eq!((lines.len(), lines[0]), (3, "event: message"));
                let data = lines[2].strip_prefix("data: ").unwrap();
                let message = Message::from_json(data.as_bytes()).unwrap();
                let head = head(&message.head);
                assert_eq!(lines[1], format!("id: {}-{}", head.epoch, head.seq));
                self.text = rest.to_owned();
                return Some(message);
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// Revokes something that nobody has; its key.
pub(crate) async fn revoke(served: &Served, number: u32) -> Key16 {
    let id = format!("{number:0128x}");
    let body = json!({"revocation_id": id});
    let answer = served.post(&served.admin, "/v1/revocations", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    id.parse::<hardtack::model::RevocationId>().unwrap().key16()
}

#[tokio::test]
async fn a_revocation_reaches_a_stream() {
    let served = Served::start().await;
    let mut following = Following::new(&served).await;
    let mut events = Events::open(&served, "").await;
    following.hear(&events.next().await.unwrap()).await;
    let key = revoke(&served, 1).await;
    while !following.follower.table().contains(&key) {
        let message = events.next().await.unwrap();
        if head(&message.head).seq == 1 && following.follower.place().unwrap().seq == 0 {
            assert!(message.delta.is_some(), "the entry comes along");
        }
        following.hear(&message).await;
    }
    assert_eq!(following.seq(), 1);
    // A heartbeat follows without anybody doing anything.
    assert!(events.next().await.unwrap().delta.is_none());
}

#[tokio::test]
async fn a_completed_task_is_in_the_next_message() {
    let served = Served::start().await;
    let mut following = Following::new(&served).await;
    following.catch_up().await;
    let issued = served.task(&served.admin).await;
    let id = issued["task"].as_str().unwrap();
    served.post(&served.admin, &format!("/v1/tasks/{id}/complete"), &json!({})).await;
    following.catch_up().await;
    assert!(following.follower.table().contains(&Key16::of(id.as_bytes())));
}

#[tokio::test]
async fn an_answer_is_as_new_as_its_question() {
    let served = Served::start().await;
    let mut following = Following::new(&served).await;
    for number in 1..=50 {
        let key = revoke(&served, number).await;
        following.catch_up().await;
        assert!(following.follower.table().contains(&key), "{number}");
        assert_eq!(following.follower.fresh().unwrap(), (u64::from(number), 60_000_000));
    }
}

#[tokio::test]
async fn a_long_poll_returns_on_an_append() {
    let served = Served::start().await;
    let epoch = head(&message(&served.get("", "/v1/revocations/head").await.body).head).epoch;
    let path = format!("/v1/revocations/head?after={epoch}-0&wait=30000");
    let (polled, key) = tokio::join!(served.get("", &path), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        revoke(&served, 1).await
    });
    let message = message(&polled.body);
    let delta = message.delta.unwrap();
    assert_eq!((head(&message.head).seq, delta.entries()[0].subject().key16()), (1, Some(key)));
}
