//! Step 5.

pub mod engine;
