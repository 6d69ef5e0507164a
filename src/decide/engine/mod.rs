//! The bounded Datalog engine: the only evaluator that judges requests.
//!
//! A verified token's blocks and the gateway's policy are compiled once into a [`Program`], that of
//! a child from its parent's. A request's facts then run against it without parsing, printing or
//! interning anything twice.
//! Biscuit's own evaluator is the oracle of the tests, never part of a decision: it looks at its
//! limits only between queries, so that a kilobyte of token can keep it busy for seconds.
//!
//! # What it keeps
//! Datalog 3.0 to 3.3 as Biscuit defines it: origins, scopes, the three kinds of checks, closures
//! and all operations on all types.
//!
//! # Where it differs, on purpose
//! - Nothing depends on the order of facts or on a hash: request facts are sorted by content, and
//!   sets and maps are walked in content order.
//! - *An error wins.* A query looks at every binding. If any makes an expression fail, the
//!   evaluation fails, also where another binding matches. Biscuit's answer then depends on which
//!   of them its hash tables yield first.
//! - `reject if A or B` rejects when either matches, as the specification says.
//! - Every join, operation, element and 64 bytes of text are charged to one step budget, and so is
//!   putting the request's facts in order; `try_or` does not catch its end.
//! - Refused when compiled: extern functions, regular expressions that are not constants, do not
//!   parse or are too large (Biscuit takes an invalid one for one that never matches), unbound
//!   variables, malformed expressions and variables in constants.
//!
//! # Example
//! ```
//! use biscuit_auth::builder::{Check, Policy, Rule};
//! use hardtack::decide::engine::{PolicyCode, Program, TermRef};
//! use hardtack::model::{Block, limits};
//!
//! let authority = Block {
//!     rules: vec![Rule::try_from("granted(0) <- call(\"crm\", $tool)")?],
//!     checks: vec![Check::try_from("check if depth($d), $d <= 3")?],
//!     ..Block::default()
//! };
//! let policy = PolicyCode {
//!     policies: vec![Policy::try_from("allow if granted($i)")?],
//!     ..PolicyCode::default()
//! };
//! let program = Program::compile(&[authority], &policy)?;
//!
//! let mut request = program.request();
//! request.add("call", &[TermRef::Str("crm"), TermRef::Str("get_account")]);
//! request.add("depth", &[TermRef::Int(1)]);
//! let evaluation = request.evaluate(limits::EVALUATION_STEPS_MAX)?;
//! assert!(evaluation.failed_checks().is_empty());
//! assert_eq!(evaluation.authority_integers("granted").next(), Some(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where it stands
//! `verify` hands over blocks, `decide` adds the request and reads the [`Evaluation`]. Nothing
//! here reads a clock or does I/O.

mod budget;
mod code;
mod compare;
mod compile;
mod error;
mod evaluation;
mod expression;
mod fixpoint;
mod hash;
mod heap;
mod intern;
mod join;
mod machine;
mod ops;
mod order;
mod program;
mod query;
mod regexes;
mod request;
mod scratch;
mod sort;
mod stated;
mod table;
#[cfg(test)]
mod tests;
mod trust;
mod value;
mod world;

pub use crate::vocabulary::TermRef;
pub use compile::PolicyCode;
pub use error::{CompileError, CompileFault, EvaluationError, ExpressionError, Origin};
pub use evaluation::{Evaluation, FailedCheck};
pub use program::Program;
pub use request::{PredicateId, RequestFacts};
