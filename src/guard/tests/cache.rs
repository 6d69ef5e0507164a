//! What is remembered of tokens, and for how long.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::UnverifiedBiscuit;
use biscuit_auth::builder::BlockBuilder;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{GATEWAY, NOW, key, token_of};
use crate::attenuate::{Narrowing, attenuate, seal};
use crate::decide::Policy;
use crate::guard::{Known, TokenCache, Trust};
use crate::keys::TrustedRoots;
use crate::model::{Code, Timestamp};
use crate::token::UnverifiedToken;

const MEGABYTE: u64 = 1024 * 1024;

fn cache(bytes_max: u64) -> TokenCache {
    let roots = TrustedRoots::one(key().public());
    TokenCache::new(Trust { roots, policy: Policy::standard().unwrap() }, bytes_max)
}

fn find(cache: &TokenCache, token: &UnverifiedToken) -> Arc<Known> {
    cache.find(&token.to_text(), Timestamp::from_secs(NOW)).unwrap()
}

fn child(token: &UnverifiedToken, seed: u64) -> UnverifiedToken {
    let audience = Some(BTreeSet::from([GATEWAY.to_owned()]));
    let narrowing = Narrowing { audience, ..Narrowing::default() };
    attenuate(token, &narrowing, &mut StdRng::seed_from_u64(seed)).unwrap()
}

/// Fifty tokens in use, each asked for now and then among a million others that are no tokens of
/// ours, ten thousand with a signature that does not hold, and two thousand that a holder makes up:
/// genuine, and never used again.
#[test]
fn a_flood_neither_drives_out_nor_grows() {
    // Room for some two hundred tokens.
    let cache = cache(8 * MEGABYTE);
    let used: Vec<_> = (0..50).map(|seed| token_of(&key(), seed)).collect();
    let known: Vec<_> = used.iter().map(|token| find(&cache, token)).collect();
    for _ in 0..20 {
        used.iter().for_each(|token| drop(find(&cache, token)));
    }
    cache.settle();
    let parent = token_of(&key(), 1000);
    let (mut asked, mut hits) = (0, 0);
    for round in 0..100_u32 {
        for n in 0..10_000_u32 {
            let mut bytes = b"\x08".to_vec();
            bytes.extend((round * 10_000 + n).to_be_bytes());
            let text = URL_SAFE.encode(&bytes);
            assert!(cache.find(&text, Timestamp::from_secs(NOW)).is_err());
        }
        for n in 0..100_u32 {
            // Each another signature.
            let mut bytes = parent.as_bytes().to_vec();
            let (number, at) = (round * 100 + n, bytes.len() - 60);
            bytes[at] ^= 1 + (number % 255) as u8;
            bytes[at + 1] ^= (number / 255) as u8;
            let error = cache.find(&URL_SAFE.encode(&bytes), Timestamp::from_secs(NOW));
            assert_eq!(error.unwrap_err().code, Code::SignatureInvalid);
        }
        for n in 0..20 {
            find(&cache, &child(&parent, (round * 20 + n).into()));
        }
        for (token, known) in used.iter().zip(&known) {
            asked += 1;
            hits += usize::from(Arc::ptr_eq(&find(&cache, token), known));
        }
        cache.settle();
        assert!(cache.size_bytes() <= 8 * MEGABYTE, "{}", cache.size_bytes());
    }
    assert!(hits * 100 > asked * 95, "{hits} of {asked}");
}

#[test]
fn many_that_ask_at_once_share_one_answer() {
    let cache = cache(8 * MEGABYTE);
    for seed in 0..20 {
        let text = token_of(&key(), seed).to_text();
        let barrier = Barrier::new(8);
        let ask = || {
            barrier.wait();
            cache.find(&text, Timestamp::from_secs(NOW)).unwrap()
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(found.iter().all(|known| Arc::ptr_eq(known, &found[0])));
    }
}

/// What a relative proved is taken from it: the blocks in common are the very same.
#[test]
fn relatives_share_what_they_have_in_common() {
    let cache = cache(4 * MEGABYTE);
    let parent = child(&token_of(&key(), 1), 1);
    let (one, two) = (child(&parent, 2), child(&parent, 3));
    let first = find(&cache, &one);
    let shares = |known: &Known, blocks: usize| {
        let pairs = first.authentic().blocks().iter().zip(known.authentic().blocks());
        pairs.take_while(|(a, b)| Arc::ptr_eq(a, b)).count() == blocks
    };
    assert!(shares(&find(&cache, &two), 2));
    assert!(shares(&find(&cache, &parent), 2));
    assert!(shares(&find(&cache, &seal(&one).unwrap()), 3));
    assert!(shares(&find(&cache, &child(&one, 4)), 3));
    assert!(shares(&find(&cache, &token_of(&key(), 2)), 0));
}

/// What a thread remembers by itself keeps no token alive, and tells the cache of its use.
#[test]
fn a_thread_remembers_no_longer_than_the_cache() {
    let cache = cache(4 * MEGABYTE);
    let token = token_of(&key(), 1);
    let known = Arc::downgrade(&find(&cache, &token));
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&find(&cache, &token), &known.upgrade().unwrap()));
    }
    cache.forget();
    // The cache takes its time to let go.
    let is_gone = |seed| {
        find(&cache, &token_of(&key(), seed));
        cache.settle();
        known.upgrade().is_none()
    };
    assert!((2..200).any(is_gone));
}

#[test]
fn a_cache_without_room_still_answers() {
    let cache = cache(0);
    let token = token_of(&key(), 1);
    for token in [&token, &child(&token, 1)] {
        assert!(!Arc::ptr_eq(&find(&cache, token), &find(&cache, token)));
    }
}

#[test]
fn a_token_is_forgotten_at_its_end() {
    let cache = cache(4 * MEGABYTE);
    let text = token_of(&key(), 1).to_text();
    // Fifty milliseconds before: the cache's own clock is real.
    let end = NOW + crate::model::limits::TOKEN_TTL_SECS_DEFAULT;
    let last = Timestamp::from_millis(end * 1000 - 50);
    let known = cache.find(&text, last).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(80));
    assert!(!Arc::ptr_eq(&cache.find(&text, last).unwrap(), &known));
}

/// What a token takes while it is remembered is no more than what it is taken for.
#[test]
fn a_token_weighs_what_it_takes() {
    let repeat =
        |count: usize, item: &dyn Fn(usize) -> String| -> String { (0..count).map(item).collect() };
    let list = |count: usize| repeat(count, &|n| format!("{}, ", n % 100));
    let regexes = |regex: &str| {
        repeat(3, &|n| {
            format!("check if \"a\".matches(\"{}\");", regex.replace('N', &n.to_string()))
        })
    };
    let blocks = [
        "check if true".to_owned(),
        repeat(32, &|n| format!("check if arg_at(\"a{n}\", $x), $x == {n};")),
        repeat(64, &|n| format!("f({n}, {n}, {n}, {n}, {n}, {n}, {n}, {n});")),
        repeat(64, &|n| format!("r{n}($x) <- r{}($x), call($a, $b), $x == 1;", n + 1)),
        repeat(8, &|n| format!("f({n}, [{}0]);", list(200))),
        repeat(8, &|n| format!("f({n}, {{{}}});", repeat(200, &|n| format!("{n}, ")) + "900")),
        repeat(8, &|n| format!("f({n}, {{{}}});", repeat(99, &|n| format!("{n}: 1, ")) + "900: 1")),
        repeat(8, &|n| format!("check if [{}1] != [], {n} == {n};", list(100))),
        repeat(30, &|n| format!("check if {}{n} > 1;", repeat(25, &|_| "1 + ".to_owned()))),
        repeat(9, &|n| format!("check if {}true;", repeat(20, &|_| format!("{n} == 1 || ")))),
        repeat(16, &|n| format!("check if {}true;", repeat(15, &|_| format!("call({n}, $x) or ")))),
        regexes("(?:a?b?c?){30}N"),
        regexes("(?i)[a-y]{40}N"),
        regexes("\\\\wN"),
        regexes("[a-y]{40}(a|b|ab)*yN"),
        format!("f(\"{}\");", "x".repeat(8_000)),
    ];
    let nothing_kept = cache(0);
    for (place, block) in blocks.iter().enumerate() {
        let block = BlockBuilder::new().code(block).unwrap();
        let parent = UnverifiedBiscuit::from(token_of(&key(), 1).as_bytes()).unwrap();
        let text = URL_SAFE.encode(parent.append(block).unwrap().to_vec().unwrap());
        let make = || nothing_kept.known_with_weight(&text, Timestamp::from_secs(NOW));
        // The first time, the thread makes room that it keeps.
        drop(make());
        let mut known = None;
        let taken = allocation_counter::measure(|| known = Some(make()));
        let weight = known.unwrap().1;
        assert!(taken.bytes_current <= i64::from(weight), "{place}: {taken:?}, {weight}");
    }
}
