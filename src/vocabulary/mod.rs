//! Grants and facts, to Datalog and back.

pub mod oracle;
