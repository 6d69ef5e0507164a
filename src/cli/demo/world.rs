//! Where the story happens: one authority and three gateways, on free loopback ports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::rngs::OsRng;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::gateway::Gateway;
use super::tools::{self, Deeds};
use crate::authority::{self, Authority, router};
use crate::config::{DataDir, Entropy, InitOptions, SystemClock};
use crate::decide::Policy;
use crate::gateway;
use crate::keys::HolderKey;
use crate::model::{Args, Clock, JsonProfile};
use crate::present::prove_key;

/// How long anything may take to answer or to arrive.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// The payments gateway's policy besides the standard one.
pub(super) const PAYMENTS_POLICY: &str = "\
// Destructive tools are for those whom the orchestrator chose itself.
deny if label(\"destructive\"), depth($hops), $hops > 1;
allow if granted($grant);
";

/// Which gateway.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Crm,
    Payments,
    Messaging,
}

/// Everything that runs.
pub(super) struct World {
    pub(super) http: reqwest::Client,
    /// What the tools did.
    pub(super) deeds: Deeds,
    url: String,
    /// The administrator's client key.
    admin: Zeroizing<String>,
    crm: Gateway,
    payments: Gateway,
    messaging: Gateway,
    authority: Served,
}

/// The authority under way.
struct Served {
    authority: Arc<Authority>,
    server: JoinHandle<std::io::Result<()>>,
    stop: oneshot::Sender<()>,
}

/// What the authority answered: the status and the JSON.
pub(super) type Answer = (u16, Value);

impl World {
    /// Starts everything, with what has to be kept in this directory.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (served, admin) = serve(listener, &dir.join("authority")).await?;
        // This also chooses the TLS library that every other client then uses.
        let reached = gateway::Authority::new(&url, DEADLINE)?;
        let http = reqwest::Client::builder().timeout(DEADLINE).no_proxy().build()?;
        let deeds = Deeds::default();
        let standard = Policy::standard()?;
        let strict = Policy::parse([("payments.datalog", PAYMENTS_POLICY)])?;
        let start = |id, tools, policy| Gateway::start(id, tools, policy, dir, &reached);
        let (crm, payments, messaging) = tokio::try_join!(
            start("crm-gateway", tools::crm(deeds.clone())?, standard.clone()),
            start("payments-gateway", tools::payments(deeds.clone())?, strict),
            start("messaging-gateway", tools::messaging(deeds.clone())?, standard),
        )?;
        let world = Self { http, deeds, url, admin, crm, payments, messaging, authority: served };
        world.until("revocations", |gateway| gateway.sync.status().age_millis.is_some()).await?;
        Ok(world)
    }

    /// A gateway.
    pub(super) fn gateway(&self, place: Place) -> &Gateway {
        match place {
            Place::Crm => &self.crm,
            Place::Payments => &self.payments,
            Place::Messaging => &self.messaging,
        }
    }

    /// All of them.
    pub(super) fn gateways(&self) -> [&Gateway; 3] {
        [&self.crm, &self.payments, &self.messaging]
    }

    /// Asks the authority: as the client with this key, signed by this holder's.
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

    /// Asks the authority as its administrator.
    pub(super) async fn administer(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.ask(path, Some(&self.admin), None, body).await
    }

    /// Waits until every gateway knows of so many revocations.
    pub(super) async fn revoked(&self, count: usize) -> anyhow::Result<()> {
        self.until("a revocation", |gateway| gateway.sync.status().entries >= count).await
    }

    async fn until(&self, what: &str, holds: impl Fn(&Gateway) -> bool) -> anyhow::Result<()> {
        let arrived = async {
            while !self.gateways().into_iter().all(&holds) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let arrived = tokio::time::timeout(DEADLINE, arrived).await;
        ensure!(arrived.is_ok(), "{what} did not arrive at every gateway within {DEADLINE:?}");
        Ok(())
    }

    /// Ends everything.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        let Self { http, crm, payments, messaging, authority, .. } = self;
        // Their connections end first: the authority lets those under way finish.
        drop((crm, payments, messaging, http));
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
