//! A log without a store: as many entries as are wanted, signed, and served over HTTP.

use bytes::Bytes;
use hardtack::fanout::{Answering, Fanout, Source};
use hardtack::feed::{
    Certificate, Delta, Entry, Head, LogHash, Message, Place, SignedCertificate, SignedHead,
    Snapshot, SnapshotName, Subject,
};
use hardtack::keys::{HolderKey, RootKey, TrustedRoots};
use hardtack::model::{Key16, Timestamp};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tokio::net::TcpListener;

use super::Report;

/// A log that has so many entries.
#[derive(Clone)]
pub(super) struct Origin {
    root: RootKey,
    feed: HolderKey,
    place: Place,
    name: SnapshotName,
    pub(super) file: Bytes,
}

pub(super) fn key(rng: &mut StdRng) -> Key16 {
    let mut key = [0; 16];
    rng.fill_bytes(&mut key);
    Key16(key)
}

fn ends() -> Timestamp {
    Timestamp::from_secs(4_000_000_000)
}

impl Origin {
    pub(super) fn with(entries: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let (root, feed) = (RootKey::generate(&mut rng), HolderKey::generate(&mut rng));
        let ends = u32::try_from(ends().secs()).expect("seconds");
        let subjects = (0..entries).map(|_| (Subject::Task(key(&mut rng)), ends)).collect();
        // No reader follows the entries one by one, so any hash will do.
        let hash = if entries == 0 { LogHash::start(1) } else { LogHash([7; 32]) };
        let seq = entries as u64;
        let (file, name) = Snapshot { seq, hash, subjects }.to_bytes();
        let place = Place { epoch: 1, seq, hash };
        Self { root, feed, place, name, file: file.into() }
    }

    pub(super) fn roots(&self) -> TrustedRoots {
        TrustedRoots::one(self.root.public())
    }

    pub(super) fn certificates(&self) -> Vec<SignedCertificate> {
        let certificate = Certificate {
            issuer: "https://authority.example.com".to_owned(),
            key: self.feed.public(),
            from: Timestamp::from_secs(0),
            until: ends(),
        };
        vec![certificate.signed(&self.root).expect("a certificate")]
    }

    pub(super) fn head(&self, place: Place, nonce: Option<String>) -> SignedHead {
        let time = Timestamp::from_secs(1_795_342_500);
        let head = Head {
            issuer: "https://authority.example.com".to_owned(),
            epoch: place.epoch,
            seq: place.seq,
            hash: place.hash,
            time,
            not_after: time.plus_secs(60),
            snapshot: Some(self.name.clone()),
            nonce,
        };
        head.signed(self.feed.public(), |bytes| self.feed.sign(bytes)).expect("a head")
    }

    /// A head that answers a question.
    pub(super) fn answer_to(&self, nonce: &str) -> SignedHead {
        self.head(self.place, Some(nonce.to_owned()))
    }

    pub(super) fn message(&self) -> Message {
        Message { delta: None, head: self.head(self.place, None) }
    }

    /// Serves the log; where.
    pub(super) async fn serve(&self) -> String {
        let fanout = Fanout::new(self.clone(), 1000);
        fanout.set_keys(self.certificates());
        fanout.restart(self.place);
        fanout.add_snapshot(self.name.clone(), self.file.clone());
        fanout.publish(&self.message()).expect("a head is published");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = fanout.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

impl Source for Origin {
    fn answer(&self, nonce: String) -> Answering<'_, SignedHead> {
        Box::pin(async { Some(self.head(self.place, Some(nonce))) })
    }

    fn snapshot(&self, _: LogHash) -> Answering<'_, Bytes> {
        Box::pin(async { None })
    }
}

/// How long what is sent is.
pub(super) fn sizes(report: &mut Report) {
    let mut rng = StdRng::seed_from_u64(2);
    let origin = Origin::with(1000);
    let mut entries = |count: usize, reason: Option<&str>| -> Vec<Entry> {
        let by = "client:01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11";
        let entry = |_| {
            let (reason, by) = (reason.map(str::to_owned), reason.map(|_| by.to_owned()));
            Entry::new(Subject::Task(key(&mut rng)), ends(), reason, by).expect("an entry")
        };
        (0..count).map(entry).collect()
    };
    let delta = |entries: Vec<Entry>| Delta::new(1000, entries).expect("a delta");
    let (plain, told) = (delta(entries(100, None)), delta(entries(100, Some("the run is over"))));
    let one = delta(entries(1, Some("the run is over")));
    let message = |delta: Option<Delta>| {
        let message = Message { delta, head: origin.head(origin.place, None) };
        let text = message.to_json().expect("a message");
        format!("event: message\nid: 1-1000\ndata: {text}\n\n").len()
    };
    report.row(
        "a delta of 100 entries, as a file; with who and why",
        format!("{} bytes; {} bytes", plain.to_bytes().len(), told.to_bytes().len()),
        "",
    );
    let (heartbeat, single) = (message(None), message(Some(one)));
    report.row(
        "heartbeat; one revocation in the stream; 100 in one message",
        format!("{heartbeat}; {single}; {} bytes", message(Some(told.clone()))),
        "",
    );
    report.figures.heartbeat_bytes = heartbeat as f64;
    report.figures.entry_bytes = (message(Some(told)) - heartbeat) as f64 / 100.0;
}
