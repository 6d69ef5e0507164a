//! Grants: the language people use to say what may be called, and with which arguments.
//!
//! A grant names tools and holds constraints on arguments. Grants in one block are alternatives;
//! blocks conjoin. This folder holds the language itself: its types ([`Grant`], [`Constraint`],
//! [`Test`]), its text form, what it permits when read directly, and when one grant lies within
//! another. Compiling it to Datalog is [`compile`](super::compile)'s work.

mod implies;
mod known;
mod parse;
mod path;
mod permits;
mod print;
mod regex;
mod types;
mod within;
mod work;

pub use parse::{GrantError, grants_from_json, grants_from_toml};
pub use path::{ArgPath, Found, Place, Segment};
pub use permits::Mismatch;
pub use types::{Constraint, Grant, Micros, Scalar, Test};
pub use within::{Beyond, within_any};

pub(crate) use path::{escape, push_escaped};
pub(crate) use permits::lower;
pub(crate) use regex::whole_text;
pub(crate) use types::{NamesRule, Values, is_decimal, names_rules};
