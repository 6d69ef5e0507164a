//! `inspect --svg`: a picture of any token, in which nothing that a stranger wrote is markup.

use std::collections::BTreeSet;

use crate::cli_bound::{chain, read, third_hop};
use crate::cli_support::Cli;
use crate::holders::{bound, delegation, handed, holder};
use crate::support::{appended, checked, token};

/// The texts of a picture that is well-formed and holds nothing but what is drawn.
fn texts(svg: &str) -> Vec<String> {
    let (mut open, mut texts, mut rest) = (Vec::new(), Vec::new(), svg);
    let is_plain = |c: char| {
        !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{fffe}' | '\u{ffff}')
    };
    assert!(svg.chars().all(|c| c == '\n' || is_plain(c)));
    while let Some((text, tail)) = rest.split_once('<') {
        match open.last() {
            Some(&"text" | &"title") => texts.push(plain(text)),
            Some(&"style") => assert!(!text.contains("url") && !text.contains("@import")),
            _ => assert_eq!(text.trim(), ""),
        }
        let (tag, tail) = tail.split_once('>').unwrap();
        rest = tail;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let is_closed = tag.ends_with('/');
        let (name, attributes) = tag.trim_end_matches('/').split_once(' ').unwrap_or((tag, ""));
        let known = ["svg", "title", "style", "rect", "text", "path"];
        assert!(known.contains(&name), "{name}");
        // Each in double quotes, of our own making.
        let pattern = r#"^(?:(?:xmlns|width|height|viewBox|role|aria-labelledby|id|class|x|y|rx|d)="[A-Za-z0-9 ./:-]*" ?)*$"#;
        assert!(regex::Regex::new(pattern).unwrap().is_match(attributes), "{attributes}");
        if !is_closed {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    texts.retain(|text| !text.is_empty());
    texts
}

/// The text that an escaped one stands for.
fn plain(text: &str) -> String {
    assert!(!text.contains('>'));
    let escapes = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'")];
    let known: usize = escapes.iter().map(|(escape, _)| text.matches(escape).count()).sum();
    assert_eq!(text.matches('&').count(), known + text.matches("&amp;").count(), "{text}");
    let text = escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

fn picture(cli: &Cli, token: &str, more: &[&str]) -> String {
    let ran = cli.fed(&[&["inspect", "-", "--svg"], more].concat(), token.as_bytes());
    assert_eq!(ran.stderr, "");
    ran.stdout
}

/// The texts, with what differs from run to run left out.
fn shown(svg: &str) -> String {
    let page = texts(svg).join("\n");
    [
        (r"root key \d+", "root key [n]"),
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "[task]"),
        (r"id [0-9a-f]{16}", "id [id]"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "[time]"),
        (r"[A-Za-z0-9_-]{43}", "[thumbprint]"),
    ]
    .iter()
    .fold(page, |page, (pattern, to)| {
        regex::Regex::new(pattern).unwrap().replace_all(&page, *to).into_owned()
    })
}

#[test]
fn a_chain_is_a_card_a_hop() {
    let cli = chain();
    let third = third_hop(&cli);
    let last = ["attenuate", "-", "--tool", "stripe/refund", "--arg", "currency=usd", "--seal"];
    let last = cli.fed(&last, third.as_bytes()).stdout;
    let svg = picture(&cli, &last, &["--root", "root.pub"]);
    insta::assert_snapshot!(shown(&svg));
    assert_eq!(svg.matches("class=\"card\"").count(), 4);
    assert_eq!(svg.matches("class=\"card dashed\"").count(), 2);
    assert_eq!(svg.matches("class=\"arrow\"").count(), 4);
    // The same token, the same picture.
    assert_eq!(svg, picture(&cli, &last, &["--root", "root.pub"]));
}

#[test]
fn a_token_without_a_chain_is_a_card_a_block() {
    let cli = Cli::with_key();
    let bearer = checked(&token(r#"[{"tool": "crm/x"}]"#), "check if label(\"read\");");
    let broken = appended(&bound(), &delegation(1));
    let broken = hardtack::token::UnverifiedToken::from_bytes(broken).unwrap();
    for (token, held, cards) in [
        (bearer, "held by whoever has it: a bearer token", 3),
        (broken, "held by: nobody can tell: block 1", 3),
        (bound(), "held by the last of these: a bound token", 2),
    ] {
        let svg = picture(&cli, &token.to_text(), &[]);
        let texts = texts(&svg);
        assert!(texts.iter().any(|text| text.starts_with(held)), "{texts:?}");
        assert!(texts[1].starts_with("not verified"), "{texts:?}");
        assert_eq!(svg.matches("class=\"card\"").count(), cards);
    }
    let ran =
        cli.fed(&["inspect", "-", "--svg", "--root", "root.pub"], bound().to_text().as_bytes());
    assert_eq!(ran.code, 1);
    assert!(texts(&ran.stdout)[1].starts_with("not verified: "));
    for other in ["--json", "--datalog"] {
        assert_eq!(cli.fed(&["inspect", "-", "--svg", other], b"").code, 2);
    }
}

#[test]
fn what_strangers_wrote_is_text() {
    let cli = chain();
    let wide = "]]>漢字".repeat(40);
    let names = [
        "<script>alert(1)</script>",
        "\"/><image href=\"http://h/\" onload='x'/>&amp;&lt;",
        "]]><!-- \u{202e}\u{200b}\u{ffff}",
        &wide,
    ];
    let mut drawn = BTreeSet::new();
    for name in names {
        let args = ["delegate", "-", "--key", "agent.key", "--to", "sub.pub", "--name", name];
        let made = cli.fed(&args, read(&cli, "task.token").as_bytes());
        assert_eq!(made.code, 0, "{}", made.stderr);
        let check = format!("check if \"{}\" == \"<b>&\"", name.replace(['"', '\\'], "'"));
        let made = cli.fed(&["attenuate", "-", "--check", &check], made.stdout.as_bytes());
        assert_eq!(made.code, 0, "{}", made.stderr);
        drawn.extend(texts(&picture(&cli, made.stdout.trim(), &["--root", "root.pub"])));
    }
    assert!(names[..2].iter().all(|name| drawn.contains(*name)), "{drawn:?}");
}

#[test]
fn no_token_makes_a_large_picture() {
    let cli = Cli::new();
    let mut token = handed(&bound(), 0, 1);
    let long = "x<".repeat(350);
    for block in 0..14 {
        token = checked(&token, &format!("check if \"{long}\" == \"{block}\";"));
    }
    let svg = picture(&cli, &token.to_text(), &[]);
    assert_eq!(svg.matches("class=\"card dashed\"").count(), 15);
    let lines = texts(&svg);
    assert_eq!(lines.iter().filter(|line| *line == "…").count(), 14);
    assert!(lines.len() < 16 * 10 && svg.len() < 100_000, "{} {}", lines.len(), svg.len());
    let many = (0..32).map(|n| format!("check if label(\"{n}\");")).collect::<String>();
    let token = checked(&handed(&bound(), 0, 1), &many);
    let texts = texts(&picture(&cli, &token.to_text(), &[]));
    assert!(texts.contains(&"… and 10 more".to_owned()), "{texts:?}");
    assert_eq!(texts.iter().filter(|text| text.starts_with("check if")).count(), 22);
    assert!(texts.contains(&format!("key {}", holder(1).public().thumbprint())));
}
