//! Hardtack: delegation tokens for AI agents.

pub mod model;

pub mod keys;

pub mod vocabulary;

pub mod token;

pub mod mint;

pub mod attenuate;

pub mod present;

pub mod verify;

pub mod decide;

#[cfg(any(feature = "cli", feature = "server"))]
pub mod config;

#[cfg(feature = "cli")]
pub mod cli;
