//! The vectors in `tests/vectors`, which Rust, Python and TypeScript all pass.
//!
//! `HARDTACK_WRITE_VECTORS=1 cargo test --test it -- vectors` writes what Rust makes of them again;
//! without it, a file that differs by a byte is a failure.

mod decisions;
mod grants;
mod proofs;
mod shared;

use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file)
}

fn read(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn parsed<T: DeserializeOwned>(file: &str) -> T {
    serde_json::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Compares a file with what it should be, or writes it.
fn held(file: &str, fresh: &str) {
    if std::env::var_os("HARDTACK_WRITE_VECTORS").is_some() {
        fs::write(path(file), fresh).unwrap();
    }
    let (kept, fresh) = (read(file), fresh.to_owned());
    let differs = kept.lines().zip(fresh.lines()).find(|(old, new)| old != new);
    assert!(kept == fresh, "{file} is not what Rust makes of it, from {differs:?} on");
}

/// An object of members, and of lists with one entry a line.
fn file(members: &[(&str, Value)]) -> String {
    let member = |(name, value): &(&str, Value)| match value {
        Value::Array(entries) => {
            let lines: Vec<String> = entries.iter().map(|entry| format!("    {entry}")).collect();
            format!("  {}: [\n{}\n  ]", json!(name), lines.join(",\n"))
        }
        value => format!("  {}: {value}", json!(name)),
    };
    format!("{{\n{}\n}}\n", members.iter().map(member).collect::<Vec<_>>().join(",\n"))
}

/// Datalog that Biscuit's parser reads. What people are shown has control characters as `\u{…}`,
/// which it does not know; here they stand as they are.
fn parseable(printed: &str) -> String {
    let escape = regex::Regex::new(r"\\(?:u\{([0-9a-f]+)\}|.)").unwrap();
    let plain = |found: &regex::Captures<'_>| match found.get(1) {
        Some(hex) => {
            let code = u32::from_str_radix(hex.as_str(), 16).unwrap();
            char::from_u32(code).unwrap().to_string()
        }
        None => found[0].to_owned(),
    };
    escape.replace_all(printed, plain).into_owned()
}
