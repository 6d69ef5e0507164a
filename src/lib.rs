//! Hardtack: delegation tokens for AI agents.

pub mod model;

pub mod vocabulary;

pub mod decide;
