//! Integration tests: one binary, modules named by what they claim.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and measures with the clock"
)]

mod adversarial;
mod allocations;
mod appending;
#[cfg(feature = "cli")]
mod authority;
#[cfg(feature = "cli")]
mod authority_crash;
mod breaker;
#[cfg(feature = "proxy")]
mod catalogue;
mod chain;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod cli_bound;
#[cfg(feature = "cli")]
mod cli_gateway;
#[cfg(feature = "cli")]
mod cli_mistakes;
#[cfg(feature = "cli")]
mod cli_picture;
#[cfg(feature = "cli")]
mod cli_revoke;
#[cfg(feature = "cli")]
mod cli_support;
#[cfg(feature = "cli")]
mod cli_verify;
#[cfg(feature = "cli")]
mod client;
#[cfg(feature = "cli")]
mod demo;
#[cfg(feature = "cli")]
mod doors;
mod engine;
mod engine_extension;
mod engine_hostile;
mod engine_programs;
mod engine_samples;
mod engine_support;
mod engine_timing;
#[cfg(feature = "cli")]
mod fanout;
#[cfg(feature = "cli")]
mod faults;
mod feed;
mod feed_bundle;
mod feed_follower;
mod feed_model;
#[cfg(feature = "cli")]
mod feed_reader;
#[cfg(feature = "gateway")]
mod feed_server;
#[cfg(feature = "gateway")]
mod following;
#[cfg(feature = "gateway")]
mod freshness;
#[cfg(feature = "cli")]
mod gateway_http;
mod gateway_idle;
#[cfg(feature = "proxy")]
mod gateway_mistakes;
#[cfg(feature = "cli")]
mod gateway_reload;
#[cfg(feature = "cli")]
mod gateway_service;
#[cfg(feature = "cli")]
mod gateway_settings;
mod generators;
mod grants;
#[cfg(feature = "gateway")]
mod guard;
mod holders;
mod laws;
mod limits;
#[cfg(feature = "cli")]
mod logged;
#[cfg(feature = "proxy")]
mod mcp;
mod outline;
#[cfg(feature = "cli")]
mod policy;
mod proof;
mod properties;
#[cfg(feature = "cli")]
mod raw_http;
mod record;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_server;
#[cfg(feature = "guard")]
mod replay;
mod request_order;
#[cfg(feature = "cli")]
mod slow_body;
mod support;
#[cfg(feature = "gateway")]
mod support_guard;
mod tidy;
mod traces;
#[cfg(feature = "cli")]
mod upstream;
mod vectors;
mod verification;
mod wire_mutation;
mod worst;
#[cfg(feature = "proxy")]
mod wrap;
