//! Where settings come from: the environment, the clock, key files.
//!
//! The only module that reads the environment or the time of day; everything else is told.

pub mod clock;
pub mod env;
pub mod keyfile;
