use std::sync::Arc;

use biscuit_auth::builder::Term;

use super::possession::Possession;
use super::revocation::RevocationView;
use super::{signatures, vocabulary};
use crate::keys::{KeyId, TrustedRoot, TrustedRoots, VerifyingKey};
use crate::model::{Block, Code, Key16, Reason, Request, RevocationId, Timestamp};
use crate::token::{Chain, Envelope, UnverifiedToken};
use crate::vocabulary::Bearing;
use crate::vocabulary::frame::{self, Frame};

/// A token whose signatures lead to a trusted root, in a vocabulary that this crate speaks.
///
/// *Shape*: only [`authenticate`] makes one. It may be remembered under the token's hash: whether
/// it is revoked is asked anew for every call, by [`Authentic::admit`].
#[derive(Clone, Debug)]
pub struct Authentic {
    token: UnverifiedToken,
    root: TrustedRoot,
    /// Who held it, from block 0 on; nobody for a bearer token.
    holders: Chain,
    /// The key that the next block would be signed with.
    last_key: VerifyingKey,
    /// What it can be revoked by: each block, then its task, agent, root key and holders.
    keys: Vec<Key16>,
    /// When it was issued, as its task's id says.
    issued: Option<Timestamp>,
    expires: Option<Timestamp>,
}

/// A token that may be used now, as far as authenticity and revocation go.
///
/// *Shape*: only [`Authentic::admit`] makes one, for one call. For a bound token it holds the
/// possession that was proven, which [`decide`](crate::decide::decide) holds the call against.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    authentic: &'a Authentic,
    possession: Option<&'a Possession>,
}

/// Checks the root key and the signatures of a token, then reads its blocks and checks that they
/// speak the vocabulary.
///
/// *Errors*: a reason with `root-unknown`, `signature-invalid` or `vocabulary-unknown`, the code of a
/// [`TokenError`](crate::token::TokenError) for a genuine token whose blocks are malformed or beyond
/// a limit, or `token-malformed` where they make no [`Chain`].
pub fn authenticate(token: impl Into<Envelope>, roots: &TrustedRoots) -> Result<Authentic, Reason> {
    authenticate_like(token.into(), roots, None)
}

/// The same for a token that may share blocks with one that is known to be authentic.
///
/// *Shape*: the blocks that the token has in common with `relative`, byte for byte from block 0 on,
/// were checked when that one was, and are neither checked nor read again. A child of a known
/// token costs its own signature.
///
/// *Errors*: as [`authenticate`].
pub fn authenticate_like(
    envelope: Envelope,
    roots: &TrustedRoots,
    relative: Option<&Authentic>,
) -> Result<Authentic, Reason> {
    let root = root_of(&envelope, roots)?;
    let relative = relative.filter(|relative| relative.root.key == root.key);
    let (key, known) = match relative {
        Some(relative) => relative.key_after_common(&envelope)?,
        None => (root.key, 0),
    };
    let last_key = signatures::check(&envelope, key, known)?;
    let token = match relative {
        Some(relative) => UnverifiedToken::read_like(envelope, &relative.token),
        None => UnverifiedToken::read(envelope),
    };
    let token = token?;
    vocabulary::spoken(token.blocks(), known)?;
    let holders = match relative {
        Some(relative) => relative.holders.of_like(&token, known),
        None => Chain::of(&token),
    };
    Ok(Authentic::new(token, root, last_key, holders?))
}

fn root_of<'a>(envelope: &Envelope, roots: &'a TrustedRoots) -> Result<&'a TrustedRoot, Reason> {
    roots.find(envelope.root_key_id()).ok_or_else(|| {
        Reason::new(Code::RootUnknown, "the token names a root key that is not trusted here")
    })
}

/// When a task was issued: the time that a UUIDv7 begins with (RFC 9562, section 5.7).
fn issued(task: &str) -> Option<Timestamp> {
    let id = uuid::Uuid::try_parse(task).ok().filter(|id| id.get_version_num() == 7)?;
    let (secs, nanos) = id.get_timestamp()?.to_unix();
    let millis = secs.saturating_mul(1000).saturating_add(u64::from(nanos) / 1_000_000);
    Some(Timestamp::from_millis(millis))
}

/// The earliest end that any block's check names. A block that could hold its check against a time
/// of its own making names none: it would end before its token does, and its revocation with it.
fn earliest_expiry(blocks: &[Arc<Block>]) -> Option<Timestamp> {
    let states_time = |block: &Arc<Block>| {
        let heads = block.rules.iter().map(|rule| &rule.head);
        block.facts.iter().map(|fact| &fact.predicate).chain(heads).any(|p| p.name == "time")
    };
    let honest = blocks.iter().filter(|block| block.scopes.is_empty() && !states_time(block));
    let checks = honest.flat_map(|block| &block.checks);
    checks
        .filter_map(|check| match frame::read(check) {
            Some(Frame::Expiry(at)) => Some(at),
            _ => None,
        })
        .min()
}

impl Authentic {
    /// A token whose signatures hold, that speaks the vocabulary, and was held by these.
    fn new(
        token: UnverifiedToken,
        root: &TrustedRoot,
        last_key: VerifyingKey,
        holders: Chain,
    ) -> Self {
        let mut keys: Vec<_> = token.revocation_ids().iter().map(RevocationId::key16).collect();
        for name in ["task", "agent"] {
            keys.extend(token.authority_text(name).map(|text| Key16::of(text.as_bytes())));
        }
        keys.push(Key16::of(&root.key.to_bytes()));
        let held = holders.holders().iter().map(|holder| Key16::of(&holder.key.to_bytes()));
        keys.extend(held);
        let issued = token.authority_text("task").and_then(issued);
        let expires = earliest_expiry(token.blocks());
        Self { keys, issued, expires, root: root.clone(), holders, last_key, token }
    }

    /// How many blocks another token has in common with this one, and the key that signs the next.
    fn key_after_common(&self, other: &Envelope) -> Result<(VerifyingKey, usize), Reason> {
        let envelope = self.token.envelope();
        let common = other.common_blocks(envelope);
        let key = match common.checked_sub(1).and_then(|last| envelope.blocks().get(last)) {
            None => self.root.key,
            Some(_) if common == envelope.blocks().len() => self.last_key,
            Some(block) => VerifyingKey::from_bytes(&block.next_key).map_err(|_| {
                Reason::new(Code::SignatureInvalid, "a signature of the token is not valid")
            })?,
        };
        Ok((key, common))
    }

    /// Admits a bearer token to one call: as [`Authentic::admit_with`] without a proof.
    ///
    /// *Errors*: as there; `proof-missing` for every bound token.
    pub fn admit(
        &self,
        revocations: &dyn RevocationView,
        now: Timestamp,
    ) -> Result<Verified<'_>, Reason> {
        self.admit_with(revocations, now, None)
    }

    /// Admits the token to one call: asks whether it is revoked, and whether whoever sent it
    /// possesses its final holder's key.
    ///
    /// *Errors*: a reason with `revocation-stale` or `revoked`; `proof-missing` for a bound token
    /// without a possession; `proof-invalid` for the possession of another token or key, of a
    /// proof whose time is over, or with a bearer token.
    pub fn admit_with<'a>(
        &'a self,
        revocations: &dyn RevocationView,
        now: Timestamp,
        possession: Option<&'a Possession>,
    ) -> Result<Verified<'a>, Reason> {
        self.unrevoked(revocations, now)?;
        let invalid = |message: &str| Err(Reason::new(Code::ProofInvalid, message));
        match (self.holder(), possession) {
            (None, None) => {}
            (Some(_), None) => {
                let message = "the token is bound to a holder and the call carries no proof";
                return Err(Reason::new(Code::ProofMissing, message));
            }
            (Some(_), Some(possession)) if possession.is_of(self, now) => {}
            (Some(_), Some(_)) => return invalid("the proof is not of the token's holder"),
            (None, Some(_)) => return invalid("the token is bound to no holder"),
        }
        Ok(Verified { authentic: self, possession })
    }

    /// Asks whether the token is revoked, and whether the view that says so is fresh.
    ///
    /// *Errors*: a reason with `revocation-stale` or `revoked`.
    pub fn unrevoked(
        &self,
        revocations: &dyn RevocationView,
        now: Timestamp,
    ) -> Result<(), Reason> {
        if !revocations.is_fresh(now) {
            let message = "this gateway does not know recent revocations";
            return Err(Reason::new(Code::RevocationStale, message));
        }
        if let Some(at) = revocations.first_revoked(&self.keys) {
            let block = (at < self.blocks().len()).then_some(at);
            let message = match block {
                Some(block) => format!("block {block} of the token is revoked"),
                None => "the token's task, agent, root key or a holder is revoked".to_owned(),
            };
            return Err(Reason { block, ..Reason::new(Code::Revoked, message) });
        }
        if self.issued.unwrap_or_default() < revocations.issued_since() {
            let message = "tokens issued when this one was are revoked";
            return Err(Reason::new(Code::Revoked, message));
        }
        Ok(())
    }

    /// The key of the final holder, whose proof each call must carry; `None` for a bearer token.
    pub fn holder(&self) -> Option<&VerifyingKey> {
        self.holders.current().map(|holder| &holder.key)
    }

    /// Who held the token, from block 0 on.
    pub fn holders(&self) -> &Chain {
        &self.holders
    }

    /// What the last delegator up to a block calls the holder that the block came to, or by whom
    /// it was appended.
    pub fn hop_name(&self, block: usize) -> Option<&str> {
        let mut holders = self.holders.holders().iter().rev();
        holders.find(|holder| holder.block <= block)?.name.as_deref()
    }

    /// The token.
    pub fn token(&self) -> &UnverifiedToken {
        &self.token
    }

    /// The blocks, block 0 first.
    pub fn blocks(&self) -> &[Arc<Block>] {
        self.token.blocks()
    }

    /// One revocation identifier a block.
    pub fn revocation_ids(&self) -> &[RevocationId] {
        self.token.revocation_ids()
    }

    /// The root key that signed block 0.
    pub fn root(&self) -> KeyId {
        self.root.id
    }

    /// The task, where block 0 names one.
    pub fn task(&self) -> Option<&str> {
        self.token.authority_text("task")
    }

    /// On whose behalf, where block 0 says.
    pub fn principal(&self) -> Option<&str> {
        self.token.authority_text("principal")
    }

    /// What the task is for, where block 0 says.
    pub fn intent(&self) -> Option<&str> {
        self.token.authority_text("intent")
    }

    /// When the token ends, where a block says so in the vocabulary's own way.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// What the token adds to a request's facts: the hops, and the final holder's key.
    ///
    /// *Shape*: a hop of a bound token is one time that it was handed on. Every appended block of a
    /// bearer token counts as one: nothing else shows how often that was.
    pub fn bearing(&self) -> Bearing {
        let presenter = self.holder().map(VerifyingKey::to_bytes);
        let hops = match presenter {
            Some(_) => self.holders.hops(),
            None => self.blocks().len().saturating_sub(1),
        };
        Bearing { depth: u32::try_from(hops).unwrap_or(u32::MAX), presenter }
    }

    /// The signature of the last block, by which a possession names the token.
    pub(super) fn last_signature(&self) -> Option<[u8; 64]> {
        self.token.envelope().blocks().last().map(|block| block.signature)
    }
}

impl<'a> Verified<'a> {
    /// What was verified.
    pub fn authentic(&self) -> &'a Authentic {
        self.authentic
    }

    /// Whether the token lives at this moment, and is meant for this gateway, whatever it grants.
    ///
    /// *Errors*: a reason with `chain-too-long`, `expired` or `audience-mismatch`.
    pub fn is_framed(&self, now: Timestamp, gateway: &str) -> Result<(), Reason> {
        let depth = self.authentic.bearing().depth;
        let checks = self.authentic.blocks().iter().flat_map(|block| &block.checks);
        for frame in checks.filter_map(frame::read) {
            let refused = match frame {
                Frame::Depth(max) if depth > max => {
                    (Code::ChainTooLong, "has been handed on too often")
                }
                Frame::Expiry(at) if now.secs() >= at.secs() => (Code::Expired, "has expired"),
                Frame::Audience(of) if !of.contains(gateway) => {
                    (Code::AudienceMismatch, "is meant for another gateway")
                }
                _ => continue,
            };
            return Err(Reason::new(refused.0, format!("the token {}", refused.1)));
        }
        Ok(())
    }

    /// Whether the proof that came with the call, if one did, is for this very request.
    ///
    /// *Errors*: a reason with `proof-invalid`.
    pub fn is_proven_for(&self, request: &Request) -> Result<(), Reason> {
        self.possession.map_or(Ok(()), |possession| possession.is_for(request))
    }
}

/// Whether block 0 states exactly one fact of this name with this one term.
pub(super) fn states_once(block: &Block, name: &str, term: &Term) -> bool {
    let mut facts = block.facts.iter().filter(|fact| fact.predicate.name == name);
    let is_term =
        |fact: &biscuit_auth::builder::Fact| fact.predicate.terms.as_slice() == [term.clone()];
    facts.next().is_some_and(is_term) && facts.next().is_none()
}
