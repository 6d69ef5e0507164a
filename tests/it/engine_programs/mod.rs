//! Random programs: tokens of several blocks, first- and third-party, and an authorizer side.

mod expressions;
mod features;

pub(crate) use features::FEATURES;

use std::collections::BTreeSet;

use biscuit_auth::builder::{
    Algorithm, Check, CheckKind, Expression, Fact, MapKey, Policy, PolicyKind, Predicate, Rule,
    Scope, Term,
};
use biscuit_auth::{Biscuit, BiscuitBuilder, BlockBuilder, KeyPair, PublicKey};
use hardtack::decide::engine::PolicyCode;
use hardtack::model::Block;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// A random program and the random order of its facts.
pub(crate) struct Generated {
    /// Blocks as they were written, before they became a token.
    pub(crate) blocks: Vec<Block>,
    /// Keys of those third parties that wrote blocks, and the root.
    keys: Vec<KeyPair>,
    /// The authorizer side.
    pub(crate) policy: PolicyCode,
    /// Facts of the request.
    pub(crate) facts: Vec<Fact>,
    rng: StdRng,
}

impl Generated {
    /// The program of one seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    /// The program that random numbers lead to, wherever they come from.
    pub(crate) fn of(rng: impl Rng) -> Self {
        let mut own = StdRng::seed_from_u64(1);
        let keys = (0..4).map(|_| KeyPair::new_with_rng(Algorithm::Ed25519, &mut own)).collect();
        let mut writer = Writer { rng, keys, closures: 0 };
        let count = writer.rng.gen_range(1..=5);
        let blocks = (0..count).map(|index| writer.block(index)).collect();
        let policy = writer.policy();
        let facts = writer.facts(3..=12);
        Self { blocks, keys: writer.keys, policy, facts, rng: own }
    }

    /// The token that Biscuit makes of the blocks, read back from its bytes.
    pub(crate) fn token(&mut self) -> Biscuit {
        let (bytes, root) = self.signed();
        Biscuit::from(bytes, root).unwrap()
    }

    /// The same as bytes, with the root key that signed block 0.
    pub(crate) fn signed(&mut self) -> (Vec<u8>, PublicKey) {
        let root = KeyPair::new_with_rng(Algorithm::Ed25519, &mut self.rng);
        let mut token = None::<Biscuit>;
        for block in &self.blocks {
            let builder = block_builder(block);
            let next = KeyPair::new_with_rng(Algorithm::Ed25519, &mut self.rng);
            token = Some(match (token, block.external_key) {
                (None, _) => {
                    let symbols = biscuit_auth::datalog::SymbolTable::default();
                    let mut authority = BiscuitBuilder::new().merge(builder);
                    for scope in &block.scopes {
                        authority = authority.scope(scope.clone());
                    }
                    authority.build_with_key_pair(&root, symbols, &next).unwrap()
                }
                (Some(token), None) => token.append_with_keypair(&next, builder).unwrap(),
                (Some(token), Some(key)) => {
                    let signer = self.keys.iter().find(|pair| pair.public() == key).unwrap();
                    let request = token.third_party_request().unwrap();
                    let block = request.create_block(&signer.private(), builder).unwrap();
                    token.append_third_party_with_keypair(key, block, next).unwrap()
                }
            });
        }
        (token.unwrap().to_vec().unwrap(), root.public())
    }

    /// The same program with each query of a check or a policy as a rule beside it.
    ///
    /// Biscuit stops a query at the first binding that settles it, but it runs a rule on every
    /// binding: so this one fails if any binding of any query does.
    pub(crate) fn probing(&self) -> Self {
        let blocks = self.blocks.iter().map(|block| {
            let queries = block.checks.iter().flat_map(|check| check.queries.clone());
            let rules = block.rules.iter().cloned().chain(queries).collect();
            Block { rules, ..block.clone() }
        });
        let checks = self.policy.checks.iter().flat_map(|check| check.queries.clone());
        let policies = self.policy.policies.iter().flat_map(|policy| policy.queries.clone());
        let rules = self.policy.rules.iter().cloned().chain(checks).chain(policies).collect();
        Self {
            blocks: blocks.collect(),
            keys: self.keys.iter().map(|pair| KeyPair::from(&pair.private())).collect(),
            policy: PolicyCode { rules, ..self.policy.clone() },
            facts: self.facts.clone(),
            rng: self.rng.clone(),
        }
    }

    /// The request's facts in another order.
    pub(crate) fn shuffled(&mut self) -> Vec<Fact> {
        let mut facts = self.facts.clone();
        facts.shuffle(&mut self.rng);
        facts
    }
}

fn block_builder(block: &Block) -> BlockBuilder {
    let mut builder = BlockBuilder::new();
    for fact in &block.facts {
        builder = builder.fact(fact.clone()).unwrap();
    }
    for rule in &block.rules {
        builder = builder.rule(rule.clone()).unwrap();
    }
    for check in &block.checks {
        builder = builder.check(check.clone()).unwrap();
    }
    for scope in &block.scopes {
        builder = builder.scope(scope.clone());
    }
    builder
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Str,
    Bool,
    Date,
    Bytes,
    Ints,
    Strs,
    Array,
    Map,
    Any,
}

use Kind::{Any, Array, Bool, Bytes, Date, Int, Ints, Map, Str, Strs};

const KINDS: [Kind; 9] = [Int, Str, Bool, Date, Bytes, Ints, Strs, Array, Map];

/// The predicates programs are made of; the first ones also head rules, so that some recurse.
const PREDICATES: [(&str, &[Kind]); 15] = [
    ("path", &[Int, Int]),
    ("arg", &[Str, Any]),
    ("name", &[Str]),
    ("int", &[Int]),
    ("edge", &[Int, Int]),
    ("arg", &[Str]),
    ("pair", &[Int, Str]),
    ("flag", &[Bool]),
    ("when", &[Date]),
    ("blob", &[Bytes]),
    ("ints", &[Ints]),
    ("tags", &[Strs]),
    ("list", &[Array]),
    ("record", &[Map]),
    ("mixed", &[Any, Any]),
];

const INTS: [i64; 8] = [0, 1, 1, 2, 2, 3, -1, i64::MAX];
const STRS: [&str; 7] = ["a", "b", "ab", "abc", "read", "", "é"];
const PATTERNS: [&str; 6] = ["a", "^a.?$", "[a-c]+", "b+$|read", "^$", "é"];

/// Variables of a body, and of the closures around an expression.
type Scoped = Vec<(String, Kind)>;

struct Writer<R> {
    rng: R,
    keys: Vec<KeyPair>,
    closures: usize,
}

impl<R: Rng> Writer<R> {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.gen_range(0..100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.rng).unwrap().clone()
    }

    fn block(&mut self, index: usize) -> Block {
        let key = self.rng.gen_range(0..3);
        let third_party = index > 0 && self.chance(40);
        Block {
            facts: self.facts(0..=4),
            rules: self.rules(),
            checks: self.checks(),
            scopes: if self.chance(20) { self.scopes() } else { Vec::new() },
            external_key: third_party.then(|| self.keys[key].public()),
        }
    }

    fn policy(&mut self) -> PolicyCode {
        let policies = (0..self.rng.gen_range(1..=4)).map(|_| Policy {
            kind: if self.chance(70) { PolicyKind::Allow } else { PolicyKind::Deny },
            queries: (0..self.rng.gen_range(1..=2)).map(|_| self.query()).collect(),
        });
        let policies = policies.collect();
        PolicyCode {
            facts: self.facts(0..=2),
            rules: self.rules(),
            checks: self.checks(),
            policies,
        }
    }

    fn facts(&mut self, count: std::ops::RangeInclusive<usize>) -> Vec<Fact> {
        let fact = |this: &mut Self| {
            let (name, kinds) = this.predicate();
            let terms: Vec<Term> = kinds.iter().map(|kind| this.constant(*kind)).collect();
            Fact { predicate: Predicate::new(name.to_owned(), terms), parameters: None }
        };
        (0..self.rng.gen_range(count)).map(|_| fact(self)).collect()
    }

    fn rules(&mut self) -> Vec<Rule> {
        (0..self.rng.gen_range(0..=2)).map(|_| self.rule()).collect()
    }

    fn rule(&mut self) -> Rule {
        let mut rule = self.query();
        let heads = if self.chance(60) { &PREDICATES[..4] } else { &PREDICATES[..] };
        let (name, kinds) = self.pick(heads);
        let bound: Scoped = scope_of(&rule.body);
        let terms: Vec<Term> = kinds
            .iter()
            .map(|kind| {
                let fits = bound.iter().filter(|(_, other)| other == kind || *kind == Any);
                let fits: Vec<_> = fits.cloned().collect();
                if fits.is_empty() || self.chance(20) {
                    self.constant(*kind)
                } else {
                    Term::Variable(self.pick(&fits).0)
                }
            })
            .collect();
        rule.head = Predicate::new(name.to_owned(), terms);
        rule
    }

    fn checks(&mut self) -> Vec<Check> {
        let check = |this: &mut Self| {
            let kind = match this.rng.gen_range(0..100) {
                0..60 => CheckKind::One,
                60..80 => CheckKind::All,
                _ => CheckKind::Reject,
            };
            // Biscuit's `reject if A or B` has a fault; it has a test of its own.
            let most = if kind == CheckKind::Reject { 1 } else { 3 };
            let queries = (0..this.rng.gen_range(1..=most)).map(|_| this.query()).collect();
            Check { queries, kind }
        };
        (0..self.rng.gen_range(0..=3)).map(|_| check(self)).collect()
    }

    fn query(&mut self) -> Rule {
        let size = match self.rng.gen_range(0..100) {
            0..6 => 0,
            6..60 => 1,
            60..88 => 2,
            _ => 3,
        };
        let body: Vec<Predicate> = (0..size).map(|_| self.atom()).collect();
        let scope = scope_of(&body);
        let least = usize::from(body.is_empty());
        let most = if self.chance(50) { least } else { 2 };
        let expressions = (0..self.rng.gen_range(least..=most))
            .map(|_| Expression { ops: self.expression(Bool, 3, &scope) })
            .collect();
        let scopes = if self.chance(25) { self.scopes() } else { Vec::new() };
        Rule {
            head: Predicate::new("query".to_owned(), vec![]),
            body,
            expressions,
            scopes,
            parameters: None,
            scope_parameters: None,
        }
    }

    /// A predicate; a few are common, so that bodies find facts.
    fn predicate(&mut self) -> (&'static str, &'static [Kind]) {
        if self.chance(75) { self.pick(&PREDICATES[..4]) } else { self.pick(&PREDICATES) }
    }

    fn atom(&mut self) -> Predicate {
        let (name, kinds) = self.predicate();
        let terms: Vec<Term> = kinds
            .iter()
            .map(|kind| {
                if self.chance(85) {
                    Term::Variable(format!("{kind:?}{}", self.rng.gen_range(0..3)))
                } else {
                    self.constant(*kind)
                }
            })
            .collect();
        Predicate::new(name.to_owned(), terms)
    }

    fn scopes(&mut self) -> Vec<Scope> {
        let scope = |this: &mut Self| match this.rng.gen_range(0..4) {
            0 => Scope::Authority,
            1 => Scope::Previous,
            _ => {
                let key = this.rng.gen_range(0..this.keys.len());
                Scope::PublicKey(this.keys[key].public())
            }
        };
        (0..self.rng.gen_range(1..=2)).map(|_| scope(self)).collect()
    }

    fn constant(&mut self, kind: Kind) -> Term {
        match kind {
            Int => Term::Integer(self.pick(&INTS)),
            Str => Term::Str(self.pick(&STRS).to_owned()),
            Bool => Term::Bool(self.chance(50)),
            Date => Term::Date(self.rng.gen_range(0..4)),
            Bytes => Term::Bytes(vec![1; self.rng.gen_range(0..3)]),
            Ints => Term::Set(self.several(Int).into_iter().collect()),
            Strs => Term::Set(self.several(Str).into_iter().collect()),
            Array => Term::Array(self.several(Any)),
            Map => {
                let values = self.several(Any);
                let entry = |value| (MapKey::Str(self.pick(&STRS).to_owned()), value);
                let mut map: std::collections::BTreeMap<_, _> =
                    values.into_iter().map(entry).collect();
                if self.chance(30) {
                    map.insert(MapKey::Integer(self.pick(&INTS)), Term::Null);
                }
                Term::Map(map)
            }
            Any if self.chance(15) => Term::Null,
            Any if self.chance(5) => {
                Term::Set(BTreeSet::from([Term::Array(self.several(Int)), Term::Array(vec![])]))
            }
            Any => {
                let simple = if self.chance(80) { &KINDS[..5] } else { &KINDS[..] };
                let kind = self.pick(simple);
                self.constant(kind)
            }
        }
    }

    fn several(&mut self, kind: Kind) -> Vec<Term> {
        (0..self.rng.gen_range(0..4)).map(|_| self.constant(kind)).collect()
    }
}

fn scope_of(body: &[Predicate]) -> Scoped {
    let mut scope = Scoped::new();
    for term in body.iter().flat_map(|predicate| &predicate.terms) {
        if let Term::Variable(name) = term
            && !scope.iter().any(|(other, _)| other == name)
        {
            let kinds = KINDS.iter().chain([&Any]);
            let kind = kinds.filter(|kind| name.starts_with(&format!("{kind:?}")));
            // `Ints0` starts with `Int` as well; the longer name is the right one.
            let kind = kind.max_by_key(|kind| format!("{kind:?}").len()).unwrap();
            scope.push((name.clone(), *kind));
        }
    }
    scope
}
