//! Integration tests: one binary, modules named by what they claim.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests stop at the first surprise, print what they measure and read clocks"
)]

mod engine;
mod engine_hostile;
mod engine_programs;
mod engine_samples;
mod engine_support;
mod engine_timing;
