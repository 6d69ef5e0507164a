//! Where a run took place, and of what.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

const LOCK: &str = include_str!("../../Cargo.lock");

/// A machine and its compiler.
#[derive(Clone, Debug)]
pub struct Machine {
    cpu: String,
    cores: usize,
    rustc: String,
    load: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name"));
        let version = Command::new("rustc").arg("--version").output();
        let rustc = version.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let first_two = |text: &str| text.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Self {
            cpu: model
                .map_or("unknown processor", |text| text.trim_start_matches([' ', '\t', ':']))
                .to_owned(),
            cores: available_parallelism().map_or(1, usize::from),
            rustc: first_two(&rustc.unwrap_or_else(|_| "rustc unknown".to_owned())),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// One line.
    pub fn line(&self) -> String {
        let Self { cpu, cores, rustc, load } = self;
        format!("{cpu}, {cores} cores, {rustc}, load {load} when it began")
    }
}

/// The peers with the versions that were built.
pub fn versions() -> String {
    let names = ["biscuit-auth", "tenuo", "jsonwebtoken", "cedar-policy", "ed25519-dalek"];
    let all: Vec<String> = names.iter().map(|name| format!("{name} {}", version(name))).collect();
    all.join(", ")
}

/// A package's version in the lock file: the first one, which is what this package asks for.
fn version(name: &str) -> &'static str {
    let head = format!("name = \"{name}\"\nversion = \"");
    let found = LOCK.split_once(&head).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("unknown", |(version, _)| version)
}
