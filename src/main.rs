//! The `hardtack` command.

fn main() {}
