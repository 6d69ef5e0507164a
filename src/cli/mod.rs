//! The `hardtack` command, one module a subcommand. On top of everything; nothing imports it.

pub mod demo;
