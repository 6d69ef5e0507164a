use std::path::Path;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use crate::mint::is_plain_text;

/// Headers that cannot carry a credential: they frame or route the message.
const NO_CREDENTIALS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a gateway shows to an upstream, instead of its caller's token.
///
/// *Shape*: exactly one kind, and a name for the records:
/// `{ bearer = { env = "CRM_TOKEN" }, name = "crm-readonly" }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Kinds", into = "Kinds")]
pub struct CredentialConfig {
    /// What records call it; without one, the server's name or `SERVER/TOOL`.
    pub name: Option<String>,
    /// Of which kind it is.
    pub kind: CredentialKind,
}

/// Where a credential goes, and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A header with this value.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: Secret,
    },
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// Who; without a colon.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A parameter of the query with this value.
    Query {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// A bearer token that is fetched with the gateway's own OAuth client (RFC 6749, section 4.4).
    ClientCredentials(ClientCredentials),
    /// A bearer token that is fetched in exchange for another (RFC 8693).
    Exchange(Exchange),
}

/// How an OAuth client says who it is.
///
/// *Source*: RFC 6749, section 2.3.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// In the header `Authorization`.
    #[default]
    Basic,
    /// In the form.
    Post,
}

/// An OAuth client that fetches tokens for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// Where tokens are fetched: `https`, or `http` on this very machine.
    pub token_url: String,
    /// The client's name.
    pub client_id: String,
    /// The client's password.
    pub client_secret: Secret,
    /// What the token is to be good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whom the token is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// How the client says who it is.
    #[serde(default)]
    pub auth: ClientAuth,
}

/// A token that is exchanged for another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Where tokens are exchanged: `https`, or `http` on this very machine.
    pub token_url: String,
    /// The client's name, where it says who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// How the client says who it is.
    #[serde(default)]
    pub auth: ClientAuth,
    /// The token that is exchanged.
    pub subject_token: Secret,
    /// Of which type it is; without one, an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token_type: Option<String>,
    /// Whom the new token is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The address that the new token is meant for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What the new token is to be good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A credential as it is written.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Credential")]
#[schemars(extend("oneOf" = [
    { "required": ["header"] }, { "required": ["bearer"] }, { "required": ["basic"] },
    { "required": ["query"] }, { "required": ["client_credentials"] }, { "required": ["exchange"] },
]))]
/// What the gateway shows to an upstream, instead of its caller's token: exactly one kind.
struct Kinds {
    /// What records call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// A header with this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<Named>,
    /// `Authorization: Bearer …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer: Option<Secret>,
    /// `Authorization: Basic …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    basic: Option<Basic>,
    /// A parameter of the query with this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<Named>,
    /// A bearer token that is fetched with the gateway's own OAuth client.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_credentials: Option<ClientCredentials>,
    /// A bearer token that is fetched in exchange for another.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<Exchange>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    value: Secret,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: String,
    password: Secret,
}

impl CredentialConfig {
    /// Makes the paths of files relative to this folder, if they are relative.
    pub(super) fn within(&mut self, folder: &Path) {
        match &mut self.kind {
            CredentialKind::Header { value: secret, .. }
            | CredentialKind::Bearer(secret)
            | CredentialKind::Basic { password: secret, .. }
            | CredentialKind::Query { value: secret, .. } => secret.within(folder),
            CredentialKind::ClientCredentials(client) => client.client_secret.within(folder),
            CredentialKind::Exchange(exchange) => {
                exchange.subject_token.within(folder);
                exchange.client_secret.iter_mut().for_each(|secret| secret.within(folder));
            }
        }
    }
}

impl TryFrom<Kinds> for CredentialConfig {
    type Error = String;

    fn try_from(kinds: Kinds) -> Result<Self, String> {
        let Kinds { name, header, bearer, basic, query, client_credentials, exchange } = kinds;
        let mut found = Vec::new();
        if let Some(Named { name, value }) = header {
            found.push(CredentialKind::Header { name: header_name(&name)?, value });
        }
        found.extend(bearer.map(CredentialKind::Bearer));
        if let Some(Basic { user, password }) = basic {
            found.push(CredentialKind::Basic { user: user_name(user)?, password });
        }
        if let Some(Named { name, value }) = query {
            found.push(CredentialKind::Query { name: text("query.name", name)?, value });
        }
        found.extend(client_credentials.map(CredentialKind::ClientCredentials));
        found.extend(exchange.map(CredentialKind::Exchange));
        let kind = match (found.pop(), found.is_empty()) {
            (Some(kind), true) => kind,
            _ => {
                return Err(
                    "a credential is exactly one of `header`, `bearer`, `basic`, `query`, \
                            `client_credentials` and `exchange`"
                        .to_owned(),
                );
            }
        };
        check(&kind)?;
        let name = name.map(|name| text("name", name)).transpose()?;
        Ok(Self { name, kind })
    }
}

impl From<CredentialConfig> for Kinds {
    fn from(config: CredentialConfig) -> Self {
        let name = config.name;
        match config.kind {
            CredentialKind::Header { name: header, value } => {
                let header = Some(Named { name: header.to_string(), value });
                Self { name, header, ..Self::default() }
            }
            CredentialKind::Bearer(secret) => {
                Self { name, bearer: Some(secret), ..Self::default() }
            }
            CredentialKind::Basic { user, password } => {
                Self { name, basic: Some(Basic { user, password }), ..Self::default() }
            }
            CredentialKind::Query { name: query, value } => {
                Self { name, query: Some(Named { name: query, value }), ..Self::default() }
            }
            CredentialKind::ClientCredentials(client) => {
                Self { name, client_credentials: Some(client), ..Self::default() }
            }
            CredentialKind::Exchange(exchange) => {
                Self { name, exchange: Some(exchange), ..Self::default() }
            }
        }
    }
}

impl JsonSchema for CredentialConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Kinds::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Kinds::json_schema(generator)
    }
}

fn check(kind: &CredentialKind) -> Result<(), String> {
    match kind {
        CredentialKind::ClientCredentials(client) => {
            token_url(&client.token_url)?;
            text("client_id", client.client_id.clone()).map(drop)
        }
        CredentialKind::Exchange(exchange) => {
            token_url(&exchange.token_url)?;
            match exchange.client_secret.is_some() && exchange.client_id.is_none() {
                true => Err("`client_secret` needs a `client_id`".to_owned()),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| "`header.name` is no name of a header".to_owned())?;
    match NO_CREDENTIALS.contains(&known.as_str()) {
        true => Err(format!("the header `{known}` cannot carry a credential")),
        false => Ok(known),
    }
}

fn user_name(user: String) -> Result<String, String> {
    match user.contains(':') {
        true => Err("`basic.user` has a colon, which would end it".to_owned()),
        false => text("basic.user", user),
    }
}

fn text(field: &str, text: String) -> Result<String, String> {
    match is_plain_text(&text) {
        true => Ok(text),
        false => Err(format!("`{field}` is empty, too long or holds control characters")),
    }
}

/// A client's password is sent there: in the clear it goes no further than this machine.
///
/// *Source*: RFC 6749, section 3.2.
fn token_url(text: &str) -> Result<(), String> {
    let url = url::Url::parse(text).map_err(|_| "`token_url` is no URL".to_owned())?;
    let local = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if !(url.scheme() == "https" || url.scheme() == "http" && local) {
        return Err("`token_url` is neither `https` nor `http` on this machine".to_owned());
    }
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    match plain {
        true => Ok(()),
        false => Err("`token_url` has a user, a password or a fragment".to_owned()),
    }
}
