//! Settings of a gateway that make no sense, each told in a sentence.

use hardtack::config::gateway::GatewaySettings;

const ROOT: &str = "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn settings(trust: &str, more: &str) -> String {
    format!("gateway = \"g\"\n[authority]\n{trust}\n{more}\n")
}

fn server(kind: &str, more: &str) -> String {
    let trust = format!("roots = [\"{ROOT}\"]\nbundle = \"b\"");
    settings(&trust, &format!("[[server]]\nname = \"s\"\nkind = \"{kind}\"\n{more}"))
}

fn refused(text: &str, says: &str) {
    match GatewaySettings::from_toml(text) {
        Ok(_) => panic!("taken, where it should say {says}: {text}"),
        Err(error) => assert!(error.contains(says), "{text}: {error}"),
    }
}

const URL: &str = "url = \"http://127.0.0.1:1\"";
const ROUTE: &str = "[[server.route]]\nmethod = \"GET\"\npath = \"/x\"\ntool = \"x\"";

#[test]
fn one_of_each_kind_is_taken() {
    for text in [
        server("mcp-http", URL),
        server("mcp-stdio", "command = [\"x\"]\nroots = [\"file:///\"]"),
        server("http", &format!("{URL}\n{ROUTE}")),
        server("external", ROUTE),
    ] {
        assert!(GatewaySettings::from_toml(&text).is_ok(), "{text}");
    }
}

#[test]
fn a_server_is_one_of_its_kind() {
    let credential = "credential = { bearer = { env = \"N\" } }";
    let of_tool = format!("{ROUTE}\n[server.tool.x]\n{credential}");
    for (kind, more, says) in [
        ("mcp-stdio", "", "names no `command`"),
        ("mcp-stdio", "command = [\"\"]", "names no `command`"),
        ("mcp-stdio", &format!("command = [\"x\"]\n{URL}"), "has a `url`"),
        ("mcp-stdio", &format!("command = [\"x\"]\n{credential}"), "give its credential in `env`"),
        ("mcp-stdio", &format!("command = [\"x\"]\n{ROUTE}"), "has a `route`"),
        ("mcp-http", "", "names no `url`"),
        ("mcp-http", &format!("{URL}\n{ROUTE}"), "has a `route`"),
        ("mcp-http", &format!("{URL}\ncommand = [\"x\"]"), "so no `command`"),
        ("mcp-http", &format!("{URL}\nenv = {{ A = \"b\" }}"), "so no `command`"),
        ("mcp-http", &format!("{URL}\ncwd = \"/\""), "so no `command`"),
        ("mcp-http", "url = \"x\"", "has no URL"),
        ("mcp-http", "url = \"ftp://h/\"", "neither `http` nor `https`"),
        ("mcp-http", "url = \"http://u@h/\"", "has a user"),
        ("mcp-http", "url = \"http://:p@h/\"", "has a user"),
        ("mcp-http", "url = \"http://h/?a\"", "has a query or fragment"),
        ("mcp-http", "url = \"http://h/#a\"", "has a query or fragment"),
        ("http", URL, "names no `route`"),
        ("http", ROUTE, "names no `url`"),
        ("external", &format!("{URL}\n{ROUTE}"), "another proxy knows its `url`"),
        ("external", &format!("{credential}\n{ROUTE}"), "another proxy gives its credential"),
        ("external", &of_tool, "another proxy gives its credential"),
        ("external", &format!("command = [\"x\"]\n{ROUTE}"), "another proxy gives its credential"),
    ] {
        refused(&server(kind, more), says);
    }
}

#[test]
fn names_and_labels_are_plain() {
    let named = |name: &str| server("mcp-http", URL).replace("\"s\"", &format!("\"{name}\""));
    assert!(GatewaySettings::from_toml(&named(&"s".repeat(32))).is_ok());
    for name in ["", "S", "-s", "s_s", "s/s", "s__s", "s+s", "s:s", "é", &"s".repeat(33)] {
        refused(&named(name), "a server is called");
    }
    for label in ["", "Read", "a b", "é", &"a".repeat(65)] {
        let labels = format!("labels = [\"{label}\"]");
        refused(&server("mcp-http", &format!("{URL}\n{labels}")), "has the label");
        let of_tool = format!("{URL}\n[server.tool.x]\n{labels}");
        refused(&server("mcp-http", &of_tool), "has the label");
    }
    for gateway in ["", "\\u0000", &"g".repeat(5000)] {
        let text = server("mcp-http", URL).replace("\"g\"", &format!("\"{gateway}\""));
        refused(&text, "`gateway` is empty");
    }
    let twice =
        format!("{}[[server]]\nname = \"s\"\nkind = \"mcp-http\"\n{URL}", server("mcp-http", URL));
    refused(&twice, "two servers are called `s`");
}

#[test]
fn numbers_are_within_bounds() {
    for (field, bad) in [
        ("connect_timeout_secs", [0, 301]),
        ("answer_timeout_secs", [0, 86_401]),
        ("idle_timeout_secs", [0, 86_401]),
        ("calls_max", [0, 100_001]),
        ("sessions_max", [0, 100_001]),
    ] {
        for value in bad {
            refused(&server("mcp-http", &format!("{URL}\n{field} = {value}")), "must be from");
        }
    }
    for (section, field, bad) in [
        ("listen", "connections_max", [0, 1_000_001]),
        ("listen", "head_timeout_secs", [0, 301]),
        ("listen", "body_timeout_secs", [0, 3601]),
        ("listen", "body_bytes_max", [1023, 1_048_577]),
        ("limits", "calls_max", [0, 1_000_001]),
        ("limits", "task_calls_max", [0, 1_000_001]),
    ] {
        for value in bad {
            let more = format!("{URL}\n[{section}]\n{field} = {value}");
            refused(&server("mcp-http", &more), &format!("`{section}.{field}` is {value}"));
        }
    }
}

#[test]
fn a_gateway_trusts_somebody_and_knows_revocations_from_one_place() {
    let (sources, bundle) = ("sources = [\"http://127.0.0.1:9\"]", "bundle = \"b\"");
    let roots = format!("roots = [\"{ROOT}\"]");
    for (trust, says) in [
        (sources.to_owned(), "names no root key"),
        (roots.clone(), "neither `sources` nor a `bundle`"),
        (format!("{roots}\n{sources}\n{bundle}"), "it can follow one"),
        (format!("{roots}\n{bundle}\nsaved = \"s\""), "`authority.saved` is for `sources`"),
    ] {
        refused(&settings(&trust, ""), says);
    }
}

#[test]
fn a_file_is_read_within_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.toml");
    let long = format!("{}#{}", server("mcp-http", URL), "x".repeat(4 * 1024 * 1024));
    std::fs::write(&path, long).unwrap();
    let error = GatewaySettings::read(&path).unwrap_err().to_string();
    assert!(error.contains("longer than 4 mib"), "{error}");
}
