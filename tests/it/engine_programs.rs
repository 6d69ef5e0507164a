//! Random programs: tokens of several blocks, first- and third-party, and an authorizer side.

use std::collections::BTreeSet;

use biscuit_auth::builder::{
    Algorithm, Binary, Check, CheckKind, Expression, Fact, MapKey, Op, Policy, PolicyKind,
    Predicate, Rule, Scope, Term, Unary,
};
use biscuit_auth::{Biscuit, BiscuitBuilder, BlockBuilder, KeyPair};
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
        let mut rng = StdRng::seed_from_u64(seed);
        let keys = (0..4).map(|_| KeyPair::new_with_rng(Algorithm::Ed25519, &mut rng)).collect();
        let mut writer = Writer { rng, keys, closures: 0 };
        let count = writer.rng.gen_range(1..=5);
        let blocks = (0..count).map(|index| writer.block(index)).collect();
        let policy = writer.policy();
        let facts = writer.facts(3..=12);
        Self { blocks, keys: writer.keys, policy, facts, rng: writer.rng }
    }

    /// The token that Biscuit makes of the blocks, read back from its bytes.
    pub(crate) fn token(&mut self) -> Biscuit {
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
        Biscuit::from(token.unwrap().to_vec().unwrap(), root.public()).unwrap()
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

struct Writer {
    rng: StdRng,
    keys: Vec<KeyPair>,
    closures: usize,
}

impl Writer {
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

    fn expression(&mut self, kind: Kind, depth: usize, scope: &Scoped) -> Vec<Op> {
        // Now and then a value of another type, so that faults are met.
        let kind = if self.chance(1) { self.pick(&KINDS) } else { kind };
        if depth == 0 || self.chance(if kind == Bool { 10 } else { 50 }) {
            return vec![Op::Value(self.leaf(kind, scope))];
        }
        if self.chance(5) {
            let (body, fallback) =
                (self.expression(kind, depth - 1, scope), self.leaf(kind, scope));
            let closure = Op::Closure(vec![], body);
            let operands = [closure, Op::Value(fallback)];
            return operands.into_iter().chain([Op::Binary(Binary::TryOr)]).collect();
        }
        if self.chance(4) {
            let inner = self.expression(kind, depth - 1, scope);
            return inner.into_iter().chain([Op::Unary(Unary::Parens)]).collect();
        }
        match kind {
            Bool => self.condition(depth - 1, scope),
            Int => self.integer(depth - 1, scope),
            Str => self.two(Binary::Add, Str, Str, depth - 1, scope),
            Ints | Strs => {
                let op = self.pick(&[Binary::Intersection, Binary::Union]);
                self.two(op, kind, kind, depth - 1, scope)
            }
            Any if self.chance(50) => self.two(Binary::Get, Map, Str, depth - 1, scope),
            Any => self.two(Binary::Get, Array, Int, depth - 1, scope),
            _ => vec![Op::Value(self.leaf(kind, scope))],
        }
    }

    fn leaf(&mut self, kind: Kind, scope: &Scoped) -> Term {
        let fits: Vec<_> = scope.iter().filter(|(_, other)| *other == kind).cloned().collect();
        if fits.is_empty() || self.chance(25) {
            self.constant(kind)
        } else {
            Term::Variable(self.pick(&fits).0)
        }
    }

    fn two(&mut self, op: Binary, a: Kind, b: Kind, depth: usize, scope: &Scoped) -> Vec<Op> {
        let mut ops = self.expression(a, depth, scope);
        ops.extend(self.expression(b, depth, scope));
        ops.push(Op::Binary(op));
        ops
    }

    fn integer(&mut self, depth: usize, scope: &Scoped) -> Vec<Op> {
        if self.chance(30) {
            let kind = self.pick(&[Str, Bytes, Ints, Strs, Array, Map]);
            let mut ops = self.expression(kind, depth, scope);
            ops.push(Op::Unary(Unary::Length));
            return ops;
        }
        let op = self.pick(&[
            Binary::Add,
            Binary::Sub,
            Binary::Mul,
            Binary::Div,
            Binary::BitwiseAnd,
            Binary::BitwiseOr,
            Binary::BitwiseXor,
        ]);
        self.two(op, Int, Int, depth, scope)
    }

    fn condition(&mut self, depth: usize, scope: &Scoped) -> Vec<Op> {
        match self.rng.gen_range(0..16) {
            0 | 1 => {
                let op = self.pick(&[
                    Binary::LessThan,
                    Binary::GreaterThan,
                    Binary::LessOrEqual,
                    Binary::GreaterOrEqual,
                ]);
                let kind = self.pick(&[Int, Int, Date]);
                self.two(op, kind, kind, depth, scope)
            }
            2 | 3 => {
                let kind = self.pick(&KINDS);
                let op = self.pick(&[Binary::Equal, Binary::NotEqual]);
                self.two(op, kind, kind, depth, scope)
            }
            4 | 5 => {
                let (a, b) = (self.pick(&[Any, Int, Str]), self.pick(&[Any, Int, Map]));
                let op = self.pick(&[Binary::HeterogeneousEqual, Binary::HeterogeneousNotEqual]);
                self.two(op, a, b, depth, scope)
            }
            6 => {
                let op = self.pick(&[Binary::Contains, Binary::Prefix, Binary::Suffix]);
                let kind = self.pick(&[Str, Array]);
                self.two(op, kind, kind, depth, scope)
            }
            7 => {
                let (a, b) = self.pick(&[
                    (Ints, Int),
                    (Strs, Str),
                    (Ints, Ints),
                    (Strs, Strs),
                    (Array, Any),
                    (Map, Str),
                    (Map, Int),
                ]);
                self.two(Binary::Contains, a, b, depth, scope)
            }
            8 => {
                let mut ops = self.expression(Str, depth, scope);
                ops.push(Op::Value(Term::Str(self.pick(&PATTERNS).to_owned())));
                ops.push(Op::Binary(Binary::Regex));
                ops
            }
            9 => {
                let mut ops = self.expression(Bool, depth, scope);
                ops.push(Op::Unary(Unary::Negate));
                ops
            }
            10 => {
                let op = self.pick(&[Binary::And, Binary::Or]);
                self.two(op, Bool, Bool, depth, scope)
            }
            11 | 12 => {
                let mut ops = self.expression(Bool, depth, scope);
                ops.push(Op::Closure(vec![], self.expression(Bool, depth, scope)));
                ops.push(Op::Binary(self.pick(&[Binary::LazyAnd, Binary::LazyOr])));
                ops
            }
            13 => {
                let mut ops = self.expression(Any, depth, scope);
                ops.push(Op::Unary(Unary::TypeOf));
                let name = self.pick(&["integer", "string", "null", "set", "array", "map"]);
                ops.push(Op::Value(Term::Str(name.to_owned())));
                ops.push(Op::Binary(Binary::Equal));
                ops
            }
            _ => self.quantified(depth, scope),
        }
    }

    /// `.all` or `.any`.
    fn quantified(&mut self, depth: usize, scope: &Scoped) -> Vec<Op> {
        let kind = self.pick(&[Ints, Strs, Array, Map]);
        let mut ops = self.expression(kind, depth, scope);
        self.closures += 1;
        let name = match scope.first() {
            Some((name, _)) if self.chance(4) => name.clone(),
            _ => format!("p{}", self.closures),
        };
        let element = match kind {
            Ints => Int,
            Strs => Str,
            Map => Array,
            _ => Any,
        };
        let body = match kind {
            // Biscuit walks text in the order of its symbols, so a body that can fail for one
            // element and settle on another has no defined outcome there.
            Strs | Map => self.gentle(&name, element),
            _ => {
                let mut inner = scope.clone();
                inner.push((name.clone(), element));
                self.expression(Bool, depth, &inner)
            }
        };
        ops.push(Op::Closure(vec![name], body));
        ops.push(Op::Binary(self.pick(&[Binary::All, Binary::Any])));
        ops
    }

    /// A condition on one variable that always has a value.
    fn gentle(&mut self, name: &str, kind: Kind) -> Vec<Op> {
        let mut ops = vec![Op::Value(Term::Variable(name.to_owned()))];
        if self.chance(50) {
            ops.push(Op::Unary(Unary::Length));
            ops.push(Op::Value(self.constant(Int)));
            ops.push(Op::Binary(Binary::Equal));
        } else {
            ops.push(Op::Value(self.constant(if kind == Array { Any } else { kind })));
            ops.push(Op::Binary(Binary::Contains));
        }
        ops
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
