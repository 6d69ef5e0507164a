//! The command does what its help says.

use crate::cli_support::Cli;

#[test]
fn help_lists_every_subcommand() {
    let help = Cli::new().run(&["--help"]).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    insta::assert_snapshot!(commands.join("\n"));
}

#[test]
fn every_help_fits_80_columns_and_has_an_example() {
    let cli = Cli::new();
    for command in [
        "",
        "key new",
        "key public",
        "mint",
        "attenuate",
        "delegate",
        "call",
        "inspect",
        "verify",
        "init",
        "serve",
        "task new",
        "task list",
        "task show",
        "task complete",
        "revoke",
        "audit verify",
        "audit show",
        "policy test",
        "completions",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ran = cli.run(&args);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command}");
        assert!(ran.stdout.contains("Example"), "{command}");
        for line in ran.stdout.lines() {
            assert!(line.chars().count() <= 90, "{command}: {line}");
        }
    }
}

#[test]
fn a_new_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let cli = Cli::with_key();
    let mode = std::fs::metadata(cli.path("root.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let private = std::fs::read_to_string(cli.path("root.key")).unwrap();
    assert!(private.starts_with("ed25519-private/") && private.ends_with('\n'));
    let public = std::fs::read_to_string(cli.path("root.pub")).unwrap();
    assert_eq!(cli.run(&["key", "public", "root.key"]).stdout, public);
    assert_eq!(cli.fed(&["key", "public", "-"], private.as_bytes()).stdout, public);
    let json: serde_json::Value =
        serde_json::from_str(&cli.run(&["key", "public", "root.key", "--json"]).stdout).unwrap();
    assert_eq!(json["key"].as_str().unwrap(), public.trim());
}

#[test]
fn grants_are_read_from_toml_and_json_and_stdin() {
    let cli = Cli::with_key();
    let toml = "[[grants]]\ntool = \"crm/get\"\n";
    cli.write("g.toml", toml);
    let json = br#"[{"tool": "crm/get"}]"#;
    for (grants, stdin) in [("g.toml", &b""[..]), ("-", toml.as_bytes()), ("-", json)] {
        let ran = cli.fed(&["mint", "--key", "root.key", "--grants", grants], stdin);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

#[test]
fn minting_says_who_may_accept_the_token() {
    let cli = Cli::with_key();
    let args = ["mint", "--key", "root.key", "--grants", "grants.json", "--json"];
    let ran = cli.run(&args);
    insta::assert_snapshot!(ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["revocation_ids"].as_array().unwrap().len(), 1);
    let named =
        cli.run(&[&args[..], &["--audience", "a", "--time", "2026-11-22T10:00:00Z"]].concat());
    let json: serde_json::Value = serde_json::from_str(&named.stdout).unwrap();
    assert_eq!(
        (named.stderr.as_str(), json["expires"].as_str()),
        ("", Some("2026-11-22T10:15:00Z"))
    );
}

#[test]
fn a_chain_of_pipes_reads_as_grants() {
    let cli = Cli::with_key();
    let token = cli.mint(&[
        "--principal",
        "user:alice@example.com",
        "--intent",
        "refund case 1042",
        "--audience",
        "payments-gateway",
        "--time",
        "2036-11-22T10:00:00Z",
    ]);
    let narrowed = cli.fed(
        &[
            "attenuate",
            "-",
            "--tool",
            "stripe/refund",
            "--arg",
            "amount<=20",
            "--arg",
            "currency=usd",
            "--expires",
            "2036-11-22T10:05:00Z",
            "--check",
            "check if label(\"write\")",
        ],
        token.as_bytes(),
    );
    let sealed = cli.fed(&["attenuate", "-", "--seal"], narrowed.stdout.as_bytes());
    assert_eq!((sealed.code, sealed.stderr.as_str()), (0, ""));
    let shown = cli.fed(&["inspect", "-"], sealed.stdout.as_bytes());
    assert_eq!(shown.code, 0);
    let mut page = shown.stdout;
    for (pattern, stands_for) in [
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[task]"),
        (r"id [0-9a-f]{16}", "id [id]"),
        (r"\d+ bytes", "[n] bytes"),
        (r", in \d+d( \d+h)?", ", in [time]"),
    ] {
        page = regex::Regex::new(pattern).unwrap().replace_all(&page, stands_for).into_owned();
    }
    insta::assert_snapshot!(page);
    let verified = cli.fed(&["inspect", "-", "--root", "root.pub"], sealed.stdout.as_bytes());
    assert!(verified.stdout.starts_with("verified: signed by root key "), "{}", verified.stdout);
    let more = cli.fed(&["attenuate", "-", "--for", "5m"], sealed.stdout.as_bytes());
    assert_eq!(more.code, 1);
    assert_eq!(more.stderr, "hardtack: the token is sealed: nothing can be appended\n");
}

#[test]
fn inspecting_with_another_root_says_so_and_fails() {
    let cli = Cli::with_key();
    cli.run(&["key", "new", "other.key"]);
    let other = cli.run(&["key", "public", "other.key"]).stdout;
    let ran = cli.fed(&["inspect", "-", "--root", other.trim()], cli.mint(&[]).as_bytes());
    assert_eq!(ran.code, 1);
    let first = ran.stdout.lines().next().unwrap();
    assert_eq!(
        first,
        "not verified: the token names a root key that is not trusted here (root-unknown)"
    );
}

#[test]
fn texts_of_strangers_cannot_act_on_the_terminal() {
    let cli = Cli::with_key();
    cli.write("evil.datalog", "check if seen(\"\u{1b}[2J\u{9b}31m\u{202e}gnp\");");
    let token = cli.mint(&["--agent", "a\u{202e}b"]);
    let token = cli.fed(&["attenuate", "-", "--datalog", "evil.datalog"], token.as_bytes()).stdout;
    for more in [&[][..], &["--datalog"], &["--json"]] {
        let shown = cli.fed(&[&["inspect", "-"], more].concat(), token.as_bytes());
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        let hostile =
            |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}');
        assert!(!shown.stdout.contains(hostile), "{}", shown.stdout);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let script = "\"$0\" completions bash | head -c 1 >/dev/null; echo \"${PIPESTATUS[0]}\"";
    let ran = std::process::Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_hardtack")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "0\n");
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(Cli::new().run(&["completions", shell]).stdout.contains("attenuate"), "{shell}");
    }
}
