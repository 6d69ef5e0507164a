//! Settings of credentials: one kind each, secrets never among them.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
struct Settings {
    credential: CredentialConfig,
}

fn read(text: &str) -> Result<CredentialConfig, String> {
    let settings: Result<Settings, _> = toml::from_str(&format!("credential = {text}"));
    settings.map(|settings| settings.credential).map_err(|error| error.message().to_owned())
}

const ENV: &str = "{ env = \"N\" }";

#[test]
fn each_kind_is_read() {
    let url = "https://id.example.com/token";
    for text in [
        format!("{{ bearer = {ENV}, name = \"crm-readonly\" }}"),
        "{ bearer = { file = \"/run/secrets/crm\" } }".to_owned(),
        "{ bearer = { command = [\"pass\", \"show\", \"crm\"], cache_secs = 60 } }".to_owned(),
        format!("{{ header = {{ name = \"X-Key\", value = {ENV} }} }}"),
        format!("{{ basic = {{ user = \"agent\", password = {ENV} }} }}"),
        format!("{{ query = {{ name = \"api_key\", value = {ENV} }} }}"),
        format!(
            "{{ client_credentials = {{ token_url = \"{url}\", client_id = \"c\", \
             client_secret = {ENV}, scope = \"a b\", audience = \"x\", auth = \"post\" }} }}"
        ),
        format!("{{ exchange = {{ token_url = \"{url}\", subject_token = {ENV} }} }}"),
        format!(
            "{{ exchange = {{ token_url = \"http://127.0.0.1:1/t\", client_id = \"c\", \
             client_secret = {ENV}, subject_token = {ENV}, subject_token_type = \"t\", \
             audience = \"a\", resource = \"r\", scope = \"s\" }} }}"
        ),
    ] {
        let config = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let shown = serde_json::to_value(&config).unwrap();
        let schema = serde_json::to_value(schemars::schema_for!(CredentialConfig)).unwrap();
        assert!(jsonschema::is_valid(&schema, &shown), "{shown}");
        if !text.contains("command") {
            assert_eq!(serde_json::from_value::<CredentialConfig>(shown).unwrap(), config);
        }
    }
}

#[test]
fn mistakes_get_one_sentence_without_the_secret() {
    let url = "token_url = \"http://id.example.com/token\"";
    for (text, says) in [
        ("{}", "a credential is exactly one of"),
        ("{ name = \"x\" }", "a credential is exactly one of"),
        (
            "{ bearer = ENV, basic = { user = \"a\", password = ENV } }",
            "a credential is exactly one of",
        ),
        ("{ bearer = ENV, token = \"hunter2\" }", "unknown field `token`"),
        ("{ bearer = \"hunter2\" }", "a secret is never written into the settings"),
        ("{ bearer = 1234567890 }", "a secret is never written into the settings"),
        ("{ bearer = 0.5 }", "a secret is never written into the settings"),
        ("{ header = { name = \"x\", value = \"hunter2\" } }", "a secret is never written"),
        ("{ bearer = {} }", "a secret is one of `env`, `file` and `command`"),
        ("{ bearer = { env = \"N\", file = \"f\" } }", "a secret is one of"),
        ("{ bearer = { env = \"\" } }", "`env` is no name"),
        ("{ bearer = { env = \"A=hunter2\" } }", "`env` is no name"),
        ("{ bearer = { command = [] } }", "`command` names no program"),
        (
            "{ bearer = { command = [\"a\"], cache_secs = 0 } }",
            "`cache_secs` is not from 1 to 86400",
        ),
        ("{ bearer = { env = \"N\", cache_secs = 5 } }", "`cache_secs` is for a `command` alone"),
        ("{ bearer = { value = \"hunter2\" } }", "unknown field `value`"),
        ("{ header = { name = \"a b\", value = ENV } }", "`header.name` is no name"),
        ("{ header = { name = \"Host\", value = ENV } }", "the header `host` cannot carry"),
        ("{ header = { name = \"Content-Length\", value = ENV } }", "the header `content-length`"),
        ("{ basic = { user = \"a:b\", password = ENV } }", "`basic.user` has a colon"),
        ("{ query = { name = \"\", value = ENV } }", "`query.name` is empty"),
        ("{ bearer = ENV, name = \"\" }", "`name` is empty"),
        (
            "{ client_credentials = { URL, client_id = \"c\", client_secret = ENV } }",
            "`token_url` is neither",
        ),
        ("{ exchange = { URL, subject_token = ENV } }", "`token_url` is neither"),
        (
            "{ exchange = { token_url = \"https://u:hunter2@id/t\", subject_token = ENV } }",
            "`token_url` has a user",
        ),
        (
            "{ exchange = { token_url = \"https://id/t\", client_secret = ENV, subject_token = ENV } }",
            "`client_secret` needs a `client_id`",
        ),
    ] {
        let text = text.replace("ENV", ENV).replace("URL", url);
        let error = read(&text).unwrap_err();
        assert!(error.starts_with(says), "{text}: {error}");
        assert!(!error.contains("hunter2") && !error.contains("1234567890"), "{error}");
    }
}

#[test]
fn arguments_of_a_command_are_not_shown() {
    let config = read("{ bearer = { command = [\"vault\", \"hunter2\"] } }").unwrap();
    let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(shown.contains("vault") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_line_that_makes_no_sense_is_named_without_its_value() {
    for (line, says) in [
        ("credential = { bearer = \"hunter2\" }", "line 9, `credential`: a secret is never"),
        (
            "credential = { bearer = { value = \"hunter2\" } }",
            "line 9, `credential`: unknown field",
        ),
        ("credential = \"hunter2", "line 9, `credential`: "),
        ("command = [\n  \"hunter2\",\n  5,\n]", "line 11: invalid type"),
        ("[server.credential.bearer]\nenv = 5", "line 10, `env`: invalid type"),
        ("[server.credential.bearers]\nenv = \"hunter2\"", "line 9, `[server.credential.bearers]`"),
    ] {
        let error = GatewaySettings::from_toml(&settings(line)).unwrap_err();
        assert!(error.starts_with(says), "{line}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

fn settings(more: &str) -> String {
    let key = "ed25519/d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    format!(
        "gateway = \"g\"\n[authority]\nroots = [\"{key}\"]\nbundle = \"b\"\n[[server]]\n\
         name = \"crm\"\nkind = \"mcp-http\"\nurl = \"http://127.0.0.1:1/mcp\"\n{more}\n"
    )
}

#[test]
fn files_of_secrets_are_in_the_folder_of_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    let more = "credential = { bearer = { file = \"token\" } }\n[server.tool.t]\n\
        credential = { basic = { user = \"u\", password = { file = \"/run/pass\" } } }";
    std::fs::write(&path, settings(more)).unwrap();
    let server = GatewaySettings::read(&path).unwrap().servers.remove(0);
    let shown = |config: &CredentialConfig| format!("{:?}", config.kind);
    let here = format!("Bearer(Secret(the file `{}`))", folder.path().join("token").display());
    assert_eq!(shown(&server.credential.unwrap()), here);
    let tool = server.tools["t"].credential.as_ref().map(shown).unwrap();
    assert!(tool.contains("the file `/run/pass`"), "{tool}");
}
