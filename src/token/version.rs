//! Which version of Datalog a block needs.

use biscuit_auth::builder::{Binary, CheckKind, Op, Predicate, Rule, Term, Unary};

use crate::model::Block;

/// Datalog 3.0 to 3.3, as blocks write them.
const V3_0: u32 = 3;
const V3_1: u32 = 4;
const V3_2: u32 = 5;
pub(super) const V3_3: u32 = 6;

/// Whether a block of this version may say what it says: as the reference library has it, so that
/// one token is good here and there or nowhere. A block of version 3.0 is not asked about what
/// came with 3.3.
pub(super) fn knows(version: u32, block: &Block, states_kind: bool) -> bool {
    if !(V3_0..=V3_3).contains(&version) || (block.external_key.is_some() && version < V3_2) {
        return false;
    }
    match version {
        V3_3 => true,
        V3_0 => !states_kind && !has_scopes(block) && !rules(block).any(has_3_1_operation),
        V3_1.. => !needs_3_3(block),
        _ => false,
    }
}

/// The least version that knows what a block says.
pub(super) fn least(block: &Block, is_third_party: bool) -> u32 {
    if needs_3_3(block) {
        V3_3
    } else if is_third_party {
        V3_2
    } else if has_scopes(block)
        || rules(block).any(has_3_1_operation)
        || block.checks.iter().any(|check| check.kind == CheckKind::All)
    {
        V3_1
    } else {
        V3_0
    }
}

fn rules(block: &Block) -> impl Iterator<Item = &Rule> {
    block.rules.iter().chain(block.checks.iter().flat_map(|check| &check.queries))
}

fn has_scopes(block: &Block) -> bool {
    !block.scopes.is_empty() || rules(block).any(|rule| !rule.scopes.is_empty())
}

fn operations(rule: &Rule) -> impl Iterator<Item = &Op> {
    rule.expressions.iter().flat_map(|expression| &expression.ops)
}

fn has_3_1_operation(rule: &Rule) -> bool {
    use Binary::{BitwiseAnd, BitwiseOr, BitwiseXor, NotEqual};
    operations(rule)
        .any(|op| matches!(op, Op::Binary(BitwiseAnd | BitwiseOr | BitwiseXor | NotEqual)))
}

fn needs_3_3(block: &Block) -> bool {
    let heads = block.rules.iter().map(|rule| &rule.head);
    let facts = block.facts.iter().map(|fact| &fact.predicate);
    let bodies = rules(block).flat_map(|rule| &rule.body);
    block.checks.iter().any(|check| check.kind == CheckKind::Reject)
        || heads.chain(facts).chain(bodies).any(|p: &Predicate| p.terms.iter().any(holds_null))
        || rules(block).flat_map(operations).any(is_3_3_operation)
}

fn holds_null(term: &Term) -> bool {
    match term {
        Term::Null => true,
        Term::Set(set) => set.contains(&Term::Null),
        _ => false,
    }
}

fn is_3_3_operation(op: &Op) -> bool {
    use Binary::{All, Any, Ffi, HeterogeneousEqual, HeterogeneousNotEqual, LazyAnd, LazyOr};
    match op {
        Op::Value(term) => holds_null(term),
        Op::Closure(..) => true,
        Op::Unary(unary) => matches!(unary, Unary::TypeOf | Unary::Ffi(_)),
        Op::Binary(binary) => matches!(
            binary,
            HeterogeneousEqual | HeterogeneousNotEqual | LazyAnd | LazyOr | All | Any | Ffi(_)
        ),
    }
}
