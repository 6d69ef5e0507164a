//! Grants and facts, to Datalog and back: the one place where the words of the Datalog are
//! defined. `datalog/vocabulary.datalog` says the same in prose.
//!
//! Imports the model alone. Every verb imports this module.

pub mod compile;
mod datalog;
mod expr;
mod facts;
pub mod frame;
pub mod grant;
pub mod names;
mod needs;
pub mod oracle;
mod pattern;
pub mod print;
pub mod read;
mod sink;
mod values;

pub use datalog::{Datalog, DatalogError};
pub(crate) use facts::facts_into;
pub use facts::{Bearing, facts};
pub use grant::{Grant, GrantError};
pub use needs::Needs;
pub use pattern::Pattern;
pub use sink::{FactSink, TermRef};
