use std::borrow::Borrow;
use std::sync::Arc;

use biscuit_auth::builder::{self, Fact};

use crate::model::Block;

use super::code::{Code, Span};
use super::error::{CompileError, CompileFault, Origin};
use super::expression::Piece;
use super::intern::Constants;
use super::order::Order;
use super::program::{Check, Policy, Predicates, Program, Rule};
use super::query::{Testing, Variable};
use super::regexes::Regexes;
use super::stated::Stated;
use super::table::{BLOCKS_MAX, DEFAULT_TRUST, Origins};
use super::trust::{Signers, own};
use super::value::Value;

/// What the gateway adds to a token: Biscuit's authorizer side.
#[derive(Clone, Debug, Default)]
pub struct PolicyCode {
    /// Facts that every request has.
    pub facts: Vec<builder::Fact>,
    /// Rules over request facts, policy facts and block 0, unless scoped otherwise.
    pub rules: Vec<builder::Rule>,
    /// Checks that every request must pass.
    pub checks: Vec<builder::Check>,
    /// Policies; the first that matches decides.
    pub policies: Vec<builder::Policy>,
}

impl Program {
    /// Compiles the blocks of a verified token and a policy into one program.
    ///
    /// # Errors
    /// [`CompileError`] names the block or the policy that holds a statement which cannot be
    /// evaluated safely or at all. A token that does not compile is denied.
    pub fn compile<B: Borrow<Block>>(
        blocks: &[B],
        policy: &PolicyCode,
    ) -> Result<Self, CompileError> {
        let signers = Signers::default().with(blocks, 0).unwrap_or_default();
        Compiler::new(signers).policy(policy)?.blocks(blocks)
    }

    /// Compiles a policy alone: the program that those of all tokens without a key of a third party
    /// that the policy names can be made from, by [`Program::extended`].
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn of_policy(policy: &PolicyCode) -> Result<Self, CompileError> {
        Self::compile::<Block>(&[], policy)
    }

    /// The program of the same policy and a token that has these blocks after this one's: what
    /// [`Program::compile`] makes of all of them, at the cost of the new ones.
    ///
    /// *Shape*: `None` where a scope of this program names the key that signed a new block: it would
    /// have to trust that block too.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn extended<B: Borrow<Block>>(&self, blocks: &[B]) -> Result<Option<Self>, CompileError> {
        match self.signers.clone().with(blocks, self.blocks) {
            Some(signers) => Compiler::from(self, signers, blocks.len()).blocks(blocks).map(Some),
            None => Ok(None),
        }
    }

    /// How many blocks the token has that this program was made of.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// What the token's regular expressions take, in bytes, and somewhat more.
    pub(crate) fn regex_bytes(&self) -> usize {
        self.regexes.token_bytes()
    }
}

/// A program in the making.
#[derive(Debug)]
pub(super) struct Compiler<'s> {
    pub(super) constants: Constants,
    pub(super) regexes: Arc<Regexes>,
    pub(super) predicates: Predicates,
    stated: Stated,
    signers: Signers,
    policy: Arc<Code>,
    /// What is being compiled: the policy's statements, then those of the blocks.
    pub(super) code: Code,
    order: Option<Order>,
    blocks: usize,
    /// Who states what is being compiled.
    pub(super) origin: Origin,
    /// Variables in scope; the slot of each is its place.
    pub(super) variables: Vec<Variable<'s>>,
    /// Operands of the expression at hand.
    pub(super) pieces: Vec<Piece<'s>>,
}

impl<'s> Compiler<'s> {
    fn new(signers: Signers) -> Self {
        Self {
            constants: Constants::new(),
            regexes: Arc::default(),
            predicates: Predicates::default(),
            stated: Stated::default(),
            signers,
            policy: Arc::default(),
            code: Code::default(),
            order: None,
            blocks: 0,
            origin: Origin::Policy,
            variables: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Begins with what a program holds; so many blocks are to come.
    fn from(program: &Program, signers: Signers, blocks: usize) -> Self {
        Self {
            constants: program.constants.roomy(blocks),
            regexes: Arc::clone(&program.regexes),
            predicates: program.predicates.clone(),
            stated: program.stated.clone(),
            signers,
            policy: Arc::clone(&program.policy),
            code: program.token.roomy(blocks),
            order: Some(program.order.clone()),
            blocks: program.blocks,
            origin: Origin::Policy,
            variables: Vec::new(),
            pieces: Vec::new(),
        }
    }

    fn policy(mut self, policy: &'s PolicyCode) -> Result<Self, CompileError> {
        let origin = Origin::Policy;
        self.policy_statements(policy).map_err(|fault| CompileError { origin, fault })?;
        self.policy = Arc::new(std::mem::take(&mut self.code));
        Ok(self)
    }

    fn policy_statements(&mut self, policy: &'s PolicyCode) -> Result<(), CompileFault> {
        self.statements(&policy.facts, &policy.rules, &policy.checks, DEFAULT_TRUST)?;
        for policy in &policy.policies {
            let queries = self.queries(&policy.queries, DEFAULT_TRUST, Testing::Early)?;
            self.code.policies.push(Policy { kind: policy.kind.clone(), queries });
        }
        Ok(())
    }

    /// Adds blocks and makes the program.
    fn blocks<B: Borrow<Block>>(mut self, blocks: &'s [B]) -> Result<Program, CompileError> {
        for block in blocks {
            self.origin = Origin::Block(self.blocks);
            let origin = self.origin;
            self.block(block.borrow()).map_err(|fault| CompileError { origin, fault })?;
            self.blocks += 1;
        }
        let origin = self.origin;
        self.finish().map_err(|fault| CompileError { origin, fault })
    }

    fn block(&mut self, block: &'s Block) -> Result<(), CompileFault> {
        if self.blocks >= BLOCKS_MAX {
            return Err(CompileFault::TooManyBlocks);
        }
        let trust = self.signers.of_block(self.blocks, block)?;
        self.statements(&block.facts, &block.rules, &block.checks, trust)
    }

    fn statements(
        &mut self,
        facts: &'s [Fact],
        rules: &'s [builder::Rule],
        checks: &'s [builder::Check],
        trust: Origins,
    ) -> Result<(), CompileFault> {
        for fact in facts {
            self.fact(fact)?;
        }
        for rule in rules {
            let trust = self.trust(rule, trust)?;
            let head = self.predicate(&rule.head.name, rule.head.terms.len())?;
            let (query, terms) = self.body(rule, trust, Testing::Early)?;
            self.code.rules.push(Rule { head, terms, query, origin: own(self.origin) });
            // What was known of the order says nothing of this one.
            self.order = None;
        }
        for (index, check) in checks.iter().enumerate() {
            let testing = match check.kind {
                builder::CheckKind::All => Testing::Late,
                builder::CheckKind::One | builder::CheckKind::Reject => Testing::Early,
            };
            let queries = self.queries(&check.queries, trust, testing)?;
            let (origin, kind) = (self.origin, check.kind.clone());
            self.code.checks.push(Check { origin, index, kind, queries });
        }
        Ok(())
    }

    fn fact(&mut self, fact: &Fact) -> Result<(), CompileFault> {
        let terms = fact.predicate.terms.iter();
        let terms = terms.map(|term| self.constants.value(term, &fact.parameters));
        let terms = terms.collect::<Result<Vec<Value>, _>>()?;
        let predicate = self.predicate(&fact.predicate.name, terms.len())?;
        self.stated.push(predicate, &terms, own(self.origin));
        Ok(())
    }

    fn queries(
        &mut self,
        queries: &'s [builder::Rule],
        trust: Origins,
        testing: Testing,
    ) -> Result<Span, CompileFault> {
        let start = self.code.queries.len();
        for query in queries {
            let trust = self.trust(query, trust)?;
            let (query, _) = self.body(query, trust, testing)?;
            self.code.queries.push(query);
        }
        Span::new(start, self.code.queries.len())
    }

    fn trust(&mut self, rule: &builder::Rule, default: Origins) -> Result<Origins, CompileFault> {
        self.signers.trust(&rule.scopes, &rule.scope_parameters, default, self.origin)
    }

    fn finish(mut self) -> Result<Program, CompileFault> {
        self.stated.sort(&self.predicates)?;
        let order = self.order.take();
        let order = order.unwrap_or_else(|| Order::new(&self.policy, &self.code, &self.predicates));
        Ok(Program {
            constants: self.constants,
            regexes: self.regexes,
            predicates: self.predicates,
            stated: self.stated,
            policy: self.policy,
            token: self.code,
            order,
            signers: self.signers,
            blocks: self.blocks,
        })
    }
}
