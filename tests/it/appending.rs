//! What is appended is, byte for byte, what the reference library would append.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use biscuit_auth::builder::{Algorithm, BlockBuilder, Check, Fact, MapKey, Predicate, Scope, Term};
use biscuit_auth::format::schema;
use biscuit_auth::{Biscuit, KeyPair, PublicKey, UnverifiedBiscuit};
use hardtack::attenuate::{AttenuateError, Narrowing, attenuate, delegate, seal};
use hardtack::keys::VerifyingKey;
use hardtack::model::Block;
use hardtack::token::UnverifiedToken;
use hardtack::vocabulary::{Datalog, compile, frame};
use proptest::prelude::*;
use prost::Message;
use rand::Rng;
use rand::rngs::StdRng;

use crate::engine_programs::Generated;
use crate::generators::{cases_up_to, grant, seeded};
use crate::holders::{bound, delegation, holder, private, signed_by};
use crate::support::{now, rng, root};

/// How many blocks were compared, and how many of them were refused.
static COMPARED: AtomicU32 = AtomicU32::new(0);
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// What a narrowing takes away, as the reference library is told.
fn builder(narrowing: &Narrowing) -> BlockBuilder {
    let mut checks: Vec<Check> = Vec::new();
    if !narrowing.grants.is_empty() {
        checks.push(compile::check(&narrowing.grants).unwrap());
    }
    checks.extend(narrowing.expires.map(frame::expiry));
    checks.extend(narrowing.audience.as_ref().map(frame::audience));
    checks.extend(narrowing.depth.map(frame::depth));
    checks.extend(narrowing.datalog.checks.iter().cloned());
    let (facts, rules) = (narrowing.datalog.facts.clone(), narrowing.datalog.rules.clone());
    BlockBuilder { facts, rules, checks, ..BlockBuilder::new() }
}

fn root_key() -> PublicKey {
    root().public().to_biscuit().unwrap()
}

fn their_append(token: &UnverifiedToken, narrowing: &Narrowing, rng: &mut StdRng) -> Vec<u8> {
    let next = KeyPair::new_with_rng(Algorithm::Ed25519, rng);
    let biscuit = UnverifiedBiscuit::from(token.as_bytes()).unwrap();
    biscuit.append_with_keypair(&next, builder(narrowing)).unwrap().to_vec().unwrap()
}

fn their_delegate(
    token: &UnverifiedToken,
    (from, to): (u64, u64),
    narrowing: &Narrowing,
    rng: &mut StdRng,
) -> Vec<u8> {
    let key = Term::Bytes(holder(to).public().to_bytes().to_vec());
    let fact = Fact::new("delegate".to_owned(), vec![key, Term::Str(format!("agent:{to}"))]);
    let block = builder(narrowing).fact(fact).unwrap();
    // `UnverifiedBiscuit` takes no third party's block that names a key of an earlier block.
    let biscuit = Biscuit::from(token.as_bytes(), root_key()).unwrap();
    let signer = holder(from);
    let request = biscuit.third_party_request().unwrap();
    let signed = request.create_block(&private(&signer), block).unwrap();
    let next = KeyPair::new_with_rng(Algorithm::Ed25519, rng);
    let signer = signer.public().to_biscuit().unwrap();
    let biscuit = biscuit.append_third_party_with_keypair(signer, signed, next);
    biscuit.unwrap().to_vec().unwrap()
}

fn their_seal(token: &UnverifiedToken) -> Vec<u8> {
    let sealed = UnverifiedBiscuit::from(token.as_bytes()).unwrap().seal();
    sealed.unwrap().to_vec().unwrap()
}

/// A random narrowing: grants, frames, and Datalog of every kind.
fn narrowing(r: &mut StdRng) -> Narrowing {
    let mut narrowing = Narrowing { depth: Some(r.gen_range(0..16)), ..Narrowing::default() };
    if r.gen_bool(0.6) {
        narrowing.grants = (0..r.gen_range(1..3)).map(|_| grant(r).1).collect();
    }
    if r.gen_bool(0.3) {
        narrowing.expires = Some(now().plus_secs(r.gen_range(0..9000)));
        narrowing.audience = Some(["gw", "read", "other"].map(str::to_owned).into());
    }
    if r.gen_bool(0.7) {
        let generated = Generated::new(r.r#gen());
        let Block { facts, rules, checks, .. } = generated.blocks[0].clone();
        narrowing.datalog = Datalog { facts, rules, checks, ..Datalog::default() };
        // Words of the vocabulary are refused before anything is written.
        let stated = &mut narrowing.datalog;
        stated.facts.iter_mut().for_each(|fact| fact.predicate.name.insert_str(0, "my_"));
        stated.rules.iter_mut().for_each(|rule| rule.head.name.insert_str(0, "my_"));
    }
    narrowing
}

/// The token that both ways make, if it is one that is read.
fn same(
    ours: Result<UnverifiedToken, AttenuateError>,
    theirs: Vec<u8>,
) -> Result<Option<UnverifiedToken>, TestCaseError> {
    COMPARED.fetch_add(1, Ordering::Relaxed);
    match (ours, UnverifiedToken::from_bytes(theirs.clone())) {
        (Ok(ours), Ok(read)) => {
            prop_assert_eq!(ours.as_bytes(), &theirs);
            prop_assert_eq!(ours.blocks(), read.blocks());
            prop_assert_eq!(ours.revocation_ids(), read.revocation_ids());
            prop_assert_eq!(ours.chain(), read.chain());
            let biscuit = Biscuit::from(&theirs, root_key());
            prop_assert!(biscuit.is_ok(), "{:?}", biscuit.err());
            Ok(Some(ours))
        }
        (Err(ours), Err(theirs)) => {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            prop_assert_eq!(ours, AttenuateError::Refused(theirs.to_string()));
            Ok(None)
        }
        (ours, theirs) => Err(TestCaseError::fail(format!("{ours:?} {theirs:?}"))),
    }
}

proptest! {
    #![proptest_config(cases_up_to(200, 2000))]

    #[test]
    fn chains_are_what_the_reference_library_makes(seed: u64) {
        let mut r = seeded(seed);
        let (mut token, mut held_by) = (bound(), 0);
        for _ in 0..r.gen_range(1..6) {
            let (narrowing, next) = (narrowing(&mut r), r.r#gen());
            if !narrowing.grants.is_empty() && compile::check(&narrowing.grants).is_err() {
                // Grants that are too much for one check: there is no block to compare.
                let refused = attenuate(&token, &narrowing, &mut rng(next)).unwrap_err();
                prop_assert!(matches!(refused, AttenuateError::Compile(_)), "{refused}");
                continue;
            }
            let result = match r.gen_range(0..5) {
                0 | 1 => same(
                    attenuate(&token, &narrowing, &mut rng(next)),
                    their_append(&token, &narrowing, &mut rng(next)),
                )?,
                2 | 3 => {
                    let (from, to) = (held_by, held_by + 1);
                    let (name, key) = (format!("agent:{to}"), holder(to).public());
                    let made = delegate(
                        &token, &holder(from), &key, &name, &narrowing, &mut rng(next),
                    );
                    let made = same(made, their_delegate(&token, (from, to), &narrowing, &mut rng(next)))?;
                    held_by += u64::from(made.is_some());
                    made
                }
                _ => Some(signed_by(&token, &holder(99), "theirs(\"other\", \"words\", \"my_int\");")),
            };
            let Some(child) = result else { continue };
            for (known, shared) in token.blocks().iter().zip(child.blocks()) {
                prop_assert!(*known == *shared);
            }
            same(seal(&child), their_seal(&child))?;
            token = child;
        }
        let (compared, refused) =
            (COMPARED.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
        prop_assert!(compared < 500 || refused * 4 < compared, "{refused} of {compared} refused");
    }
}

#[test]
fn blocks_that_were_read_are_not_read_again() {
    let token = bound();
    let nothing = Narrowing::default();
    let to = holder(1).public();
    let child = delegate(&token, &holder(0), &to, "agent", &nothing, &mut rng(1)).unwrap();
    assert!(Arc::ptr_eq(&token.blocks()[0], &child.blocks()[0]));
    assert!(Arc::ptr_eq(&child.blocks()[1], &seal(&child).unwrap().blocks()[1]));
}

/// A narrowing that holds this fact, handed on.
fn handed_with(change: impl FnOnce(&mut Datalog)) -> Result<UnverifiedToken, AttenuateError> {
    let mut narrowing = Narrowing::default();
    change(&mut narrowing.datalog);
    let result = attenuate(&bound(), &narrowing, &mut rng(1));
    let to = holder(1).public();
    let handed = delegate(&bound(), &holder(0), &to, "agent", &narrowing, &mut rng(1));
    assert_eq!(result.err(), handed.as_ref().err().cloned());
    handed
}

fn fact(term: Term) -> Fact {
    Fact::new("my".to_owned(), vec![term])
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let refused = |what: &str, change: &dyn Fn(&mut Datalog)| {
        let error = handed_with(change).unwrap_err();
        assert_eq!(error, AttenuateError::Refused(format!("block 1 {what}")));
    };
    let open = || Term::Parameter("open".to_owned());
    let key = MapKey::Parameter("open".to_owned());
    for term in [open(), Term::Array(vec![open()]), Term::Map([(key, Term::Null)].into())] {
        refused("has an open parameter", &|datalog| datalog.facts.push(fact(term.clone())));
    }
    let check = |scope: Scope| {
        let mut check = Check::try_from("check if true").unwrap();
        check.queries[0].scopes.push(scope);
        check
    };
    refused("has an open parameter", &|datalog| {
        datalog.checks.push(check(Scope::Parameter("open".to_owned())));
    });
    refused("has a key or signature that is not ed25519", &|datalog| {
        let other = KeyPair::new_with_rng(Algorithm::Secp256r1, &mut rng(1));
        datalog.checks.push(check(Scope::PublicKey(other.public())));
    });
    let nested = |depth| (0..depth).fold(Term::Integer(1), |term, _| Term::Array(vec![term]));
    assert!(handed_with(|datalog| datalog.facts.push(fact(nested(8)))).is_ok());
    for depth in [9, 500] {
        refused("nests collections or closures too deeply", &|datalog| {
            datalog.facts.push(fact(nested(depth)));
        });
    }
    refused("holds more than 64 facts", &|datalog| {
        datalog.facts = (0..65).map(|n| fact(Term::Integer(n))).collect();
    });
    refused("states a fact with a variable", &|datalog| {
        datalog.facts.push(fact(Term::Variable("open".to_owned())));
    });
    refused("has a rule whose head has a variable that its body does not", &|datalog| {
        let head = Predicate::new("my".to_owned(), vec![Term::Variable("open".to_owned())]);
        datalog.rules.push(biscuit_auth::builder::Rule::new(head, vec![], vec![], vec![]));
    });
}

/// What another key would sign, no verifier takes.
#[test]
fn a_token_that_ends_with_another_key_is_not_appended_to() {
    let mut wire = schema::Biscuit::decode(bound().as_bytes()).unwrap();
    wire.proof.content = Some(schema::proof::Content::NextSecret(vec![7; 32]));
    let token = UnverifiedToken::from_bytes(wire.encode_to_vec()).unwrap();
    let (to, by) = (holder(1).public(), holder(0));
    let narrowing = Narrowing { depth: Some(3), ..Narrowing::default() };
    let what = "the token ends without the key of its last block".to_owned();
    for result in [
        attenuate(&token, &narrowing, &mut rng(1)),
        delegate(&token, &by, &to, "agent", &narrowing, &mut rng(1)),
        seal(&token),
    ] {
        assert_eq!(result.unwrap_err(), AttenuateError::Refused(what.clone()));
    }
}

/// A key above the field's prime is a point of the curve, and has another encoding.
#[test]
fn a_key_in_a_second_encoding_is_not_delegated_to() {
    let above = (0xed..=0xff_u8).filter_map(|first| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (first, 0x7f);
        VerifyingKey::from_bytes(&bytes).ok()
    });
    let mut met = 0;
    for key in above {
        let nothing = Narrowing::default();
        let error = delegate(&bound(), &holder(0), &key, "agent", &nothing, &mut rng(1));
        let what = "block 1 hands the token on to a key that is not usable".to_owned();
        assert_eq!(error.unwrap_err(), AttenuateError::Refused(what));
        met += 1;
    }
    assert!(met > 0);
}

#[test]
fn a_token_whose_blocks_make_no_chain_is_not_appended_to() {
    let token = signed_by(&bound(), &holder(9), &delegation(9));
    let narrowing = Narrowing { depth: Some(3), ..Narrowing::default() };
    let what = "block 1 hands the token on and is signed by somebody who does not hold it";
    for result in [
        attenuate(&token, &narrowing, &mut rng(1)),
        delegate(&token, &holder(9), &holder(1).public(), "agent", &narrowing, &mut rng(1)),
    ] {
        assert_eq!(result.unwrap_err(), AttenuateError::Refused(what.to_owned()));
    }
}

#[test]
fn the_next_key_is_drawn_from_the_numbers_given() {
    let (to, by) = (holder(1).public(), holder(0));
    let made = |seed| {
        delegate(&bound(), &by, &to, "agent", &Narrowing::default(), &mut rng(seed)).unwrap()
    };
    assert_eq!(made(1).as_bytes(), made(1).as_bytes());
    assert_ne!(made(1).as_bytes(), made(2).as_bytes());
}
