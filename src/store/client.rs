use std::collections::BTreeSet;

use super::KeyDigest;
use crate::model::Timestamp;
use crate::vocabulary::Grant;

/// A client of the authority: a program that asks for tasks with its own key.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its id: 16 lower-case hexadecimal characters.
    pub id: String,
    /// What people call it; unique.
    pub name: String,
    /// Whether it may add and disable clients, see all tasks and revoke anything.
    pub is_admin: bool,
    /// What its tasks may never exceed.
    pub limits: ClientLimits,
    /// When it was added.
    pub created: Timestamp,
    /// Since when its key opens nothing.
    pub disabled: Option<Timestamp>,
}

/// What a client's tasks may never exceed.
///
/// *Shape*: a bound that is `None` leaves the authority's own bound alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientLimits {
    /// Each grant of a task lies within one of these; none means no task at all.
    pub ceiling: Vec<Grant>,
    /// The gateways that its tokens may name.
    pub audience: Option<BTreeSet<String>>,
    /// The longest life of its tokens.
    pub ttl_secs_max: Option<u64>,
    /// The most delegation hops.
    pub depth_max: Option<u32>,
    /// Whether it may ask for bearer tokens; otherwise each task names the key of its holder.
    pub bearer: bool,
}

/// A client to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewClient {
    /// The client.
    pub client: Client,
    /// The digest of its key.
    pub key: KeyDigest,
}

/// What came of adding a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAdded {
    /// It was added.
    Added,
    /// Another client has the name.
    NameTaken,
}
