use biscuit_auth::builder::{BlockBuilder, Expression, Op};
use biscuit_auth::format::schema::ThirdPartyBlockContents;
use biscuit_auth::{Algorithm, KeyPair, PrivateKey, UnverifiedBiscuit};
use prost::Message;

use super::*;

fn key(seed: u8) -> KeyPair {
    KeyPair::from(&PrivateKey::from_bytes(&[seed; 32], Algorithm::Ed25519).unwrap())
}

/// The message that the reference library makes of a third party's block.
fn theirs(block: BlockBuilder) -> Vec<u8> {
    let token = biscuit_auth::Biscuit::builder().build(&key(1)).unwrap().to_vec().unwrap();
    let request = UnverifiedBiscuit::from(&token).unwrap().third_party_request().unwrap();
    let signed = request.create_block(&key(2).private(), block).unwrap().serialize().unwrap();
    ThirdPartyBlockContents::decode(&signed[..]).unwrap().payload
}

/// `tests/it/appending.rs` does the same with random blocks, which have no scopes of their own.
#[test]
fn blocks_are_written_as_the_reference_library_writes_them() {
    let public = |seed| Scope::PublicKey(key(seed).public());
    let codes = [
        ("", vec![]),
        ("own(\"b\", \"a\", {\"c\", \"b\", \"read\"});", vec![]),
        ("own({\"b\": 1, \"a\": null, 7: [\"c\"]}, -1);", vec![Scope::Previous]),
        ("check if own($x) trusting previous;", vec![public(4), Scope::Authority, public(3)]),
        ("check all own($x), [1].any($y -> $y === $x) or $x.extern::f(1);", vec![public(3)]),
    ];
    for (code, scopes) in codes {
        let builder = BlockBuilder::new().code(code).unwrap();
        let builder = scopes.iter().cloned().fold(builder, BlockBuilder::scope);
        let BlockBuilder { facts, rules, checks, .. } = builder.clone();
        let ours = Block { facts, rules, checks, scopes, external_key: None };
        let (message, _) = block(&ours, true, &mut Symbols::new(&[])).unwrap();
        assert_eq!(message, theirs(builder), "{code}");
    }
}

#[test]
fn recursion_is_bounded() {
    let written = |ops| {
        let expressions = vec![Expression { ops }];
        let head = Predicate::new("own".to_owned(), Vec::<Term>::new());
        let rules = vec![Rule::new(head, vec![], expressions, vec![])];
        let ours = Block { rules, ..Block::default() };
        block(&ours, true, &mut Symbols::new(&[])).map(drop)
    };
    let one = || Term::Integer(1);
    let array = |depth| (0..depth).fold(one(), |term, _| Term::Array(vec![term]));
    let map =
        |depth| (0..depth).fold(one(), |term, _| Term::Map([(MapKey::Integer(1), term)].into()));
    let closure = |depth| (0..depth).fold(Op::Value(one()), |op, _| Op::Closure(vec![], vec![op]));
    let max = limits::NESTING_MAX;
    for (depth, expected) in [(max, Ok(())), (max + 1, Err(Wrong::Nested))] {
        for op in [Op::Value(array(depth)), Op::Value(map(depth)), closure(depth)] {
            assert_eq!(written(vec![op]), expected);
        }
    }
}
