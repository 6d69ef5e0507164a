//! Integration tests: one binary, modules named by what they claim.

mod adversarial;
#[cfg(feature = "cli")]
mod demo;
mod engine;
mod engine_hostile;
mod engine_programs;
mod engine_samples;
mod engine_support;
mod engine_timing;
mod laws;
mod limits;
mod support;
