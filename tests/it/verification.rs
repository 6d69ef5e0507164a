//! Our own check of signatures and blocks against the reference library's.

use biscuit_auth::builder::Algorithm;
use biscuit_auth::format::schema;
use biscuit_auth::{Biscuit, PublicKey, UnverifiedBiscuit};
use hardtack::keys::{TrustedRoots, VerifyingKey};
use hardtack::model::{Block, Code};
use hardtack::token::{Envelope, UnverifiedToken};
use hardtack::verify::{authenticate, authenticate_like};
use proptest::prelude::*;
use prost::Message;
use rand::Rng;

use crate::engine_programs::Generated;
use crate::engine_support::readable_blocks;
use crate::generators::{cases_up_to, seeded};
use crate::support::*;
use crate::wire_mutation as mutate;

/// What the reference library finds out when it evaluates a block, if at all.
const OF_OUR_OWN: &[&str] = &[
    "has an expression that does not add up",
    "has a rule whose head has a variable that its body does not",
    "uses a variable that nothing binds",
    "has a closure that hides a variable",
    "has a closure of more than one parameter",
    "states a fact with a variable",
    "has a variable inside a collection",
    "has a check without a query",
    "has a date after 9999",
];

/// What became of a token's signatures; its words are another matter.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// They hold.
    Genuine,
    /// They do not, or the token is malformed.
    Refused,
    /// Beyond a limit that is ours alone.
    Limit,
}

fn ours(bytes: &[u8], root: PublicKey) -> Verdict {
    let root = VerifyingKey::from_bytes(&root.to_bytes()).unwrap();
    // Whatever identifier a token names, the one key there is.
    let named = Envelope::from_bytes(bytes.to_vec()).ok().and_then(|e| e.root_key_id());
    let mut roots = TrustedRoots::one(root).iter().next().unwrap().clone();
    roots.id = named.unwrap_or(roots.id);
    let roots = TrustedRoots::new([roots]);
    let code = match UnverifiedToken::from_bytes(bytes.to_vec()) {
        Err(error) if OF_OUR_OWN.iter().any(|what| error.message.ends_with(what)) => {
            return Verdict::Limit;
        }
        Err(error) => error.code,
        Ok(token) => match authenticate(token, &roots) {
            Ok(_) => return Verdict::Genuine,
            Err(reason) => reason.code,
        },
    };
    match code {
        Code::VocabularyUnknown => Verdict::Genuine,
        Code::TokenMalformed | Code::SignatureInvalid => Verdict::Refused,
        Code::TokenTooComplex | Code::TokenTooLarge | Code::ChainTooLong => Verdict::Limit,
        other => panic!("{other}"),
    }
}

/// What the reference library makes of it, and of each block; refused where the bytes are not the
/// ones its own encoder would write.
fn theirs(bytes: &[u8], root: PublicKey) -> Option<Vec<Block>> {
    let token = Biscuit::from(bytes, root).ok()?;
    let wire = schema::Biscuit::decode(bytes).ok()?;
    let signed: Vec<_> = std::iter::once(&wire.authority).chain(&wire.blocks).collect();
    let mut canonical = wire.encode_to_vec() == bytes;
    for block in &signed {
        let message = schema::Block::decode(block.block.as_slice()).ok()?;
        let mut symbols = message.symbols.clone();
        symbols.sort();
        symbols.dedup();
        canonical &= message.encode_to_vec() == block.block
            && symbols.len() == message.symbols.len()
            && block.version != Some(0)
            && block.next_key.algorithm == 0
            && message.public_keys.iter().all(|key| key.algorithm == 0)
            && block.external_signature.as_ref().is_none_or(|e| e.public_key.algorithm == 0);
    }
    if canonical { readable_blocks(&token) } else { None }
}

fn alike(bytes: &[u8], root: PublicKey) -> Result<Verdict, TestCaseError> {
    let (ours, theirs) = (ours(bytes, root), theirs(bytes, root));
    match &ours {
        Verdict::Genuine => prop_assert!(theirs.is_some(), "accepted here alone"),
        Verdict::Refused => prop_assert!(theirs.is_none(), "accepted there alone"),
        Verdict::Limit => return Ok(ours),
    }
    if let Some(theirs) = theirs {
        let token = UnverifiedToken::from_bytes(bytes.to_vec()).unwrap();
        let read: Vec<Block> = token.blocks().iter().map(|block| (**block).clone()).collect();
        prop_assert_eq!(read, theirs);
    }
    Ok(ours)
}

fn sealed(bytes: &[u8]) -> Vec<u8> {
    UnverifiedBiscuit::from(bytes).unwrap().seal().unwrap().to_vec().unwrap()
}

proptest! {
    #![proptest_config(cases_up_to(300, 2000))]

    #[test]
    fn tokens_are_judged_alike(seed: u64) {
        let (bytes, root) = Generated::new(seed).signed();
        for bytes in [sealed(&bytes), bytes] {
            alike(&bytes, root)?;
            let mut rng = seeded(seed);
            for _ in 0..4 {
                let changed = mutate::bytes(&mut rng, bytes.clone());
                alike(&changed, root)?;
                let changed = mutate::token(&mut rng, &bytes);
                alike(&changed, root)?;
            }
        }
    }

    #[test]
    fn blocks_are_read_alike(seed: u64) {
        let mut rng = seeded(seed);
        let (base, root) = if rng.r#gen() { Generated::new(seed).signed() } else { wordless() };
        let (other, _) = Generated::new(seed.wrapping_add(1)).signed();
        let other = schema::Biscuit::decode(&other[..]).unwrap().authority.block;
        let third_party = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
        for _ in 0..4 {
            let changed = match rng.gen_range(0..3) {
                0 => mutate::bytes(&mut rng, other.clone()),
                1 => mutate::block(&mut rng, &other),
                _ => { let once = mutate::block(&mut rng, &other); mutate::block(&mut rng, &once) }
            };
            for (version, third_party) in [
                (None, None), (Some(0), None), (Some(1), None), (Some(2), None),
                (Some(1), Some(&third_party)), (None, Some(&third_party)),
            ] {
                let bytes = mutate::append(&base, changed.clone(), version, third_party);
                alike(&bytes, root)?;
                alike(&sealed_raw(&bytes), root)?;
            }
        }
    }

    /// What is known of a relative changes no verdict, whatever the relative.
    #[test]
    fn relatives_change_no_verdict(seed: u64) {
        let mut rng = seeded(seed);
        let mut family = vec![token(r#"[{"tool": "crm/get"}, {"tool": "crm/list"}]"#)];
        for _ in 0..6 {
            let parent = family[rng.gen_range(0..family.len())].clone();
            if parent.is_sealed() {
                continue;
            }
            family.push(match rng.gen_range(0..5) {
                0 => hardtack::attenuate::seal(&parent).unwrap(),
                1 => narrowed(&parent, r#"[{"tool": "crm/get"}]"#),
                _ => checked(&parent, &format!("check if time($t), $t < 2031-01-0{}T00:00:00Z;", rng.gen_range(1..9))),
            });
        }
        let relative = &family[rng.gen_range(0..family.len())];
        let relative = authenticate(relative.clone(), &roots()).unwrap();
        let token = family[rng.gen_range(0..family.len())].as_bytes();
        let changed = mutate::bytes(&mut rng, token.to_vec());
        let shuffled = mutate::token(&mut rng, token);
        for bytes in [token.to_vec(), changed, shuffled] {
            let Ok(envelope) = Envelope::from_bytes(bytes) else { continue };
            let fresh = authenticate_like(envelope.clone(), &roots(), None);
            let known = authenticate_like(envelope, &roots(), Some(&relative));
            prop_assert_eq!(format!("{fresh:?}"), format!("{known:?}"));
            if let (Ok(fresh), Ok(known)) = (fresh, known) {
                prop_assert_eq!(fresh.blocks(), known.blocks());
            }
        }
    }
}

/// A token without symbols of its own, so that any block can follow.
fn wordless() -> (Vec<u8>, PublicKey) {
    let root = biscuit_auth::KeyPair::new_with_rng(Algorithm::Ed25519, &mut rng(1));
    let next = biscuit_auth::KeyPair::new_with_rng(Algorithm::Ed25519, &mut rng(2));
    let builder = biscuit_auth::BiscuitBuilder::new().fact("nonce(1)").unwrap();
    let symbols = biscuit_auth::datalog::SymbolTable::default();
    let token = builder.build_with_key_pair(&root, symbols, &next).unwrap();
    (token.to_vec().unwrap(), root.public())
}

/// Seals a token that the library may refuse to read.
fn sealed_raw(bytes: &[u8]) -> Vec<u8> {
    use ed25519_dalek::{Signer, SigningKey};
    let mut wire = schema::Biscuit::decode(bytes).unwrap();
    let Some(schema::proof::Content::NextSecret(secret)) = &wire.proof.content else {
        return bytes.to_vec();
    };
    let key = SigningKey::from_bytes(&secret.as_slice().try_into().unwrap());
    let last = wire.blocks.last().unwrap_or(&wire.authority);
    let payload =
        [&last.block[..], &0i32.to_le_bytes(), &last.next_key.key, &last.signature].concat();
    let seal = key.sign(&payload).to_bytes().to_vec();
    wire.proof.content = Some(schema::proof::Content::FinalSignature(seal));
    wire.encode_to_vec()
}

#[test]
fn the_published_samples_are_judged_alike() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/biscuit-samples");
    let samples = std::fs::read_to_string(format!("{folder}/samples.json")).unwrap();
    let samples: serde_json::Value = serde_json::from_str(&samples).unwrap();
    let root = hex::decode(samples["root_public_key"].as_str().unwrap()).unwrap();
    let root = PublicKey::from_bytes(&root, Algorithm::Ed25519).unwrap();
    let (mut genuine, mut all) = (0, 0);
    for case in samples["testcases"].as_array().unwrap() {
        let name = case["filename"].as_str().unwrap();
        let bytes = std::fs::read(format!("{folder}/{name}")).unwrap();
        let verdict = alike(&bytes, root).unwrap_or_else(|error| panic!("{name}: {error}"));
        all += 1;
        genuine += usize::from(verdict == Verdict::Genuine);
    }
    assert_eq!(all, 38);
    assert!(genuine > 20, "{genuine}");
}

/// Batch verification is quicker, and not what it seems: it multiplies each signature's equation by
/// a number drawn from the batch, and where a part of small order is left over, one number in eight
/// hides it. Whether such a signature counts would depend on its neighbours.
#[test]
fn a_batch_accepts_what_no_strict_check_does() {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::scalar::Scalar;
    use ed25519_dalek::{Signature, verify_batch};
    use sha2::{Digest, Sha512};

    let (secret, nonce) = (Scalar::from(11_u64), Scalar::from(13_u64));
    let key = ed25519_dalek::VerifyingKey::from(ED25519_BASEPOINT_POINT * secret);
    let crooked = (ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[1]).compress().to_bytes();
    let sign = |message: &[u8]| {
        let hash = Sha512::new().chain_update(crooked).chain_update(key).chain_update(message);
        let s = nonce + Scalar::from_hash(hash) * secret;
        Signature::from_components(crooked, s.to_bytes())
    };
    let batched = (0..64_u8).filter(|message| {
        let (message, signature) = ([*message], sign(&[*message]));
        assert!(key.verify_strict(&message, &signature).is_err());
        verify_batch(&[&message], &[signature], &[key]).is_ok()
    });
    let count = batched.count();
    assert!((1..32).contains(&count), "{count} of 64");
}

/// What a stranger can make a verifier do is bounded: no signature is checked for an unknown root
/// or too long a chain, and no block is read before its signature holds.
#[test]
fn the_cheap_refusals_come_first() {
    let crooked = |bytes: &[u8], blocks: usize| {
        let mut wire = schema::Biscuit::decode(bytes).unwrap();
        wire.authority.signature = vec![1; 64];
        wire.authority.block = vec![0xff; 100];
        let block = wire.authority.clone();
        wire.blocks = vec![block; blocks - 1];
        wire.encode_to_vec()
    };
    let refused = |bytes: Vec<u8>, roots: &TrustedRoots| match Envelope::from_bytes(bytes) {
        Ok(envelope) => authenticate_like(envelope, roots, None).unwrap_err().code,
        Err(error) => error.code,
    };
    let good = token(r#"[{"tool": "crm/get"}]"#);
    let stranger = hardtack::keys::RootKey::generate(&mut rng(77)).public();
    let bytes = crooked(good.as_bytes(), 16);
    assert_eq!(refused(bytes.clone(), &TrustedRoots::one(stranger)), Code::RootUnknown);
    assert_eq!(refused(bytes, &roots()), Code::SignatureInvalid);
    assert_eq!(refused(crooked(good.as_bytes(), 17), &roots()), Code::ChainTooLong);
}

/// A third party's block has a table of symbols of its own: what follows it reads as if it were not
/// there.
#[test]
fn a_third_party_s_symbols_are_no_one_else_s() {
    let stranger = biscuit_auth::KeyPair::new();
    let block = |code: &str| biscuit_auth::builder::BlockBuilder::new().code(code).unwrap();
    let parent = UnverifiedBiscuit::from(token(r#"[{"tool": "crm/get"}]"#).as_bytes()).unwrap();
    let request = parent.third_party_request().unwrap();
    let theirs = request.create_block(&stranger.private(), block("theirs(\"other\", \"words\");"));
    let child = parent.append_third_party(&theirs.unwrap().serialize().unwrap()).unwrap();
    let envelope =
        |token: &UnverifiedBiscuit| Envelope::from_bytes(token.to_vec().unwrap()).unwrap();
    let known = authenticate(envelope(&child), &roots()).unwrap();
    let last = child.append(block("ours(\"first\", \"second\");")).unwrap();
    for relative in [None, Some(&known)] {
        let read = authenticate_like(envelope(&last), &roots(), relative).unwrap();
        let facts = |index: usize| read.blocks()[index].facts[0].to_string();
        assert_eq!(facts(1), "theirs(\"other\", \"words\")");
        assert_eq!(facts(2), "ours(\"first\", \"second\")");
    }
}

#[test]
fn a_set_of_two_types_is_refused() {
    use biscuit_auth::builder::{BlockBuilder, Fact, Term};
    let with = |terms: [Term; 2]| {
        let fact = Fact::new("f".to_owned(), vec![Term::Set(terms.into())]);
        let parent = UnverifiedBiscuit::from(token(r#"[{"tool": "crm/get"}]"#).as_bytes()).unwrap();
        let child = parent.append(BlockBuilder::new().fact(fact).unwrap()).unwrap();
        UnverifiedToken::from_bytes(child.to_vec().unwrap())
    };
    assert!(with([Term::Integer(1), Term::Integer(2)]).is_ok());
    assert!(with([Term::Integer(1), Term::Bool(true)]).is_err());
}
