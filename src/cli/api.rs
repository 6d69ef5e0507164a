//! Calls of the authority's HTTP service.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use rand::rngs::OsRng;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use zeroize::Zeroizing;

use super::serve::runtime;
use super::usage::usage;
use crate::config::{SystemClock, env, keyfile};
use crate::keys::HolderKey;
use crate::model::{Args, Clock, JsonProfile};
use crate::present::prove_key;
use crate::store::ClientKey;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which authority, and as whom.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// Where the authority answers; HARDTACK_URL without it.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The file of the client key; HARDTACK_CLIENT_KEY, the key itself, without it.
    #[arg(long, value_name = "FILE")]
    client_key: Option<PathBuf>,
}

impl Server {
    /// Calls as a client, with its key; signed by a holder's key too where one is given.
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        holder: Option<&HolderKey>,
    ) -> anyhow::Result<Value> {
        let url = self.url(path)?;
        let (from, key) = match &self.client_key {
            Some(path) => (format!("`{}`", path.display()), Some(keyfile::read_secret(path)?)),
            None => ("HARDTACK_CLIENT_KEY".to_owned(), env::client_key()),
        };
        let Some(key) = key else {
            return usage(
                "name the client key's file with `--client-key`, or set HARDTACK_CLIENT_KEY",
            );
        };
        // Another secret, such as a root key, must not leave the machine by mistake.
        key.parse::<ClientKey>().with_context(|| format!("{from} holds no client key"))?;
        send(url, method, body, Some(key), holder)
    }

    /// Calls without a client key; signed by a holder's key where one is given.
    pub(super) fn call_anonymously(
        &self,
        path: &str,
        body: Option<Value>,
        holder: Option<&HolderKey>,
    ) -> anyhow::Result<Value> {
        send(self.url(path)?, Method::POST, body, None, holder)
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        let Some(address) = self.server.clone().or_else(env::server_url) else {
            return usage("name the authority with `--server`, or set HARDTACK_URL");
        };
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let Some(base) = Url::parse(&address).ok().filter(plain) else {
            return usage("the authority's address is a plain `http` or `https` URL");
        };
        let base = base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{path}")).context("the authority's address is not usable")
    }
}

fn send(
    url: Url,
    method: Method,
    body: Option<Value>,
    key: Option<Zeroizing<String>>,
    holder: Option<&HolderKey>,
) -> anyhow::Result<Value> {
    let client = client().build().context("the HTTP client could not be made")?;
    let mut request = client.request(method.clone(), url.clone());
    if let Some(key) = &key {
        request = request.bearer_auth(key.as_str());
    }
    if let Some(holder) = holder {
        request = request.header("DPoP", proof(holder, &method, &url, body.as_ref())?);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let origin = url.origin().ascii_serialization();
    runtime()?.block_on(answer(request)).with_context(|| format!("the authority at {origin}"))
}

/// The proof that a request is made by whoever has a holder's key.
fn proof(
    holder: &HolderKey,
    method: &Method,
    url: &Url,
    body: Option<&Value>,
) -> anyhow::Result<String> {
    let body = match body {
        Some(body) => Args::parse(body.to_string(), JsonProfile::Interoperable)?,
        None => Args::none(),
    };
    let (uri, now) = (url.as_str().parse()?, SystemClock.now());
    Ok(prove_key(holder, method.as_str(), &uri, body.digest(), now, &mut OsRng)?)
}

/// What secrets are sent with: nobody between, and no other place than the one named.
pub(super) fn client() -> ClientBuilder {
    // Somebody else may have installed one already, which does as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).no_proxy()
}

/// What is said of a service that did not answer.
pub(super) fn no_answer(in_time: bool) -> anyhow::Error {
    match in_time {
        true => anyhow::anyhow!("was not reached"),
        false => anyhow::anyhow!("did not answer in time"),
    }
}

fn unreached(error: reqwest::Error) -> anyhow::Error {
    no_answer(!error.is_timeout())
}

/// The status and the whole body of an answer.
pub(super) async fn read(mut response: Response) -> anyhow::Result<(StatusCode, Vec<u8>)> {
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreached)? {
        if body.len().saturating_add(chunk.len()) > BYTES_MAX {
            bail!("answered more than {BYTES_MAX} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body))
}

/// The JSON of an answer, or the sentence of a problem.
async fn answer(request: RequestBuilder) -> anyhow::Result<Value> {
    let (status, body) = read(request.send().await.map_err(unreached)?).await?;
    let json = serde_json::from_slice::<Value>(&body);
    if status.is_success() {
        return json.context("answered something else than JSON");
    }
    let text = |name: &str| json.as_ref().ok()?.get(name)?.as_str().map(str::to_owned);
    match text("detail").or_else(|| text("title")) {
        Some(detail) => bail!("refused: {detail}"),
        None => bail!("answered {}", status.as_u16()),
    }
}
