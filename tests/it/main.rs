//! Integration tests: one binary, modules named by what they claim.

mod adversarial;
#[cfg(feature = "cli")]
mod authority;
#[cfg(feature = "cli")]
mod authority_crash;
#[cfg(feature = "cli")]
mod demo;
mod engine;
mod engine_hostile;
mod engine_programs;
mod engine_samples;
mod engine_support;
mod engine_timing;
mod generators;
mod grants;
#[cfg(feature = "gateway")]
mod guard;
mod laws;
mod limits;
mod properties;
mod record;
mod support;
