//! Tokens that are fetched: an OAuth client of the gateway's own.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::time::timeout;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::error::{CredentialError, TokenError};
use crate::config::gateway::{ClientAuth, ClientCredentials, Exchange, Secret, SecretText};
use crate::gateway::upstream::{Address, Change, UpstreamOptions, Wire};

/// How long fetching a token may take.
const FETCH_TIME: Duration = Duration::from_secs(10);

/// Longest answer of a token endpoint, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Longest token, in bytes: it goes into one header.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// How long a token is taken to be good that does not say so, in seconds.
const LIFE_SECS_DEFAULT: u64 = 300;

/// The longest that a token is used without asking again, in seconds.
const LIFE_SECS_MAX: u64 = 24 * 60 * 60;

/// The type of a token whose settings name none.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Errors that may be told because the standard has them.
///
/// *Source*: RFC 6749, section 5.2; RFC 8693, section 2.2.2.
const ERRORS: &[&str] = &[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
];

/// Where tokens are fetched, and what for.
pub(super) struct TokenEndpoint {
    wire: Wire,
    client: Option<Client>,
    /// The form without secrets.
    form: Vec<(&'static str, String)>,
    subject_token: Option<Secret>,
}

struct Client {
    id: String,
    secret: Option<Secret>,
    auth: ClientAuth,
}

/// A token that was fetched.
pub(super) struct Fetched {
    pub(super) token: SecretText,
    pub(super) life: Duration,
}

#[derive(Deserialize)]
struct Answer {
    access_token: Zeroed,
    token_type: String,
    expires_in: Option<Seconds>,
}

/// A text that is wiped when dropped.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Zeroed(SecretText);

impl From<String> for Zeroed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

/// A number, which some servers write as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl TokenEndpoint {
    /// Source: RFC 6749, section 4.4.
    pub(super) fn of_client(client: ClientCredentials) -> Result<Self, CredentialError> {
        let wire = wire(&client.token_url)?;
        let mut form = vec![("grant_type", "client_credentials".to_owned())];
        form.extend(client.scope.map(|scope| ("scope", scope)));
        form.extend(client.audience.map(|audience| ("audience", audience)));
        let (id, secret, auth) = (client.client_id, Some(client.client_secret), client.auth);
        Ok(Self { wire, client: Some(Client { id, secret, auth }), form, subject_token: None })
    }

    /// Source: RFC 8693, section 2.1.
    pub(super) fn of_exchange(exchange: Exchange) -> Result<Self, CredentialError> {
        let wire = wire(&exchange.token_url)?;
        let kind = exchange.subject_token_type.unwrap_or_else(|| ACCESS_TOKEN.to_owned());
        let mut form = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange".to_owned()),
            ("subject_token_type", kind),
        ];
        form.extend(exchange.audience.map(|audience| ("audience", audience)));
        form.extend(exchange.resource.map(|resource| ("resource", resource)));
        form.extend(exchange.scope.map(|scope| ("scope", scope)));
        let (secret, auth) = (exchange.client_secret, exchange.auth);
        let client = exchange.client_id.map(|id| Client { id, secret, auth });
        Ok(Self { wire, client, form, subject_token: Some(exchange.subject_token) })
    }

    /// Fetches a token.
    pub(super) async fn fetch(&self) -> Result<Fetched, CredentialError> {
        let request = self.request().await?;
        let fetched = timeout(FETCH_TIME, self.answer(request)).await;
        let (status, body) = fetched.map_err(|_| TokenError::NoAnswer("upstream-slow"))??;
        Ok(read(status, &body)?)
    }

    async fn request(&self) -> Result<Request<Body>, CredentialError> {
        let mut form = Form::default();
        for (name, value) in &self.form {
            form.add(name, value);
        }
        if let Some(subject) = &self.subject_token {
            form.add("subject_token", &subject.read().await?);
        }
        let mut authorization = None;
        if let Some(client) = &self.client {
            let secret = match &client.secret {
                Some(secret) => Some(secret.read().await?),
                None => None,
            };
            match (client.auth, secret) {
                (ClientAuth::Basic, Some(secret)) => {
                    authorization = Some(basic(&client.id, &secret)?);
                }
                (_, secret) => {
                    form.add("client_id", &client.id);
                    if let Some(secret) = secret {
                        form.add("client_secret", &secret);
                    }
                }
            }
        }
        let body = Bytes::from_owner(Zeroizing::new(std::mem::take(&mut *form.0).into_bytes()));
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.wire.address().target().clone().into();
        let headers = request.headers_mut();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn answer(
        &self,
        request: Request<Body>,
    ) -> Result<(StatusCode, Zeroizing<Vec<u8>>), TokenError> {
        let (parts, body) = request.into_parts();
        let sent = self.wire.exchange(parts, body, &options(), Change::None).await;
        let response = sent.map_err(|error| TokenError::NoAnswer(error.code()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| TokenError::NoAnswer("upstream-broken"))?;
        Ok((status, Zeroizing::new(body.to_bytes().to_vec())))
    }
}

/// Source: RFC 6749, sections 5.1 and 5.2.
fn read(status: StatusCode, body: &[u8]) -> Result<Fetched, TokenError> {
    if status != StatusCode::OK {
        let named = serde_json::from_slice::<Refusal>(body).map(|refusal| refusal.error);
        let known = ERRORS.iter().find(|known| named.as_deref().is_ok_and(|name| name == **known));
        let error = known.copied().unwrap_or("unknown error");
        return Err(TokenError::Refused { status: status.as_u16(), error });
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| TokenError::Malformed)?;
    if !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err(TokenError::NotBearer);
    }
    let life = match answer.expires_in {
        None => LIFE_SECS_DEFAULT,
        Some(Seconds::Number(secs)) => secs,
        Some(Seconds::Text(text)) => text.parse().map_err(|_| TokenError::Malformed)?,
    };
    let token = answer.access_token.0;
    match token.len() <= TOKEN_BYTES_MAX && !token.contains(' ') {
        true => Ok(Fetched { token, life: Duration::from_secs(life.min(LIFE_SECS_MAX)) }),
        false => Err(TokenError::Malformed),
    }
}

/// A form that is wiped when dropped.
#[derive(Default)]
struct Form(Zeroizing<String>);

impl Form {
    fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
}

/// Source: RFC 6749, section 2.3.1: both are form-encoded first.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, CredentialError> {
    let mut pair = Zeroizing::new(String::new());
    pair.extend(form_urlencoded::byte_serialize(id.as_bytes()));
    pair.push(':');
    pair.extend(form_urlencoded::byte_serialize(secret.as_bytes()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).map_err(|_| CredentialError::NotPrintable)?;
    value.set_sensitive(true);
    Ok(value)
}

fn wire(token_url: &str) -> Result<Wire, CredentialError> {
    Ok(Wire::new(Address::parse(token_url)?, &options())?)
}

fn options() -> UpstreamOptions {
    UpstreamOptions {
        head_timeout: FETCH_TIME,
        idle_timeout: Some(FETCH_TIME),
        total_timeout: Some(FETCH_TIME),
        idle_connections_max: 1,
        ..UpstreamOptions::default()
    }
}
