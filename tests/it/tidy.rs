//! The rules of the house that no compiler keeps: who imports whom, how long a file is, who prints.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with all that it may import. Whatever is not listed here is an upward import.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("keys", &["model"]),
    ("vocabulary", &["model"]),
    ("token", &["model", "keys", "vocabulary"]),
    ("mint", VERBS_BELOW),
    ("attenuate", VERBS_BELOW),
    ("present", VERBS_BELOW),
    ("verify", VERBS_BELOW),
    ("feed", &["model", "keys", "verify"]),
    ("decide", &["model", "keys", "vocabulary", "token", "verify"]),
    ("record", &["model", "keys", "vocabulary", "token", "verify", "decide"]),
    ("guard", AUTHORITY_BELOW),
    ("mcp", &["model", "present"]),
    ("gateway", MCP_AND_BELOW),
    ("store", VERBS),
    ("config", CONFIG_BELOW),
    ("fanout", VERBS),
    ("authority", FANOUT_AND_BELOW),
    ("relay", &["keys", "feed", "gateway", "fanout"]),
    ("client", &["model", "keys", "vocabulary", "token", "present", "config"]),
];

const VERBS_BELOW: &[&str] = &["model", "keys", "vocabulary", "token"];
const VERBS: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "record",
];
const MCP_AND_BELOW: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "record",
    "config",
    "guard",
    "mcp",
];
const CONFIG_BELOW: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "record",
    "store",
];
const AUTHORITY_BELOW: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "record",
    "store",
    "config",
];

const FANOUT_AND_BELOW: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "record",
    "store",
    "config",
    "fanout",
];

/// What the pure core never mentions.
const IMPURE: &[&str] = &[
    "tokio::",
    "http::",
    "axum::",
    "sqlx::",
    "reqwest::",
    "tower::",
    "std::env",
    "SystemTime",
    "Instant::",
    "time::Instant",
    "OsRng",
    "thread_rng",
];
const PURE: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "mcp",
];

const LINES_MAX: usize = 600;
/// The one module that prints.
const OUTPUT: &str = "src/cli/output.rs";

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module directly below `src`.
    fn module(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        rest.split(['/', '.']).next().unwrap_or_default()
    }

    /// Lines of code with their numbers, comments left out, up to the tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        let code = lines.take_while(|(_, line)| *line != "#[cfg(test)]");
        code.map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| !line.starts_with("//"))
    }
}

fn sources(dir: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut dirs) = (Vec::new(), vec![root.join(dir)]);
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root).unwrap().display().to_string();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty());
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The modules of this crate that a line names: `crate::NAME`, or `crate::{NAME, …}`.
fn named(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(is_name) {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split(',').map(|item| item.trim())),
            None => names.push(rest),
        }
    }
    names.iter().map(|name| name.split(|c| !is_name(c)).next().unwrap_or_default()).collect()
}

fn no_faults(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn nothing_imports_upward() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let module = source.module().to_owned();
        if matches!(module.as_str(), "cli" | "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("{}: `{module}` has no place among the layers", source.path));
            continue;
        };
        for (line, text) in source.code() {
            let upward = |name: &&str| {
                *name != module && !allowed.contains(name) && LAYERS_AND_CLI.contains(name)
            };
            for name in named(text).iter().filter(|name| upward(name)) {
                faults.push(format!("{}:{line}: `{module}` imports `{name}`", source.path));
            }
        }
    }
    no_faults(&faults);
}

const LAYERS_AND_CLI: &[&str] = &[
    "model",
    "keys",
    "vocabulary",
    "token",
    "mint",
    "attenuate",
    "present",
    "verify",
    "feed",
    "decide",
    "record",
    "guard",
    "gateway",
    "mcp",
    "store",
    "config",
    "fanout",
    "authority",
    "relay",
    "client",
    "cli",
];

#[test]
fn the_core_knows_no_network_clock_or_environment() {
    let mut faults = Vec::new();
    for source in sources("src") {
        if !PURE.contains(&source.module()) {
            continue;
        }
        for (line, text) in source.code() {
            for word in IMPURE.iter().filter(|word| text.contains(**word)) {
                faults.push(format!("{}:{line}: `{word}`", source.path));
            }
        }
    }
    no_faults(&faults);
}

#[test]
fn files_are_short() {
    let long = |source: &Source| source.text.lines().count() > LINES_MAX;
    let all = ["src", "tests", "benches/peers/src"].into_iter().flat_map(sources);
    let faults: Vec<String> = all
        .filter(long)
        .map(|source| format!("{}: more than {LINES_MAX} lines", source.path))
        .collect();
    no_faults(&faults);
}

#[test]
fn one_module_prints() {
    let words = ["println!", "print!(", "eprintln!", "eprint!(", "io::stdout()", "io::stderr()"];
    let mut faults = Vec::new();
    for source in sources("src").iter().filter(|source| source.path != OUTPUT) {
        for (line, text) in source.code() {
            if words.iter().any(|word| text.contains(word)) {
                faults.push(format!("{}:{line}: prints", source.path));
            }
        }
    }
    no_faults(&faults);
}

#[test]
fn nothing_is_left_to_do() {
    let words = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!"];
    let mut faults = Vec::new();
    for source in sources("src") {
        for (at, text) in source.text.lines().enumerate() {
            if words.iter().any(|word| text.contains(word)) {
                faults.push(format!("{}:{}: left to do", source.path, at + 1));
            }
        }
    }
    no_faults(&faults);
}

#[test]
fn names_are_found_in_lines() {
    assert_eq!(named("use crate::model::{Code, Reason};"), ["model"]);
    assert_eq!(named("use crate::{keys, model::Code};"), ["keys", "model"]);
    assert_eq!(named("f(crate::mint::x(), mycrate::y)"), ["mint"]);
    assert_eq!(named("let a = 1;"), [""; 0]);
}
