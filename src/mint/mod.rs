//! Step 1, mint: grants to a token signed by a root key.
//!
//! A pure function of the task, the key, the clock's reading and the random numbers it is given.
//! Every token carries an expiry, an audience and a bound on its depth; nothing is minted that
//! states a word reserved for gateways (law 3).

use std::collections::BTreeSet;

use biscuit_auth::Biscuit;
use biscuit_auth::builder::{Algorithm, BlockBuilder, Fact, Term};
use rand::{CryptoRng, RngCore};
use uuid::Uuid;

use crate::keys::{RootKey, VerifyingKey};
pub use crate::model::is_plain_text;
use crate::model::{Timestamp, limits};
use crate::token::UnverifiedToken;
use crate::vocabulary::compile::{self, CompileError};
use crate::vocabulary::{Datalog, DatalogError, Grant, frame, names};

/// What one task may do, for whom, where, and for how long.
///
/// *Shape*: [`Task::new`] fills in the defaults of [`limits`].
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What may be called. At least one grant.
    pub grants: Vec<Grant>,
    /// On whose behalf, such as `user:alice@example.com`.
    pub principal: Option<String>,
    /// Whom the token is issued to, such as `spiffe://example.com/orchestrator`.
    pub agent: Option<String>,
    /// What the task is for, in words.
    pub intent: Option<String>,
    /// The gateways that may accept the token, at least one; `None` is every gateway that trusts
    /// the root key.
    pub audience: Option<BTreeSet<String>>,
    /// How long the token lives.
    pub ttl_secs: u64,
    /// How many delegation hops it allows.
    pub depth: u32,
    /// Whose proof each call must carry; `None` is a bearer token.
    pub holder: Option<VerifyingKey>,
    /// Further facts, rules and checks for block 0.
    pub datalog: Datalog,
}

/// A freshly minted token and what the authority keeps about it.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The token, unsealed.
    pub token: UnverifiedToken,
    /// The task's id, a UUIDv7.
    pub task: String,
    /// When the token ends.
    pub expires: Timestamp,
}

/// Why a task got no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// No grant.
    #[error("a task needs at least one grant")]
    NoGrant,
    /// More grants than fit.
    #[error("a task holds at most {} grants", limits::GRANTS_MAX)]
    TooManyGrants,
    /// An empty audience.
    #[error("the audience is empty, so that no gateway could accept the token")]
    NoAudience,
    /// A life of zero, or too long.
    #[error("a token lives between 1 and {} seconds", limits::TOKEN_TTL_SECS_MAX)]
    Ttl,
    /// More hops than a token has blocks for.
    #[error("a token allows at most {} hops", limits::BLOCKS_MAX - 1)]
    Depth,
    /// A text is empty, too long or holds control characters.
    #[error("`{0}` is empty, longer than {max} bytes or holds control characters", max = limits::TEXT_BYTES_MAX)]
    Text(&'static str),
    /// The grants do not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The Datalog states a word it may not.
    #[error(transparent)]
    Datalog(#[from] DatalogError),
    /// The token would be refused by every verifier.
    #[error("the token would be refused: {0}")]
    Refused(String),
    /// The token could not be built.
    #[error("the token could not be built")]
    Build,
}

impl Task {
    /// A task with these grants for these gateways, and the defaults for the rest.
    pub fn new(grants: Vec<Grant>, audience: Option<BTreeSet<String>>) -> Self {
        Self {
            grants,
            principal: None,
            agent: None,
            intent: None,
            audience,
            ttl_secs: limits::TOKEN_TTL_SECS_DEFAULT,
            depth: limits::DEPTH_DEFAULT,
            holder: None,
            datalog: Datalog::default(),
        }
    }

    fn validate(&self) -> Result<(), MintError> {
        match self.grants.len() {
            0 => return Err(MintError::NoGrant),
            n if n > limits::GRANTS_MAX => return Err(MintError::TooManyGrants),
            _ => {}
        }
        if self.audience.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(MintError::NoAudience);
        }
        if !(1..=limits::TOKEN_TTL_SECS_MAX).contains(&self.ttl_secs) {
            return Err(MintError::Ttl);
        }
        if self.depth as usize >= limits::BLOCKS_MAX {
            return Err(MintError::Depth);
        }
        let texts = [
            ("principal", self.principal.as_deref()),
            ("agent", self.agent.as_deref()),
            ("intent", self.intent.as_deref()),
        ];
        let audience =
            self.audience.iter().flatten().map(|audience| ("audience", Some(audience.as_str())));
        for (name, text) in texts.into_iter().chain(audience) {
            if text.is_some_and(|text| !is_plain_text(text)) {
                return Err(MintError::Text(name));
            }
        }
        self.datalog.allowed_in_authority().map_err(MintError::Datalog)
    }
}

/// Mints the token of one task.
///
/// *Errors*: [`MintError`] where the task breaks a rule of its own, or its token would break one
/// of a verifier's limits.
pub fn mint(
    task: &Task,
    key: &RootKey,
    now: Timestamp,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Minted, MintError> {
    task.validate()?;
    let id = task_id(now, rng);
    let expires = Timestamp::from_secs(now.secs()).plus_secs(task.ttl_secs);
    let mut builder = Biscuit::builder().root_key_id(key.id());
    let build = |_| MintError::Build;
    for fact in authority_facts(task, &id) {
        builder = builder.fact(fact).map_err(build)?;
    }
    for rule in compile::rules(&task.grants)? {
        builder = builder.rule(rule).map_err(build)?;
    }
    let audience = task.audience.as_ref().map_or_else(frame::any_audience, frame::audience);
    let checks = [frame::expiry(expires), audience, frame::depth(task.depth)];
    for check in checks {
        builder = builder.check(check).map_err(build)?;
    }
    let builder = builder.merge(task.datalog.add_to_block(BlockBuilder::new()).map_err(build)?);
    let root = key.to_biscuit().map_err(|_| MintError::Build)?;
    let next = biscuit_auth::KeyPair::new_with_rng(Algorithm::Ed25519, rng);
    let token = builder
        .build_with_key_pair(&root, biscuit_auth::datalog::SymbolTable::new(), &next)
        .and_then(|biscuit| biscuit.to_vec())
        .map_err(build)?;
    let token = UnverifiedToken::from_bytes(token)
        .map_err(|error| MintError::Refused(error.to_string()))?;
    Ok(Minted { token, task: id, expires })
}

/// A UUIDv7 of this moment.
fn task_id(now: Timestamp, rng: &mut impl RngCore) -> String {
    let mut random = [0; 10];
    rng.fill_bytes(&mut random);
    uuid::Builder::from_unix_timestamp_millis(now.millis(), &random).into_uuid().to_string()
}

fn authority_facts(task: &Task, id: &str) -> Vec<Fact> {
    let fact = |name: &str, term| Fact::new(name.to_owned(), vec![term]);
    let mut facts = vec![
        fact("hardtack", Term::Integer(names::VERSION)),
        fact("task", Term::Str(id.to_owned())),
    ];
    let texts = [("principal", &task.principal), ("agent", &task.agent), ("intent", &task.intent)];
    for (name, text) in texts {
        facts.extend(text.iter().map(|text| fact(name, Term::Str(text.clone()))));
    }
    facts.extend(task.holder.map(|key| fact("holder", Term::Bytes(key.to_bytes().to_vec()))));
    facts
}

/// Whether a text is a task id: a UUID.
pub fn is_task_id(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}
