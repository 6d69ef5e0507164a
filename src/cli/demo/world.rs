//! Where the story happens: one authority and three gateways, on free loopback ports.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;

use super::gateway::Gateway;
use super::office::{DEADLINE, Office};
use super::tools::{self, Deeds};
use crate::decide::Policy;

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
    pub(super) office: Office,
    /// What the tools did.
    pub(super) deeds: Deeds,
    crm: Gateway,
    payments: Gateway,
    messaging: Gateway,
}

impl World {
    /// Starts everything, with what has to be kept in this directory.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let office = Office::start(dir).await?;
        let reached = office.reached()?;
        let deeds = Deeds::default();
        let standard = Policy::standard()?;
        let strict = Policy::parse([("payments.datalog", PAYMENTS_POLICY)])?;
        let start = |id, tools, policy| Gateway::start(id, tools, policy, dir, &reached);
        let (crm, payments, messaging) = tokio::try_join!(
            start("crm-gateway", tools::crm(deeds.clone())?, standard.clone()),
            start("payments-gateway", tools::payments(deeds.clone())?, strict),
            start("messaging-gateway", tools::messaging(deeds.clone())?, standard),
        )?;
        let world = Self { office, deeds, crm, payments, messaging };
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
        let Self { office, crm, payments, messaging, .. } = self;
        // Their connections end first: the authority lets those under way finish.
        drop((crm, payments, messaging));
        office.end().await
    }
}
