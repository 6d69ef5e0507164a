//! The feed in one file, for where no network leads: what is in it is believed for its signatures.

use hardtack::feed::{
    Bundle, Certificate, Delta, Entry, FeedError, Head, LogHash, Malformed, Snapshot, Subject,
};
use hardtack::keys::{HolderKey, RootKey, TrustedRoots};
use hardtack::model::{Key16, Timestamp};
use hardtack::verify::RevocationView;

use crate::support::{now, rng, root, roots};

const ISSUER: &str = "https://authority.example";

fn key(at: u8) -> Key16 {
    Key16([at; 16])
}

fn entry(subject: Subject) -> Entry {
    Entry::new(subject, now().plus_secs(3600), None, None).unwrap()
}

/// Three entries, the first of them in the snapshot too where there is one.
fn bundle(by_snapshot: bool) -> Bundle {
    let feed = HolderKey::generate(&mut rng(7));
    let before = Subject::Before(Timestamp::from_secs(now().secs() - 60));
    let entries = [entry(Subject::Task(key(1))), entry(before), entry(Subject::Agent(key(3)))];
    let hashes: Vec<LogHash> = entries
        .iter()
        .scan(LogHash::start(4), |hash, entry| {
            *hash = hash.then(entry);
            Some(*hash)
        })
        .collect();
    let subjects = vec![(entries[0].subject(), entries[0].ends())];
    let (file, name) = Snapshot { seq: 1, hash: hashes[0], subjects }.to_bytes();
    let head = Head {
        issuer: ISSUER.to_owned(),
        epoch: 4,
        seq: 3,
        hash: hashes[2],
        time: now(),
        not_after: now().plus_secs(60),
        snapshot: by_snapshot.then_some(name),
        nonce: None,
    };
    let certificate = Certificate {
        issuer: ISSUER.to_owned(),
        key: feed.public(),
        from: now(),
        until: now().plus_secs(86_400),
    };
    let from = usize::from(by_snapshot);
    Bundle {
        keys: vec![certificate.signed(&root()).unwrap()],
        head: head.signed(feed.public(), |bytes| feed.sign(bytes)).unwrap(),
        snapshot: if by_snapshot { file } else { Vec::new() },
        delta: Delta::new(from as u64, entries[from..].to_vec()),
    }
}

#[test]
fn a_bundle_says_what_is_revoked_and_when_that_was() {
    for by_snapshot in [false, true] {
        let bytes = bundle(by_snapshot).to_bytes().unwrap();
        let view = Bundle::from_bytes(&bytes).unwrap().open(&roots()).unwrap();
        assert!(view.is_revoked(&key(1)) && view.is_revoked(&key(3)) && !view.is_revoked(&key(2)));
        assert_eq!((view.len(), view.time()), (2, now()));
        assert_eq!(view.issued_since().secs(), now().secs() - 60);
        let age = |secs| view.age_millis(Timestamp::from_secs(now().secs() + secs - 100));
        assert_eq!((age(100), age(130), age(95)), (Some(0), Some(30_000), Some(0)));
        assert_eq!(age(94), None, "a view from the future");
    }
}

#[test]
fn nobody_can_change_it() {
    for by_snapshot in [false, true] {
        let bytes = bundle(by_snapshot).to_bytes().unwrap();
        let opened = |bytes: &[u8]| Bundle::from_bytes(bytes).ok()?.open(&roots()).ok();
        let read = opened(&bytes).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 4;
            // Where it is still taken it says the same: the names of members and the like.
            if let Some(view) = opened(&other) {
                let said = |view: &hardtack::feed::RevokedAt| {
                    let revoked = [1, 2, 3].map(|at| view.is_revoked(&key(at)));
                    (view.len(), view.time(), view.issued_since(), view.forgets(), revoked)
                };
                assert_eq!(said(&view), said(&read), "byte {at}");
            }
            assert!(opened(&bytes[..at]).is_none(), "cut off at {at}");
        }
        assert_eq!(Bundle::from_bytes(&[&bytes[..], &[0]].concat()).err(), Some(Malformed));
        assert_eq!(Bundle::from_bytes(b"HTB2").err(), Some(Malformed));
    }
}

#[test]
fn what_is_missing_or_vouched_for_by_nobody_is_refused() {
    let refused = |bundle: &Bundle, roots: &TrustedRoots| bundle.open(roots).err();
    let whole = bundle(true);
    let without = Bundle { delta: None, ..whole.clone() };
    assert_eq!(refused(&without, &roots()), Some(FeedError::Gap));
    let without = Bundle { snapshot: Vec::new(), ..whole.clone() };
    assert_eq!(refused(&without, &roots()), Some(FeedError::Gap));
    let other =
        Bundle { snapshot: bundle(true).keys[0].certificate.clone().into(), ..whole.clone() };
    assert_eq!(refused(&other, &roots()), Some(FeedError::Malformed));
    let without = Bundle { keys: Vec::new(), ..whole.clone() };
    assert_eq!(refused(&without, &roots()), Some(FeedError::UnknownKey));
    let others = TrustedRoots::one(RootKey::generate(&mut rng(2)).public());
    assert_eq!(refused(&whole, &others), Some(FeedError::UnknownKey));
    // A certificate of another authority, of another time, and of another key.
    let feed = HolderKey::generate(&mut rng(7));
    let certificate =
        Certificate { issuer: ISSUER.to_owned(), key: feed.public(), from: now(), until: now() };
    let with = |certificate: Certificate| {
        let keys = vec![certificate.signed(&root()).unwrap()];
        refused(&Bundle { keys, ..whole.clone() }, &roots())
    };
    assert_eq!(with(certificate.clone()), None);
    let other = Certificate { issuer: "other".to_owned(), ..certificate.clone() };
    assert_eq!(with(other), Some(FeedError::UnknownKey));
    let later = Certificate { from: now().plus_secs(1), ..certificate.clone() };
    assert_eq!(with(later), Some(FeedError::UnknownKey));
    let earlier = Timestamp::from_secs(now().secs() - 1);
    let ended = Certificate { from: earlier, until: earlier, ..certificate.clone() };
    assert_eq!(with(ended), Some(FeedError::UnknownKey));
    let key = HolderKey::generate(&mut rng(8)).public();
    assert_eq!(with(Certificate { key, ..certificate }), Some(FeedError::UnknownKey));
}

/// A stolen root key vouches for nothing once it is revoked.
#[test]
fn a_revoked_root_vouches_for_no_feed_key() {
    let bundle = bundle(false);
    let mut follower = hardtack::feed::Follower::new(roots(), None);
    follower.learn_keys(&bundle.keys, 0).unwrap();
    let message = hardtack::feed::Message { delta: bundle.delta, head: bundle.head };
    assert_eq!(follower.hear(&message, None, 0), Ok(hardtack::feed::Need::Nothing));
    assert_eq!(follower.hear(&message, None, 0), Ok(hardtack::feed::Need::Nothing));
    follower.table().insert(&Key16::of(&root().public().to_bytes()), u32::MAX);
    assert_eq!(follower.hear(&message, None, 0), Err(FeedError::UnknownKey));
}
