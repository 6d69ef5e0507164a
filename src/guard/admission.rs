use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use sha2::{Digest, Sha256};

use super::allowed::Allowed;
use super::cache::{Known, TokenCache};
use super::flow::Shared;
use super::layer::Guard;
use super::refusal::Refusal;
use super::replay;
use super::tools::ToolCall;
use crate::decide::{Decision, Outline};
use crate::model::{Args, Code, JsonProfile, Reason, Request, Timestamp, Tool};
use crate::present::Credentials;
use crate::record::Record;
use crate::verify::{Authentic, HolderProof, Possession};

/// Longest method or path that is recorded, in characters.
const RECORDED_CHARS_MAX: usize = 1024;

/// A caller whose token is genuine and not revoked, and whose proof, if the token is bound, is its
/// holder's, for this place and time. What it wants to call is not known yet.
///
/// *Shape*: good for one call. Made by [`Guard::admit`]; gives an [`Allowed`] by
/// [`Admitted::judge`], recorded either way. Dropped without either, it leaves no record.
pub struct Admitted {
    shared: Arc<Shared>,
    tokens: Arc<TokenCache>,
    known: Arc<Known>,
    proof: Option<HolderProof>,
    place: Place,
    micros: u64,
}

/// What a gateway adds to a call, besides its tool and arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circumstances {
    /// Labels of the tool, besides those that the guard was built with.
    pub labels: BTreeSet<String>,
    /// The name of the credential that the call will go up with; only its record has it.
    pub credential: Option<String>,
    /// The trace that the call is part of; only its record has it.
    pub trace: Option<String>,
}

/// Where a call came in, as its record names it.
#[derive(Clone, Default)]
struct Place {
    method: String,
    path: String,
}

impl Place {
    fn of(parts: &Parts) -> Self {
        let short = |text: &str| text.chars().take(RECORDED_CHARS_MAX).collect();
        Self { method: short(parts.method.as_str()), path: short(parts.uri.path()) }
    }
}

impl Guard {
    /// Takes a caller in, before anything of what it wants is read: its token is genuine, not
    /// revoked as of a view that is recent enough for some tool, and a bound one comes with its
    /// holder's proof for this method and address.
    ///
    /// *Shape*: `credentials` are what was found in the request that `parts` is the head of, or why
    /// nothing was. *Errors*: a refusal, which has been recorded.
    pub async fn admit(
        &self,
        credentials: Result<Credentials<'_>, Reason>,
        parts: &Parts,
    ) -> Result<Admitted, Refusal> {
        let shared = &self.shared;
        let (started, place) = (shared.clock.micros(), Place::of(parts));
        let tokens = shared.tokens.load_full();
        let mut known = None;
        let proof = match credentials {
            Ok(credentials) => shared.present(&tokens, &credentials, parts, &mut known),
            Err(reason) => Err(reason.into()),
        };
        let micros = shared.clock.micros().saturating_sub(started);
        match (proof, known) {
            (Ok(proof), Some(known)) => {
                let shared = Arc::clone(shared);
                Ok(Admitted { shared, tokens, known, proof, place, micros })
            }
            (Ok(_), None) => Err(Reason::new(Code::TokenMissing, "the call was not judged").into()),
            (Err(refusal), known) => {
                let (known, request) = (known.as_deref(), None);
                let seen = Seen { shared, tokens: &tokens, known, request, place: &place };
                Err(seen.refused(refusal, &Circumstances::default(), micros).await)
            }
        }
    }
}

impl Shared {
    /// The proof of a genuine, unrevoked token; `known` is set as soon as the token is known.
    fn present(
        &self,
        tokens: &TokenCache,
        credentials: &Credentials<'_>,
        parts: &Parts,
        known: &mut Option<Arc<Known>>,
    ) -> Result<Option<HolderProof>, Refusal> {
        let digest = Sha256::digest(credentials.token()).into();
        let now = self.now();
        let found = tokens.find_under(digest, credentials.token(), now)?;
        let found = known.insert(found);
        let authentic = found.authentic();
        // A body is not read for a token or a proof that is of no use, whatever the tool.
        self.unrevoked(authentic, self.freshness.loosest(), now)?;
        self.holder_proof(parts, credentials, digest, authentic, now)
    }
}

impl Admitted {
    /// The task, where the token names one.
    pub fn task(&self) -> Option<&str> {
        self.authentic().task()
    }

    /// Whose the sessions are that this caller opens, and whose calls count together.
    pub fn owner(&self) -> Owner {
        let authentic = self.authentic();
        let mut digest = Sha256::new();
        match (authentic.task(), authentic.revocation_ids().first()) {
            (Some(task), _) => digest.update(task),
            (None, Some(id)) => digest.update(id.to_string()),
            (None, None) => {}
        }
        // A task's name has no zero byte, so that nothing else comes to the same.
        digest.update([0]);
        digest.update(authentic.root().to_string());
        let task = digest.clone().finalize().into();
        digest.update(authentic.holder().map(|key| key.to_bytes()).unwrap_or_default());
        Owner { task, caller: digest.finalize().into() }
    }

    /// Whether the token still holds, for answers that last.
    pub fn tenure(&self) -> Tenure {
        let (shared, tokens) = (Arc::clone(&self.shared), Arc::clone(&self.tokens));
        Tenure { shared, tokens, known: Arc::clone(&self.known) }
    }

    /// What the token leaves of the tools, for lists of what it could call.
    ///
    /// *Errors*: a refusal, which has been recorded.
    pub async fn outline(&self) -> Result<Listing, Refusal> {
        match Outline::new(self.authentic(), &self.tokens.trust().policy, None) {
            Ok(outline) => {
                let now = self.shared.now();
                let (tenure, aware) = (self.tenure(), RefCell::default());
                Ok(Listing { tenure, outline, aware, now })
            }
            Err(reason) => Err(self.refuse(reason.into()).await),
        }
    }

    /// Takes what is no call of a tool: the proof must be for it, as if it were, and is spent; the
    /// token must not have ended, and be meant for this gateway. Leaves a record where it is
    /// refused.
    ///
    /// *Errors*: a refusal, which has been recorded.
    pub async fn accept(&mut self, tool: Tool, args: Args) -> Result<(), Refusal> {
        let started = self.shared.clock.micros();
        let request = self.request(tool, args, &Circumstances::default());
        let accepted = match self.possession(&request).await {
            Ok(possession) => self.framed(&request, possession.as_ref()),
            Err(refusal) => Err(refusal),
        };
        let micros = self.micros + self.shared.clock.micros().saturating_sub(started);
        match accepted {
            Ok(()) => Ok(()),
            Err(refusal) => {
                let seen = self.seen(Some(&request));
                Err(seen.refused(refusal, &Circumstances::default(), micros).await)
            }
        }
    }

    /// Decides one call, and records the decision.
    ///
    /// *Errors*: a refusal, which has been recorded.
    pub async fn judge(
        self,
        call: ToolCall,
        circumstances: Circumstances,
    ) -> Result<Allowed, Refusal> {
        self.judge_and(call, circumstances, |_, _| Ok(())).await
    }

    /// Decides one call, then asks whether anything else stands against it, and records the decision.
    ///
    /// *Errors*: a refusal, which has been recorded.
    pub async fn judge_and(
        mut self,
        call: ToolCall,
        circumstances: Circumstances,
        also: impl FnOnce(&Tool, &Args) -> Result<(), Refusal>,
    ) -> Result<Allowed, Refusal> {
        let started = self.shared.clock.micros();
        let mut request = self.request(call.tool, call.args, &circumstances);
        let decided = self.decide(&mut request).await;
        let decided = decided.and_then(|grant| also(&request.tool, &request.args).map(|()| grant));
        let micros = self.micros + self.shared.clock.micros().saturating_sub(started);
        let seen = self.seen(Some(&request));
        let grant = match decided {
            Ok(grant) => grant,
            Err(refusal) => return Err(seen.refused(refusal, &circumstances, micros).await),
        };
        let record = seen.record(Decision::Allow { grant }, &circumstances, micros);
        self.shared.write(record).await.map_err(Refusal::from)?;
        let authentic = Arc::clone(self.authentic());
        Ok(Allowed::new(authentic, request.tool, Arc::new(request.args), grant))
    }

    /// Records that the call was refused for a reason of the gateway's own.
    pub async fn refuse(&self, refusal: Refusal) -> Refusal {
        self.seen(None).refused(refusal, &Circumstances::default(), self.micros).await
    }

    /// Records that this call was refused for a reason of the gateway's own, before it was decided.
    pub async fn refuse_call(
        &self,
        call: ToolCall,
        circumstances: &Circumstances,
        refusal: Refusal,
    ) -> Refusal {
        let request = self.request(call.tool, call.args, circumstances);
        self.seen(Some(&request)).refused(refusal, circumstances, self.micros).await
    }

    pub(super) fn authentic(&self) -> &Arc<Authentic> {
        self.known.authentic()
    }

    fn request(&self, tool: Tool, args: Args, circumstances: &Circumstances) -> Request {
        let mut labels = self.shared.labels(&tool);
        labels.extend(circumstances.labels.iter().cloned());
        Request {
            labels,
            tool,
            args,
            audience: self.shared.gateway.clone(),
            time: self.shared.now(),
            http: Some((self.place.method.clone(), self.place.path.clone())),
        }
    }

    /// The steps before the record: the grant that covers the call.
    async fn decide(&mut self, request: &mut Request) -> Result<usize, Refusal> {
        // Asked again: much may have been revoked while the body came in.
        let bound = self.shared.freshness.of(&request.labels);
        self.shared.unrevoked(self.authentic(), bound, request.time)?;
        let possession = self.possession(request).await?;
        let bound = self.shared.freshness.of(&request.labels);
        let view = self.shared.view.load_full();
        let within = bound.of(&**view);
        let now = request.time;
        let verified = self.authentic().admit_with(&within, now, possession.as_ref());
        let verified = verified.map_err(|reason| bound.named(reason))?;
        // What was forgotten by the time that it was looked up has ended.
        request.time = now.max(view.forgets());
        match (self.shared.decider)(&verified, self.known.program(), request) {
            Decision::Allow { grant } => Ok(grant),
            Decision::Deny { reasons } => Err(reasons.into()),
        }
    }

    /// Spends the proof that came along, which must be for this request.
    async fn possession(&mut self, request: &Request) -> Result<Option<Possession>, Refusal> {
        let Some(proof) = self.proof.take() else { return Ok(None) };
        let unspent = proof.for_call(request).map_err(Reason::from)?;
        let (replays, timeout) = (&*self.shared.replays, self.shared.replays_timeout);
        Ok(Some(replay::spend(replays, timeout, unspent, request.time).await?))
    }

    /// Whether the token frames this moment and gateway, whatever it grants.
    fn framed(&self, request: &Request, possession: Option<&Possession>) -> Result<(), Refusal> {
        let bound = self.shared.freshness.loosest();
        let view = self.shared.view.load_full();
        let within = bound.of(&**view);
        let now = request.time;
        let verified = self.authentic().admit_with(&within, now, possession);
        let verified = verified.map_err(|reason| bound.named(reason))?;
        // What was forgotten by the time that it was looked up has ended.
        let now = now.max(view.forgets());
        verified.is_framed(now, &request.audience).map_err(Refusal::from)
    }

    fn seen<'a>(&'a self, request: Option<&'a Request>) -> Seen<'a> {
        let (shared, tokens) = (&*self.shared, &*self.tokens);
        Seen { shared, tokens, known: Some(&self.known), request, place: &self.place }
    }
}

/// Who calls, as far as it matters to sessions and limits.
///
/// *Shape*: digests. A holder can make any number of keys and hand its token on to each, so that limits
/// are those of the task. A child of a bearer token shares its parent's sessions: they are one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The root and the task; of a token without a task, its first block.
    pub task: [u8; 32],
    /// The task and, of a bound token, its holder.
    pub caller: [u8; 32],
}

/// Which tools a caller could call at all.
pub struct Listing {
    tenure: Tenure,
    outline: Outline,
    /// By the path of the argument that is known; none where it is too much work.
    aware: RefCell<BTreeMap<String, Option<Outline>>>,
    now: Timestamp,
}

impl Listing {
    /// Whether some call of this tool could be allowed, with these labels besides the guard's own.
    pub fn could_call(&self, tool: &Tool, labels: &BTreeSet<String>) -> bool {
        let request = self.request(tool, labels, Args::none());
        self.outline.permits(self.tenure.known.authentic(), &request)
    }

    /// Whether some call of this tool could be allowed in which this argument has this value.
    pub fn could_call_with(
        &self,
        tool: &Tool,
        labels: &BTreeSet<String>,
        (argument, value): (&str, &str),
    ) -> bool {
        let args = serde_json::json!({ argument: value }).to_string();
        let Ok(args) = Args::parse(args, JsonProfile::default()) else { return false };
        let request = self.request(tool, labels, args);
        let authentic = self.tenure.known.authentic();
        let policy = &self.tenure.tokens.trust().policy;
        let mut aware = self.aware.borrow_mut();
        let outline = aware
            .entry(argument.to_owned())
            .or_insert_with(|| Outline::new(authentic, policy, Some(argument)).ok());
        outline.as_ref().is_some_and(|outline| outline.permits(authentic, &request))
    }

    fn request(&self, tool: &Tool, labels: &BTreeSet<String>, args: Args) -> Request {
        let shared = &self.tenure.shared;
        let mut all = shared.labels(tool);
        all.extend(labels.iter().cloned());
        Request {
            labels: all,
            tool: tool.clone(),
            args,
            audience: shared.gateway.clone(),
            time: self.now,
            http: None,
        }
    }
}

/// A caller's token, while an answer to it lasts.
#[derive(Clone)]
pub struct Tenure {
    shared: Arc<Shared>,
    tokens: Arc<TokenCache>,
    known: Arc<Known>,
}

impl Tenure {
    /// Whether the token has neither ended nor been revoked, and is still judged by the same roots
    /// and policy.
    pub fn holds(&self) -> bool {
        let (shared, authentic) = (&self.shared, self.known.authentic());
        let now = shared.now();
        Arc::ptr_eq(&shared.tokens.load(), &self.tokens)
            && authentic.expires().is_none_or(|at| now.secs() < at.secs())
            && shared.unrevoked(authentic, shared.freshness.loosest(), now).is_ok()
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure").finish_non_exhaustive()
    }
}

/// What has been learned of a call so far: what its record can name.
struct Seen<'a> {
    shared: &'a Shared,
    tokens: &'a TokenCache,
    known: Option<&'a Known>,
    request: Option<&'a Request>,
    place: &'a Place,
}

impl Seen<'_> {
    /// Records a refusal; where that fails, refuses for it.
    async fn refused(
        &self,
        refusal: Refusal,
        circumstances: &Circumstances,
        micros: u64,
    ) -> Refusal {
        let decision = Decision::Deny { reasons: refusal.reasons.clone() };
        let record = self.record(decision, circumstances, micros);
        match self.shared.write(record).await {
            Ok(()) => refusal,
            Err(reason) => reason.into(),
        }
    }

    fn record(&self, decision: Decision, circumstances: &Circumstances, micros: u64) -> Record {
        let shared = self.shared;
        let time = self.request.map_or_else(|| shared.clock.now(), |request| request.time);
        let policy = self.tokens.trust().policy.version();
        let mut record = Record::new(time, &shared.gateway, policy, decision);
        if let Some(known) = self.known {
            record = record.of_token(known.authentic());
        }
        record.method = Some(self.place.method.clone());
        record.path = Some(self.place.path.clone());
        record.micros = micros;
        record.credential.clone_from(&circumstances.credential);
        record.trace.clone_from(&circumstances.trace);
        if let Some(request) = self.request {
            record.tool = Some(request.tool.clone());
            record.args_digest = Some(hex::encode(request.args.digest()));
            record.args = shared.redaction.args(&request.args);
            record.labels.clone_from(&request.labels);
            if let Decision::Deny { reasons } = &mut record.decision {
                shared.redaction.reasons(reasons, &request.args);
            }
        }
        record
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("task", &self.task()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("now", &self.now).finish_non_exhaustive()
    }
}
