use biscuit_auth::builder::{self, Fact};

use crate::model::Block;

use super::error::{CompileError, CompileFault, Origin};
use super::intern::Constants;
use super::order::order;
use super::program::{Check, Policy, Predicates, Program, Query, Rule};
use super::query::{Parts, Testing};
use super::regexes::Regexes;
use super::table::{BLOCKS_MAX, DEFAULT_TRUST, Origins, Table};
use super::trust::{Signers, own};

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
    pub fn compile<'b>(
        blocks: impl IntoIterator<Item = &'b Block>,
        policy: &PolicyCode,
    ) -> Result<Self, CompileError> {
        let blocks: Vec<&Block> = blocks.into_iter().collect();
        if blocks.len() > BLOCKS_MAX {
            let origin = Origin::Block(BLOCKS_MAX);
            return Err(CompileError { origin, fault: CompileFault::TooManyBlocks });
        }
        let mut compiler = Compiler::new(Signers::new(&blocks));
        for (index, block) in blocks.into_iter().enumerate() {
            let origin = Origin::Block(index);
            compiler.block(index, block).map_err(|fault| CompileError { origin, fault })?;
        }
        compiler.policy(policy).map_err(|fault| CompileError { origin: Origin::Policy, fault })?;
        Ok(compiler.finish())
    }
}

/// A program in the making.
struct Compiler {
    signers: Signers,
    constants: Constants,
    regexes: Regexes,
    predicates: Predicates,
    tables: Vec<Table>,
    rules: Vec<Rule>,
    checks: Vec<Check>,
    policies: Vec<Policy>,
}

impl Compiler {
    fn new(signers: Signers) -> Self {
        Self {
            signers,
            constants: Constants::new(),
            regexes: Regexes::default(),
            predicates: Predicates::default(),
            tables: Vec::new(),
            rules: Vec::new(),
            checks: Vec::new(),
            policies: Vec::new(),
        }
    }

    fn block(&mut self, index: usize, block: &Block) -> Result<(), CompileFault> {
        let origin = Origin::Block(index);
        let trust = self.signers.of_block(index, block)?;
        self.statements(&block.facts, &block.rules, &block.checks, trust, origin)
    }

    fn policy(&mut self, policy: &PolicyCode) -> Result<(), CompileFault> {
        let origin = Origin::Policy;
        self.statements(&policy.facts, &policy.rules, &policy.checks, DEFAULT_TRUST, origin)?;
        for policy in &policy.policies {
            let queries = policy.queries.iter();
            let queries = queries.map(|q| self.query(q, DEFAULT_TRUST, origin, Testing::Early));
            let queries = queries.collect::<Result<_, _>>()?;
            self.policies.push(Policy { kind: policy.kind.clone(), queries });
        }
        Ok(())
    }

    fn statements(
        &mut self,
        facts: &[Fact],
        rules: &[builder::Rule],
        checks: &[builder::Check],
        trust: Origins,
        origin: Origin,
    ) -> Result<(), CompileFault> {
        for fact in facts {
            self.fact(fact, origin)?;
        }
        for rule in rules {
            let trust = self.trust(rule, trust, origin)?;
            let head = self.parts(origin).predicate(&rule.head.name, rule.head.terms.len())?;
            let (query, terms) = self.parts(origin).body(rule, trust, Testing::Early)?;
            self.rules.push(Rule { head, terms, query, origin: own(origin) });
        }
        for (index, check) in checks.iter().enumerate() {
            let testing = match check.kind {
                builder::CheckKind::All => Testing::Late,
                builder::CheckKind::One | builder::CheckKind::Reject => Testing::Early,
            };
            let queries = check.queries.iter();
            let queries = queries.map(|query| self.query(query, trust, origin, testing));
            let queries = queries.collect::<Result<_, _>>()?;
            self.checks.push(Check { origin, index, kind: check.kind.clone(), queries });
        }
        Ok(())
    }

    fn fact(&mut self, fact: &Fact, origin: Origin) -> Result<(), CompileFault> {
        let terms = fact.predicate.terms.iter();
        let terms = terms.map(|term| self.constants.value(term, &fact.parameters));
        let terms = terms.collect::<Result<Vec<_>, _>>()?;
        let predicate = self.parts(origin).predicate(&fact.predicate.name, terms.len())?;
        self.grow_tables();
        if let Some(table) = self.tables.get_mut(predicate) {
            table.push(&terms, own(origin));
        }
        Ok(())
    }

    fn query(
        &mut self,
        rule: &builder::Rule,
        trust: Origins,
        origin: Origin,
        testing: Testing,
    ) -> Result<Query, CompileFault> {
        let trust = self.trust(rule, trust, origin)?;
        Ok(self.parts(origin).body(rule, trust, testing)?.0)
    }

    fn trust(
        &self,
        rule: &builder::Rule,
        default: Origins,
        origin: Origin,
    ) -> Result<Origins, CompileFault> {
        self.signers.trust(&rule.scopes, &rule.scope_parameters, default, origin)
    }

    fn parts(&mut self, origin: Origin) -> Parts<'_> {
        Parts {
            constants: &mut self.constants,
            regexes: &mut self.regexes,
            predicates: &mut self.predicates,
            origin,
        }
    }

    /// Makes a table for each predicate named so far.
    fn grow_tables(&mut self) {
        let arities = self.predicates.arities().iter().skip(self.tables.len());
        self.tables.extend(arities.map(|arity| Table::new(*arity)));
    }

    fn finish(mut self) -> Program {
        self.grow_tables();
        self.constants.seal();
        let (rules, recursive) = order(self.rules, self.tables.len());
        Program {
            constants: self.constants,
            regexes: self.regexes,
            predicates: self.predicates,
            tables: self.tables,
            rules,
            recursive,
            checks: self.checks,
            policies: self.policies,
        }
    }
}
