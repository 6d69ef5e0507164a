//! The revocation feed as values: one encoding, one hash, one way forward, and an exact table.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hardtack::feed::{Delta, Entry, FeedError, Head, LogHash, Malformed, Snapshot, Subject, Table};
use hardtack::keys::{HolderKey, RootKey};
use hardtack::model::{Key16, Timestamp};
use proptest::prelude::*;
use rand::{Rng, RngCore};

use crate::generators::{cases_up_to, seeded};
use crate::support::rng;

fn key(r: &mut impl RngCore) -> Key16 {
    let mut key = [0; 16];
    r.fill_bytes(&mut key);
    Key16(key)
}

fn subject(r: &mut impl RngCore) -> Subject {
    match r.gen_range(0..6) {
        0 => Subject::Block(key(r)),
        1 => Subject::Task(key(r)),
        2 => Subject::Agent(key(r)),
        3 => Subject::Root(key(r)),
        4 => Subject::Holder(key(r)),
        _ => Subject::Before(Timestamp::from_secs(r.gen_range(0..2_000_000_000))),
    }
}

fn entry(r: &mut impl RngCore) -> Entry {
    let mut text = || match r.gen_range(0..3) {
        0 => None,
        1 => Some("lost".to_owned()),
        _ => Some("é\u{1f980}".repeat(r.gen_range(1..80))),
    };
    let (reason, by) = (text(), text());
    let ends = Timestamp::from_millis(r.gen_range(0..5_000_000_000_000));
    Entry::new(subject(r), ends, reason, by).unwrap()
}

fn entries(r: &mut impl RngCore) -> Vec<Entry> {
    (0..r.gen_range(1..40)).map(|_| entry(r)).collect()
}

fn head(seq: u64, hash: LogHash) -> Head {
    Head {
        issuer: "https://authority.example".to_owned(),
        epoch: 1,
        seq,
        hash,
        time: Timestamp::from_secs(1_800_000_000),
        not_after: Timestamp::from_secs(1_800_000_060),
        snapshot: None,
        nonce: None,
    }
}

proptest! {
    #![proptest_config(cases_up_to(300, 3000))]

    #[test]
    fn a_delta_has_one_encoding_and_one_hash(seed: u64) {
        let mut r = seeded(seed);
        let (from, entries) = (r.gen_range(0..1_000_000), entries(&mut r));
        let delta = Delta::new(from, entries.clone()).unwrap();
        let bytes = delta.to_bytes();
        prop_assert_eq!(Delta::from_bytes(&bytes), Ok(delta.clone()));
        let start = LogHash::start(1);
        let whole = delta.hash_after(start);
        // In two steps it is the same log.
        let (left, right) = entries.split_at(r.gen_range(0..entries.len()));
        let after = |hash, part: &[Entry]| {
            Delta::new(0, part.to_vec()).map_or(hash, |delta| delta.hash_after(hash))
        };
        prop_assert_eq!(after(after(start, left), right), whole);
        // Any other bytes are no file, or another log.
        let mut other = bytes.clone();
        let at = r.gen_range(0..bytes.len());
        other[at] ^= 1 << r.gen_range(0..8);
        if let Ok(read) = Delta::from_bytes(&other) {
            prop_assert_eq!(read.to_bytes(), other);
            prop_assert!(read.from() != from || read.hash_after(start) != whole);
        }
        prop_assert_eq!(Delta::from_bytes(&bytes[..at]), Err(Malformed));
        prop_assert_eq!(Delta::from_bytes(&[&bytes[..], &[0]].concat()), Err(Malformed));
    }

    #[test]
    fn entries_dropped_doubled_or_swapped_do_not_reach_the_head(seed: u64) {
        let mut r = seeded(seed);
        let entries = entries(&mut r);
        let start = LogHash::start(1);
        let delta = Delta::new(7, entries.clone()).unwrap();
        let head = head(delta.to(), delta.hash_after(start));
        prop_assert_eq!(head.reached_by(7, start, &delta), Ok(()));
        prop_assert_eq!(head.reached_by(6, start, &delta), Err(FeedError::Gap));
        prop_assert!(head.reached_by(7, LogHash::start(2), &delta).is_err());
        let at = r.gen_range(0..entries.len());
        let mut changed = entries.clone();
        match r.gen_range(0..3) {
            0 => drop(changed.remove(at)),
            1 => changed.insert(at, entries[at].clone()),
            _ => changed.rotate_left(1),
        }
        if let Some(delta) = Delta::new(7, changed.clone()).filter(|_| changed != entries) {
            prop_assert!(head.reached_by(7, start, &delta).is_err());
        }
    }

    #[test]
    fn a_snapshot_is_the_file_of_its_name(seed: u64) {
        let mut r = seeded(seed);
        let count = r.gen_range(0..50);
        let subjects = (0..count).map(|_| (subject(&mut r), r.next_u32())).collect();
        let snapshot = Snapshot { seq: r.next_u64(), hash: LogHash([7; 32]), subjects };
        let (bytes, name) = snapshot.to_bytes();
        prop_assert_eq!((name.seq, name.bytes), (snapshot.seq, bytes.len() as u64));
        prop_assert_eq!(Snapshot::from_bytes(&bytes, &name), Ok(snapshot));
        let mut other = bytes.clone();
        other[r.gen_range(0..bytes.len())] ^= 1;
        prop_assert_eq!(Snapshot::from_bytes(&other, &name), Err(Malformed));
    }

    #[test]
    fn the_table_holds_what_a_map_holds(seed: u64) {
        let mut r = seeded(seed);
        let mut table = Table::with_room(r.gen_range(0..100));
        let mut map: HashMap<Key16, u32> = HashMap::new();
        // Few first halves, so that many keys want the same place.
        let near = |r: &mut rand::rngs::StdRng| {
            let mut key = key(r);
            if r.gen_bool(0.7) {
                key.0[..8].copy_from_slice(&[r.gen_range(0..3) * 127; 8]);
            }
            if r.gen_bool(0.3) {
                key.0[8..].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, r.gen_range(0..3)]);
            }
            key
        };
        for _ in 0..r.gen_range(0..400) {
            let (key, ends) = (near(&mut r), r.gen_range(0..100));
            if !table.insert(&key, ends) {
                prop_assert_eq!(table.len(), table.room());
                table = table.grown(r.gen_range(1..100), 0);
                prop_assert!(table.insert(&key, ends));
            }
            let known = map.entry(key).or_default();
            *known = ends.max(*known);
        }
        let now = r.gen_range(0..100);
        let later = table.grown(0, u64::from(now));
        for (key, ends) in &map {
            prop_assert!(table.contains(key));
            prop_assert_eq!(later.contains(key), *ends >= now);
        }
        for _ in 0..400 {
            let key = near(&mut r);
            prop_assert_eq!(table.contains(&key), map.contains_key(&key));
        }
    }
}

#[test]
fn a_head_moves_forward_alone() {
    let hash = |n: u8| LogHash([n; 32]);
    let seen = Head { epoch: 2, ..head(5, hash(1)) };
    let at = |secs: u64| Timestamp::from_secs(1_800_000_000 + secs);
    let next = Head { time: at(1), ..seen.clone() };
    let check = |next: Head| next.follows(&seen);
    assert_eq!(check(seen.clone()), Ok(()));
    assert_eq!(check(next.clone()), Ok(()));
    // Another feed key may have another time.
    assert_eq!(check(Head { time: Timestamp::from_secs(1), ..seen.clone() }), Ok(()));
    assert_eq!(check(Head { seq: 6, hash: hash(2), ..next.clone() }), Ok(()));
    assert_eq!(check(Head { epoch: 3, seq: 0, hash: hash(2), ..next.clone() }), Ok(()));
    for (other, error) in [
        (Head { seq: 4, hash: hash(2), ..next.clone() }, FeedError::Rollback),
        (Head { hash: hash(2), ..next.clone() }, FeedError::Equivocation),
        (Head { epoch: 1, seq: 9, ..next.clone() }, FeedError::Rollback),
        (Head { issuer: "other".to_owned(), seq: 9, ..next }, FeedError::OtherIssuer),
    ] {
        assert_eq!(check(other.clone()), Err(error), "{other:?}");
    }
}

#[test]
fn a_head_is_believed_for_its_signature() {
    let (feed, other) = (HolderKey::generate(&mut rng(1)), HolderKey::generate(&mut rng(2)));
    let head = head(5, LogHash([1; 32]));
    let signed = head.signed(feed.public(), |bytes| feed.sign(bytes)).unwrap();
    let open = |signed: &hardtack::feed::SignedHead| signed.open(|key| *key == feed.public());
    assert_eq!(open(&signed), Ok(head.clone()));
    let by_other = head.signed(other.public(), |bytes| other.sign(bytes)).unwrap();
    assert_eq!(open(&by_other), Err(FeedError::UnknownKey));
    let mut posing = by_other.clone();
    posing.key = feed.public();
    assert_eq!(open(&posing), Err(FeedError::Signature));
    let mut changed = signed.clone();
    changed.head = changed.head.replace("\"seq\":5", "\"seq\":6");
    assert_eq!(open(&changed), Err(FeedError::Signature));
    // A root key's signature of the same text is for something else.
    let root = RootKey::generate(&mut rng(3));
    let bare = hardtack::feed::SignedHead {
        signature: hex::encode(root.sign(signed.head.as_bytes())),
        key: root.public(),
        ..signed
    };
    assert_eq!(bare.open(|_| true), Err(FeedError::Signature));
}

#[test]
fn texts_of_an_entry_are_plain() {
    let make = |reason: &str| {
        let (subject, ends) = (Subject::Block(Key16([1; 16])), Timestamp::from_secs(1));
        Entry::new(subject, ends, Some(reason.to_owned()), None)
    };
    assert!(make("lost").is_some() && make(&"x".repeat(512)).is_some());
    for text in ["", "a\nb", &"x".repeat(513)] {
        assert_eq!(make(text), None);
    }
    // A part of a second counts as a whole one: nothing is forgotten early.
    let ends = Timestamp::from_millis(1001);
    assert_eq!(Entry::new(Subject::Block(Key16([1; 16])), ends, None, None).unwrap().ends(), 2);
}

#[test]
fn an_entry_takes_at_most_forty_bytes() {
    for keys in [1000, 4096, 100_000, 1_000_001] {
        let mut r = rng(keys);
        let mut table = Table::with_room(0);
        for _ in 0..keys {
            let key = key(&mut r);
            while !table.insert(&key, 1) {
                table = table.grown(table.len() * 2 / 5 + 16, 0);
            }
            assert!(table.bytes() <= 40 * table.len().max(1000), "{} keys", table.len());
        }
    }
}

/// Readers find every key that was added before they looked, and none that never was.
#[test]
fn readers_and_the_writer_do_not_wait_for_each_other() {
    let mut r = rng(1);
    let keys: Vec<Key16> = (0..60_000).map(|_| key(&mut r)).collect();
    let others: Vec<Key16> = (0..1000).map(|_| key(&mut r)).collect();
    let (table, added) = (Table::with_room(keys.len()), AtomicUsize::new(0));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (table, added, over, keys, others) = (&table, &added, &over, &keys, &others);
            scope.spawn(move || {
                let mut r = rng(100 + seed);
                while !over.load(Ordering::Relaxed) {
                    let known = added.load(Ordering::Acquire);
                    for _ in 0..50 {
                        let at = r.gen_range(0..keys.len());
                        let found = table.contains(&keys[at]);
                        assert!(found || at >= known, "{at} of {known} was lost");
                    }
                    assert!(!table.contains(&others[r.gen_range(0..others.len())]));
                }
            });
        }
        for (at, key) in keys.iter().enumerate() {
            assert!(table.insert(key, 1));
            added.store(at + 1, Ordering::Release);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(table.len(), keys.iter().collect::<HashSet<_>>().len());
}
