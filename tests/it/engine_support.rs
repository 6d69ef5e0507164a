//! What the engine's tests share: tokens taken apart, policies parsed, Biscuit's own answer.

use std::time::Duration;

use biscuit_auth::builder::{
    AuthorizerBuilder, Check, Convert, Fact, Predicate, Rule, Scope, Term,
};
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::error::{FailedCheck as BiscuitFailed, Logic, MatchedPolicy, Token};
use biscuit_auth::format::convert::proto_block_to_token_block;
use biscuit_auth::format::schema;
use biscuit_auth::{AuthorizerLimits, Biscuit, PublicKey};
use hardtack::decide::engine::{EvaluationError, FailedCheck, Origin, PolicyCode, Program};
use hardtack::model::Block;
use prost::Message;

/// Steps that no honest program of the tests needs.
pub(crate) const STEPS: u64 = 10_000_000;

/// The blocks of a token as the engine takes them.
pub(crate) fn blocks_of(token: &Biscuit) -> Vec<Block> {
    readable_blocks(token).unwrap()
}

/// The same, where every block can be read: a library that verifies a token does not look.
pub(crate) fn readable_blocks(token: &Biscuit) -> Option<Vec<Block>> {
    let proto = token.container().to_proto();
    let signed = std::iter::once(&proto.authority).chain(&proto.blocks);
    let decoded: Vec<schema::Block> =
        signed.map(|block| schema::Block::decode(&block.block[..]).ok()).collect::<Option<_>>()?;
    let external: Vec<Option<PublicKey>> =
        (0..decoded.len()).map(|index| token.block_external_key(index).unwrap()).collect();

    let first_party = || decoded.iter().zip(&external).filter(|(_, key)| key.is_none());
    let symbols = first_party().flat_map(|(block, _)| block.symbols.clone()).collect();
    let keys = first_party().flat_map(|(block, _)| &block.public_keys);
    let keys = keys.map(|key| PublicKey::from_proto(key).unwrap()).collect();
    let shared = SymbolTable::from_symbols_and_public_keys(symbols, keys).unwrap();

    let blocks = decoded.iter().zip(external);
    blocks.map(|(block, external_key)| block_of(block, external_key, &shared)).collect()
}

fn block_of(
    block: &schema::Block,
    external_key: Option<PublicKey>,
    shared: &SymbolTable,
) -> Option<Block> {
    fn all<T, B: Convert<T>>(items: &[T], symbols: &SymbolTable) -> Option<Vec<B>> {
        items.iter().map(|item| B::convert_from(item, symbols).ok()).collect()
    }
    let block = proto_block_to_token_block(block, external_key).ok()?;
    let symbols = if external_key.is_some() { &block.symbols } else { shared };
    Some(Block {
        facts: all::<_, Fact>(&block.facts, symbols)?,
        rules: all::<_, Rule>(&block.rules, symbols)?,
        checks: all::<_, Check>(&block.checks, symbols)?,
        scopes: all::<_, Scope>(&block.scopes, symbols)?,
        external_key,
    })
}

/// A first-party block that `code` writes down.
pub(crate) fn block_of_code(code: &str) -> Block {
    let PolicyCode { facts, rules, checks, policies } = policy_of(code);
    assert!(policies.is_empty());
    Block { facts, rules, checks, ..Block::default() }
}

/// The authorizer side that `code` writes down.
pub(crate) fn policy_of(code: &str) -> PolicyCode {
    let authorizer = AuthorizerBuilder::new().code(code).unwrap().build_unauthenticated().unwrap();
    let (facts, rules, checks, policies) = authorizer.dump();
    PolicyCode { facts, rules, checks, policies }
}

/// The same authorizer side, as biscuit-auth takes it.
pub(crate) fn authorizer_of(policy: &PolicyCode, facts: &[Fact]) -> AuthorizerBuilder {
    let mut builder = AuthorizerBuilder::new();
    for fact in policy.facts.iter().chain(facts) {
        builder = builder.fact(fact.clone()).unwrap();
    }
    for rule in &policy.rules {
        builder = builder.rule(rule.clone()).unwrap();
    }
    for check in &policy.checks {
        builder = builder.check(check.clone()).unwrap();
    }
    for policy in &policy.policies {
        builder = builder.policy(policy.clone()).unwrap();
    }
    builder
}

/// The facts of a predicate that biscuit-auth shows to the authorizer, sorted.
pub(crate) fn oracle_facts(
    token: &Biscuit,
    authorizer: AuthorizerBuilder,
    name: &str,
    arity: usize,
) -> Vec<Vec<Term>> {
    let terms: Vec<Term> = (0..arity).map(|i| Term::Variable(format!("v{i}"))).collect();
    let predicate = Predicate::new(name.to_owned(), terms);
    let rule = Rule::new(predicate.clone(), vec![predicate], vec![], vec![]);
    let mut authorizer = authorizer.set_limits(limits()).build(token).unwrap();
    let facts: Vec<Fact> = authorizer.query(rule).unwrap();
    let mut rows: Vec<_> = facts.into_iter().map(|fact| fact.predicate.terms).collect();
    rows.sort();
    rows.dedup();
    rows
}

fn limits() -> AuthorizerLimits {
    AuthorizerLimits {
        max_facts: 100_000,
        max_iterations: 1_000,
        max_time: Duration::from_secs(10),
    }
}

/// An answer in the terms that both engines share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The matching policy and whether it allows, and the failed checks.
    Judged { policy: Option<(usize, bool)>, failed: Vec<(Origin, usize)> },
    /// Some expression had no value.
    Error(String),
    /// The token could not be loaded.
    Refused(String),
    /// The engine's bound on derived facts was reached.
    TooComplex,
}

impl Answer {
    /// Only the outcome: which of several faults came first is no part of it.
    pub(crate) fn outcome(&self) -> Answer {
        match self {
            Answer::Error(_) => Answer::Error(String::new()),
            Answer::Refused(_) => Answer::Refused(String::new()),
            answer => answer.clone(),
        }
    }
}

/// What this engine says.
pub(crate) fn engine(blocks: &[Block], policy: &PolicyCode, facts: &[Fact]) -> Answer {
    let program = match Program::compile(blocks, policy) {
        Ok(program) => program,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    let evaluation = match program.evaluate(facts, STEPS) {
        Ok(evaluation) => evaluation,
        Err(EvaluationError::Expression(error)) => return Answer::Error(error.to_string()),
        Err(EvaluationError::TooComplex) => return Answer::TooComplex,
        Err(error) => panic!("{error}"),
    };
    let failed = evaluation.failed_checks().iter();
    Answer::Judged {
        policy: evaluation
            .policy()
            .map(|(index, kind)| (index, kind == biscuit_auth::builder::PolicyKind::Allow)),
        failed: failed.map(|FailedCheck { origin, index }| (*origin, *index)).collect(),
    }
}

/// What biscuit-auth says.
pub(crate) fn oracle(token: &Biscuit, authorizer: AuthorizerBuilder) -> Answer {
    let mut authorizer = match authorizer.set_limits(limits()).build(token) {
        Ok(authorizer) => authorizer,
        Err(error) => return Answer::Refused(error.to_string()),
    };
    match authorizer.authorize() {
        Ok(policy) => Answer::Judged { policy: Some((policy, true)), failed: Vec::new() },
        Err(Token::FailedLogic(Logic::Unauthorized { policy, checks })) => {
            let policy = match policy {
                MatchedPolicy::Allow(index) => (index, true),
                MatchedPolicy::Deny(index) => (index, false),
            };
            Answer::Judged { policy: Some(policy), failed: failed_of(&checks) }
        }
        Err(Token::FailedLogic(Logic::NoMatchingPolicy { checks })) => {
            Answer::Judged { policy: None, failed: failed_of(&checks) }
        }
        Err(Token::Execution(error)) => Answer::Error(error.to_string()),
        Err(error) => panic!("{error:?}"),
    }
}

fn failed_of(checks: &[BiscuitFailed]) -> Vec<(Origin, usize)> {
    let mut failed: Vec<_> = checks
        .iter()
        .map(|check| match check {
            BiscuitFailed::Block(check) => {
                (Origin::Block(check.block_id as usize), check.check_id as usize)
            }
            BiscuitFailed::Authorizer(check) => (Origin::Policy, check.check_id as usize),
        })
        .collect();
    failed.sort();
    failed
}
