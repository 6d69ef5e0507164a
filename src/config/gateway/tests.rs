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
