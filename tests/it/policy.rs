//! The policies that ship do what their cases say, and the vocabulary's prose covers every word.

use std::fs;
use std::path::Path;

use hardtack::decide::Policy;
use hardtack::vocabulary::Datalog;
use hardtack::vocabulary::names::{WORDS, is_reserved, word};

use crate::cli_support::Cli;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/datalog");

#[test]
fn every_policy_decides_its_cases() {
    let cli = Cli::new();
    let ran = cli.run(&["policy", "test", DIR]);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let json: serde_json::Value =
        serde_json::from_str(&cli.run(&["policy", "test", DIR, "--json"]).stdout).unwrap();
    for policy in json["policies"].as_array().unwrap() {
        let expected: Vec<_> =
            policy["cases"].as_array().unwrap().iter().map(|case| &case["expect"]).collect();
        assert!(expected.iter().any(|word| *word == "allow"), "{policy}");
        assert!(expected.iter().any(|word| *word != "allow"), "{policy}");
    }
}

#[test]
fn every_policy_is_complete_by_itself() {
    for entry in fs::read_dir(DIR).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "datalog")
            && !path.ends_with("vocabulary.datalog")
        {
            let text = fs::read_to_string(&path).unwrap();
            Policy::parse([("file", text.as_str())]).unwrap();
            assert!(text.contains("allow if granted($"), "{}", path.display());
        }
    }
}

#[test]
fn the_prose_asks_for_every_word_and_no_other() {
    let text = fs::read_to_string(Path::new(DIR).join("vocabulary.datalog")).unwrap();
    let prose = Datalog::parse(&text).unwrap();
    let asked: Vec<_> = prose
        .queries()
        .flat_map(|query| &query.body)
        .map(|predicate| (predicate.name.as_str(), predicate.terms.len()))
        .collect();
    for word in WORDS {
        assert!(asked.contains(&(word.name, word.arity)), "{}/{}", word.name, word.arity);
        assert!(text.contains(&format!("{}(", word.name)), "{}", word.name);
    }
    for (name, arity) in asked.iter().filter(|(name, _)| is_reserved(name)) {
        assert!(word(name, *arity).is_some(), "{name}/{arity}");
    }
}

#[test]
fn a_wrong_expectation_fails() {
    let cli = Cli::new();
    fs::create_dir(cli.path("p")).unwrap();
    cli.write("p/a.datalog", "allow if granted($grant);");
    cli.write(
        "p/a.cases.toml",
        "[[case]]\nname = \"x\"\nexpect = \"policy-denied\"\ntool = \"a/b\"\n",
    );
    let ran = cli.run(&["policy", "test", "p"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stdout, @r"
    a.datalog
      FAIL  x  allow, not policy-denied
    1 policy, 1 case, 1 failed
    ");
}

#[test]
fn files_that_cannot_be_tested_fail() {
    let cli = Cli::new();
    fs::create_dir(cli.path("p")).unwrap();
    cli.write("p/a.datalog", "allow if granted($grant);");
    cli.write("p/b.datalog", "allow if granted(");
    cli.write("p/vocabulary.datalog", "check if (");
    let ran = cli.run(&["policy", "test", "p"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.stdout);
}
