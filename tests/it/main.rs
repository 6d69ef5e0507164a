//! The tests that use the crate from outside, in one program.

#[cfg(feature = "cli")]
mod authority;
#[cfg(feature = "cli")]
mod authority_crash;
