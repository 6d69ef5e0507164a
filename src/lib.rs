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

pub mod record;

#[cfg(feature = "guard")]
pub mod guard;

#[cfg(feature = "gateway")]
pub mod gateway;

#[cfg(feature = "server")]
pub mod store;

#[cfg(feature = "server")]
pub mod authority;

#[cfg(feature = "server")]
pub mod config;

#[cfg(feature = "cli")]
pub mod cli;
