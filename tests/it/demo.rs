//! The demos tell their stories as expected, notice when they do not, and give no secret away.

use std::process::Command;

use hardtack::cli::demo::{Options, run, run_mcp};
use serde_json::Value;

fn told(options: &Options) -> (bool, String) {
    let mut out = Vec::new();
    let as_expected = run(options, &mut out).unwrap();
    (as_expected, String::from_utf8(out).unwrap())
}

fn told_mcp(options: &Options) -> (bool, String) {
    let mut out = Vec::new();
    let as_expected = run_mcp(options, &mut out).unwrap();
    (as_expected, String::from_utf8(out).unwrap())
}

/// No client key, no private key, and no run of characters as long as a token or a key.
fn assert_no_secret(text: &str) {
    assert!(!text.contains("htc_") && !text.contains("ed25519-private"), "{text}");
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/' | '=');
    let longest = text.split(|c| !is_base64(c)).max_by_key(|run| run.len()).unwrap();
    assert!(longest.len() < 40, "{longest}");
}

#[test]
fn every_step_goes_as_expected_and_fits_the_terminal() {
    for told in [told, told_mcp] {
        let (as_expected, text) = told(&Options::default());
        assert!(as_expected, "{text}");
        assert!(text.contains("steps went as expected"), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100 && line == line.trim_end(), "{line}");
        }
        assert_no_secret(&text);
    }
}

#[test]
fn the_mcp_server_gets_what_is_allowed_and_nothing_else() {
    let (as_expected, text) = told_mcp(&Options { json: true, ..Options::default() });
    assert!(as_expected, "{text}");
    assert_no_secret(&text);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<_> = lines.iter().filter_map(|step| step["code"].as_str()).collect();
    assert_eq!(
        refused,
        [
            "not-granted",
            "not-granted",
            "not-granted",
            "not-granted",
            "not-granted",
            "check-failed",
            "check-failed",
            "definition-unapproved",
            "revoked",
        ]
    );
    let arrived = lines.iter().find(|step| step["call"] == "what arrived").unwrap();
    assert_eq!(arrived["outcome"], "whole", "{arrived}");
}

#[test]
fn json_has_one_object_a_step() {
    let (as_expected, text) = told(&Options { json: true, ..Options::default() });
    assert!(as_expected, "{text}");
    assert_no_secret(&text);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, steps) = lines.split_last().unwrap();
    for (i, step) in steps.iter().enumerate() {
        assert_eq!(step["step"], i + 1);
        assert_eq!(step["as_expected"], true, "{step}");
        let is_call = step["by"] != "auditor" && step["at"] != "authority";
        assert_eq!(step["micros"].is_u64(), is_call, "{step}");
    }
    assert_eq!(summary["summary"]["as_expected"], steps.len());
    assert!(summary["summary"]["total_millis"].as_u64().unwrap() < 3000, "{summary}");
    let refused: Vec<_> = steps.iter().filter_map(|step| step["code"].as_str()).collect();
    for code in [
        "beyond-ceiling",
        "not-granted",
        "check-failed",
        "policy-denied",
        "signature-invalid",
        "request-malformed",
        "audience-mismatch",
        "token-missing",
        "proof-missing",
        "proof-invalid",
        "proof-replayed",
        "revoked",
    ] {
        assert!(refused.contains(&code), "{code}: {text}");
    }
}

#[test]
fn a_step_that_goes_otherwise_is_noticed() {
    // An answer of the authority, an allowed call, a refused one, an audit.
    for step in [1, 4, 8, 30] {
        let (as_expected, text) =
            told(&Options { expect_otherwise: Some(step), ..Options::default() });
        assert!(!as_expected, "{step}");
        assert_eq!(text.matches("! expected anything but ").count(), 1, "{text}");
        assert!(text.contains("1 of ") && text.contains("did not go as expected"), "{text}");
    }
    // A list, a refused call, what arrived.
    for step in [3, 6, 22] {
        let (as_expected, text) =
            told_mcp(&Options { expect_otherwise: Some(step), ..Options::default() });
        assert!(!as_expected, "{step}");
        assert!(text.contains("1 of ") && text.contains("did not go as expected"), "{text}");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let words = |text: &str| {
        let mut plain = text.replace('\x1b', "");
        for code in ["[0m", "[1m", "[2m", "[31m", "[32m"] {
            plain = plain.replace(code, "");
        }
        let no_numbers = |c: char| !c.is_ascii_digit() && !c.is_whitespace();
        plain.chars().filter(|c| no_numbers(*c)).collect::<String>()
    };
    let (as_expected, coloured) = told(&Options { in_colour: true, ..Options::default() });
    assert!(as_expected && coloured.contains('\x1b'));
    assert_eq!(words(&coloured), words(&told(&Options::default()).1));
}

#[test]
fn the_command_leaves_nothing_behind_and_says_how_it_went() {
    for (arguments, exit) in [
        (&["demo"][..], 0),
        (&["demo", "--expect-otherwise", "5"], 1),
        (&["demo", "mcp"], 0),
        (&["demo", "mcp", "--expect-otherwise", "22"], 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_hardtack"))
            .args(arguments)
            .env("TMPDIR", dir.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(exit), "{error}");
        assert_eq!(error, "");
        assert_no_secret(&String::from_utf8(ran.stdout).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
