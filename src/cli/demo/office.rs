//! A new authority under way, and how it is asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rand::rngs::OsRng;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::authority::{self, Authority, router};
use crate::config::{DataDir, Entropy, InitOptions, SystemClock};
use crate::gateway;
use crate::keys::HolderKey;
use crate::model::{Args, Clock, JsonProfile};
use crate::present::prove_key;

/// How long anything may take to answer or to arrive.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// What the authority answered: the status and the JSON.
pub(super) type Answer = (u16, Value);

/// An authority on a free loopback port.
pub(super) struct Office {
    pub(super) http: reqwest::Client,
    /// Where it answers.
    pub(super) url: String,
    /// The administrator's client key.
    admin: Zeroizing<String>,
    authority: Served,
}

/// The authority under way.
struct Served {
    authority: Arc<Authority>,
    server: JoinHandle<std::io::Result<()>>,
    stop: oneshot::Sender<()>,
}

impl Office {
    /// Starts an authority, with what it has to keep in this directory.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (authority, admin) = serve(listener, &dir.join("authority")).await?;
        // This also chooses the TLS library that every other client then uses.
        gateway::Authority::new(&url, DEADLINE)?;
        let http = reqwest::Client::builder().timeout(DEADLINE).no_proxy().build()?;
        Ok(Self { http, url, admin, authority })
    }

    /// How gateways reach it.
    pub(super) fn reached(&self) -> anyhow::Result<gateway::Authority> {
        Ok(gateway::Authority::new(&self.url, DEADLINE)?)
    }

    /// Asks: as the client with this key, signed by this holder's.
    pub(super) async fn ask(
        &self,
        path: &str,
        client: Option<&str>,
        holder: Option<&HolderKey>,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.post(&url).json(body);
        if let Some(key) = client {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        if let Some(key) = holder {
            let body = Args::parse(body.to_string(), JsonProfile::Interoperable)?.digest();
            let (uri, now) = (url.parse()?, SystemClock.now());
            request = request.header("DPoP", prove_key(key, "POST", &uri, body, now, &mut OsRng)?);
        }
        let answer = request.send().await.context("the authority was not reached")?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Asks as its administrator.
    pub(super) async fn administer(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(path, Some(&self.admin), None, body).await
    }

    /// Ends it.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        let Self { http, authority, .. } = self;
        drop(http);
        // Nobody hears it where the server has ended by itself.
        let _ = authority.stop.send(());
        authority.server.await??;
        Ok(authority.authority.close().await?)
    }
}

/// A new authority in a directory of its own, and the key of its administrator.
async fn serve(listener: TcpListener, path: &Path) -> anyhow::Result<(Served, Zeroizing<String>)> {
    let options = InitOptions { listen: Some(listener.local_addr()?), ..InitOptions::default() };
    let made = DataDir::init(path, &options, &mut OsRng, SystemClock.now()).await?;
    let dir = DataDir::open(path)?;
    let authority = Arc::new(Authority::open(&dir, SystemClock, Entropy::system()).await?);
    let (stop, told) = oneshot::channel::<()>();
    let shutdown = async {
        // Either way there is nobody left to serve.
        let _ = told.await;
    };
    let service = router(Arc::clone(&authority));
    let server = tokio::spawn(authority::serve(listener, service, shutdown));
    Ok((Served { authority, server, stop }, made.to_secret_text()))
}
