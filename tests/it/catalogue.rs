//! Definitions of tools: what a digest covers, which schemas are taken, and what is seen of a server.

use hardtack::config::gateway::{GatewaySettings, Server};
use hardtack::gateway::catalogue::{Approved, Catalogue, Definition, Standing};
use hardtack::model::{Args, Json, JsonProfile, Timestamp, Tool};

fn servers(more: &str) -> Vec<Server> {
    let settings = format!(
        "gateway = \"g\"\n[authority]\nbundle = \"b\"\nroots = \
         [\"ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\"]\n\
         [[server]]\nname = \"files\"\nkind = \"mcp-http\"\nurl = \"http://127.0.0.1:1/mcp\"\n{more}"
    );
    GatewaySettings::from_toml(&settings).unwrap().servers
}

fn tool(name: &str) -> Tool {
    Tool::new("files", name).unwrap()
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes(), JsonProfile::Integers64).unwrap()
}

fn approved(definition: &str) -> Result<Approved, String> {
    let (name, definition) = Definition::read(definition.as_bytes())?;
    Approved::default().with(tool(&name), definition, Timestamp::from_millis(0))
}

#[test]
fn a_digest_covers_all_that_somebody_acts_on() {
    let digest = |text: &str| Definition::read(text.as_bytes()).unwrap().1.digest;
    let bare = digest(r#"{"name":"a"}"#);
    for member in [
        r#""title":"t""#,
        r#""description":"d""#,
        r#""inputSchema":{}"#,
        r#""outputSchema":{}"#,
        r#""annotations":{"readOnlyHint":true}"#,
    ] {
        assert_ne!(digest(&format!(r#"{{"name":"a",{member}}}"#)), bare, "{member}");
    }
    assert_eq!(digest(r#"{"_meta":{"n":1},"name":"a","icons":[]}"#), bare);
}

#[test]
fn a_schema_that_costs_too_much_is_not_approved() {
    let of = |schema: &str| approved(&format!(r#"{{"name":"a","inputSchema":{schema}}}"#));
    assert!(of(r#"{"type":"object"}"#).is_ok());
    let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(256 * 1024));
    assert!(of(&long).unwrap_err().contains("more than 262144 bytes"));
    // What only a search that goes back could match.
    for pattern in ["(?=a)b", "(a)\\\\1"] {
        let of_pattern = of(&format!(r#"{{"properties":{{"p":{{"pattern":"{pattern}"}}}}}}"#));
        assert!(of_pattern.unwrap_err().contains("has a schema that is none"), "{pattern}");
    }
}

#[test]
fn settings_name_tools_and_arguments_that_there_can_be() {
    for (more, says) in [
        ("[server.tool.\"*\"]", "`files/*`"),
        ("[server.tool.a]\narguments = { \"*/b\" = \"path\" }", "`*/b`"),
    ] {
        assert!(Catalogue::new(&servers(more), None).unwrap_err().contains(says), "{more}");
    }
}

#[test]
fn a_path_leads_to_texts_or_nowhere() {
    let more = "[server.tool.a]\narguments = { \"files/*\" = \"path\" }";
    let catalogue = Catalogue::new(&servers(more), None).unwrap();
    for (args, good) in [
        (r#"{"files":["/a","/b"]}"#, true),
        (r#"{"files":["/a","../b"]}"#, false),
        (r#"{"files":["/a",{"b":"/c"}]}"#, false),
        (r#"{"files":"../b"}"#, false),
        (r#"{"files":1}"#, false),
        ("{}", true),
    ] {
        let parsed = Args::parse(args, JsonProfile::default()).unwrap();
        assert_eq!(catalogue.check(&tool("a"), &parsed).is_ok(), good, "{args}");
    }
}

#[test]
fn a_definition_that_mirrors_wrongly_is_withheld() {
    let catalogue = Catalogue::new(&servers(""), None).unwrap();
    let standing = |header: &str| {
        let schema =
            format!(r#"{{"properties":{{"r":{{"type":"string","x-mcp-header":{header}}}}}}}"#);
        catalogue.observe("files", &json(&format!(r#"{{"name":"a","inputSchema":{schema}}}"#))).1
    };
    assert_eq!(standing("\"Region\""), Standing::Good);
    assert_eq!(catalogue.mirrors(&tool("a")).len(), 1);
    for header in ["\"a b\"", "\"\"", "1", "null"] {
        assert_eq!(standing(header), Standing::Unusable, "{header}");
    }
}

#[test]
fn an_approved_tool_whose_definition_cannot_be_used_any_more_is_not_called() {
    let good = r#"{"name":"a","inputSchema":{"properties":{"r":{"type":"string"}}}}"#;
    let bad = good.replace("\"string\"", "\"string\",\"x-mcp-header\":\"a b\"");
    let catalogue = Catalogue::new(&servers(""), Some(approved(good).unwrap())).unwrap();
    let called = || catalogue.check(&tool("a"), &Args::none()).is_ok();
    for (definition, standing, callable) in [
        (good, Standing::Good, true),
        (&bad, Standing::Unusable, false),
        (good, Standing::Good, true),
    ] {
        assert_eq!(catalogue.observe("files", &json(definition)).1, standing);
        assert_eq!(called(), callable, "{definition}");
    }
}

#[test]
fn a_server_that_lists_without_end_is_remembered_within_bounds() {
    let catalogue = Catalogue::new(&servers(""), None).unwrap();
    let labelled = |name: &str| !catalogue.labels(&tool(name)).is_empty();
    for n in 0..10_000 {
        catalogue.observe("files", &json(&format!(r#"{{"name":"t{n}"}}"#)));
    }
    assert!(labelled("t9999"));
    let (_, standing) = catalogue.observe("files", &json(r#"{"name":"more"}"#));
    assert_eq!((standing, labelled("more")), (Standing::Good, false));
}

#[test]
fn arguments_that_take_too_long_to_check_are_refused() {
    let filter = concat!(
        r##"{"name":"a","inputSchema":{"$ref":"#/$defs/f","$defs":{"f":{"anyOf":["##,
        r##"{"properties":{"and":{"items":{"$ref":"#/$defs/f"}}}},"##,
        r##"{"properties":{"and":{"items":{"$ref":"#/$defs/f"}},"or":{}}},"##,
        r##"{"properties":{"and":{"items":{"$ref":"#/$defs/f"}},"not":{}}}]}}}}"##,
    );
    let catalogue = Catalogue::new(&servers(""), Some(approved(filter).unwrap())).unwrap();
    let checked = |depth: usize| {
        let nested = (0..depth).fold("{}".to_owned(), |inner, _| format!(r#"{{"and":[{inner}]}}"#));
        catalogue.check(&tool("a"), &Args::parse(nested, Default::default()).unwrap())
    };
    assert!(checked(3).is_ok());
    assert_eq!(checked(12).unwrap_err().code().as_str(), "request-malformed");
}
