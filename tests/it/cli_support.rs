//! The real binary in a directory of its own.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A directory to run the command in.
pub(crate) struct Cli {
    dir: TempDir,
}

/// What one run gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Grants that most tests start from.
pub(crate) const GRANTS: &str = r#"{"tool": "stripe/refund",
    "args": {"amount": {"max": 50}, "currency": {"one_of": ["usd", "eur"]}}}"#;

impl Cli {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A directory with `root.key`, `root.pub` and `grants.json`.
    pub(crate) fn with_key() -> Self {
        let cli = Self::new();
        let made = cli.run(&["key", "new", "root.key"]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        cli.write("root.pub", &made.stdout);
        cli.write("grants.json", GRANTS);
        cli
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.fed(args, b"")
    }

    pub(crate) fn fed(&self, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hardtack"))
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        // The command may end without reading what it is fed.
        let feeding = std::thread::spawn(move || drop(input.write_all(&bytes)));
        let output = child.wait_with_output().unwrap();
        feeding.join().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A token for [`GRANTS`], with further arguments of `mint`.
    pub(crate) fn mint(&self, more: &[&str]) -> String {
        let args = [&["mint", "--key", "root.key", "--grants", "grants.json"], more].concat();
        let ran = self.run(&args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout.trim().to_owned()
    }
}
