//! The flow of one call: present, verify, decide, record.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use bytes::{Buf, Bytes};
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use http::{Request as HttpRequest, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use sha2::{Digest, Sha256};

use super::allowed::Allowed;
use super::arguments;
use super::cache::{Known, TokenCache, Trust};
use super::freshness::{Bound, Freshness};
use super::nonce::Nonces;
use super::refusal::{self, Refusal};
use super::replay::{self, Replays};
use super::tools::{ToolCall, ToolMap};
use crate::decide::{Decision, Program};
use crate::model::Clock;
use crate::model::{Code, Reason, Request, TargetUri, Timestamp, Tool, ToolPattern};
use crate::present::Credentials;
use crate::record::{Record, Redaction, Sink};
use crate::verify::{Authentic, RevocationView, Verified};

/// Longest method or path that is recorded, in characters.
const RECORDED_CHARS_MAX: usize = 1024;

/// The header of a holder's proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// How a verified call is decided.
pub(super) type Decider = Arc<dyn Fn(&Verified<'_>, &Program, &Request) -> Decision + Send + Sync>;

/// Everything that the calls through one guard share.
pub(super) struct Shared {
    pub(super) gateway: String,
    /// Another trust takes another cache.
    pub(super) tokens: ArcSwap<TokenCache>,
    pub(super) cache_bytes_max: u64,
    pub(super) view: ArcSwap<Arc<dyn RevocationView>>,
    pub(super) tools: ToolMap,
    pub(super) labels: Vec<(ToolPattern, BTreeSet<String>)>,
    pub(super) freshness: Freshness,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) redaction: Redaction,
    pub(super) body_bytes_max: usize,
    pub(super) body_timeout: Duration,
    pub(super) public_uri: Option<TargetUri>,
    pub(super) replays: Arc<dyn Replays>,
    pub(super) replays_timeout: Duration,
    pub(super) nonces: Option<Nonces>,
    pub(super) decider: Decider,
}

/// What has been learned of a call so far: what its record can name.
#[derive(Default)]
struct Seen {
    known: Option<Arc<Known>>,
    request: Option<Request>,
    waited_micros: u64,
}

impl Shared {
    /// Holds every call from now on to another trust: every remembered token is a stranger again.
    pub(super) fn hold_to(&self, trust: impl Fn(&Trust) -> Trust) {
        self.tokens.rcu(|tokens| TokenCache::new(trust(tokens.trust()), self.cache_bytes_max));
    }

    /// Judges one request: gives what to forward, or the refusal, in either case recorded.
    pub(super) async fn judge<B>(
        &self,
        request: HttpRequest<B>,
    ) -> Result<HttpRequest<Body>, Response<Body>>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<axum::BoxError>,
    {
        let started = self.clock.micros();
        let (mut parts, body) = request.into_parts();
        let (mut seen, tokens) = (Seen::default(), self.tokens.load_full());
        let decided = self.decide(&mut parts, body, &tokens, &mut seen).await;
        let total = self.clock.micros().saturating_sub(started);
        let micros = total.saturating_sub(seen.waited_micros);
        let decision = match &decided {
            Ok((grant, _)) => Decision::Allow { grant: *grant },
            Err(refusal) => Decision::Deny { reasons: refusal.reasons.clone() },
        };
        let record = self.record(&parts, tokens.trust(), &seen, decision, micros);
        let refusal = match (self.write(record).await, decided) {
            (Ok(()), Ok((grant, body))) => match Self::forward(parts, body, seen, grant) {
                Some(request) => return Ok(request),
                None => Reason::new(Code::RequestMalformed, "the call was not judged").into(),
            },
            (Ok(()), Err(refusal)) => refusal,
            (Err(reason), _) => reason.into(),
        };
        Err(refusal::response(&refusal, &self.gateway))
    }

    /// The steps before the record: the grant that covers the call, and the bytes that were judged.
    async fn decide<B>(
        &self,
        parts: &mut Parts,
        body: B,
        tokens: &TokenCache,
        seen: &mut Seen,
    ) -> Result<(usize, Bytes), Refusal>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<axum::BoxError>,
    {
        let values = |name| parts.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        let (authorization, proofs) = (values(AUTHORIZATION), values(DPOP));
        arguments::strip(&mut parts.headers);
        let authorization = authorization.iter().map(|value| value.as_bytes());
        let proofs = proofs.iter().map(|value| value.as_bytes());
        let credentials = Credentials::from_headers(authorization, proofs)?;
        let digest = Sha256::digest(credentials.token()).into();
        let now = self.now();
        let known = tokens.find_under(digest, credentials.token(), now)?;
        seen.known = Some(Arc::clone(&known));
        let authentic = known.authentic();
        // A body is not read for a token or a proof that is of no use, whatever the tool.
        self.unrevoked(authentic, self.freshness.loosest(), now)?;
        let proof = self.holder_proof(parts, &credentials, digest, authentic, now)?;
        let waiting = self.clock.micros();
        let body = self.read(body).await;
        seen.waited_micros = self.clock.micros().saturating_sub(waiting);
        let body = body?;
        let ToolCall { tool, args } = self.tools.call(parts, &body)?;
        let now = self.now();
        let labels = self.labels(&tool);
        let bound = self.freshness.of(&labels);
        let request = seen.request.insert(Request {
            labels,
            tool,
            args,
            audience: self.gateway.clone(),
            time: now,
            http: Some((parts.method.to_string(), parts.uri.path().to_owned())),
        });
        // Asked again: much may have been revoked while the body came in.
        self.unrevoked(authentic, bound, now)?;
        let possession = match proof {
            Some(proof) => {
                let unspent = proof.for_call(request).map_err(Reason::from)?;
                let (replays, timeout) = (&*self.replays, self.replays_timeout);
                Some(replay::spend(replays, timeout, unspent, now).await?)
            }
            None => None,
        };
        let view = self.view.load_full();
        let within = bound.of(&**view);
        let verified = authentic.admit_with(&within, now, possession.as_ref());
        let verified = verified.map_err(|reason| bound.named(reason))?;
        // What was forgotten by the time that it was looked up has ended.
        request.time = now.max(view.forgets());
        match (self.decider)(&verified, known.program(), request) {
            Decision::Allow { grant } => Ok((grant, body)),
            Decision::Deny { reasons } => Err(reasons.into()),
        }
    }

    /// The moment for all that is decided. A token that ended, and whose revocation was forgotten
    /// since, stays ended where the clock jumps back.
    fn now(&self) -> Timestamp {
        self.clock.now().max(self.view.load().forgets())
    }

    /// Asks whether the token is revoked, of a view that is no older than the bound.
    fn unrevoked(&self, token: &Authentic, bound: Bound<'_>, now: Timestamp) -> Result<(), Reason> {
        let view = self.view.load_full();
        token.unrevoked(&bound.of(&**view), now).map_err(|reason| bound.named(reason))
    }

    /// The whole body, once.
    async fn read<B>(&self, body: B) -> Result<Bytes, Refusal>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<axum::BoxError>,
    {
        let too_large = || {
            let why = format!("the body is longer than {} bytes", self.body_bytes_max);
            Refusal::malformed(StatusCode::PAYLOAD_TOO_LARGE, why)
        };
        let length = u64::try_from(self.body_bytes_max).unwrap_or(u64::MAX);
        if body.size_hint().lower() > length {
            return Err(too_large());
        }
        let limited = Limited::new(Box::pin(body), self.body_bytes_max).collect();
        match tokio::time::timeout(self.body_timeout, limited).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => {
                Err(Refusal::malformed(StatusCode::BAD_REQUEST, "the body did not arrive whole"))
            }
            Err(_) => {
                let why = "the body did not arrive in time";
                Err(Refusal::malformed(StatusCode::REQUEST_TIMEOUT, why))
            }
        }
    }

    fn labels(&self, tool: &Tool) -> BTreeSet<String> {
        let labels = self.labels.iter().filter(|(pattern, _)| pattern.matches(tool));
        labels.flat_map(|(_, labels)| labels.iter().cloned()).collect()
    }

    fn record(
        &self,
        parts: &Parts,
        trust: &Trust,
        seen: &Seen,
        decision: Decision,
        micros: u64,
    ) -> Record {
        let short = |text: &str| text.chars().take(RECORDED_CHARS_MAX).collect();
        let time = seen.request.as_ref().map_or_else(|| self.clock.now(), |request| request.time);
        let mut record = Record::new(time, &self.gateway, trust.policy.version(), decision);
        if let Some(known) = &seen.known {
            record = record.of_token(known.authentic());
        }
        record.method = Some(short(parts.method.as_str()));
        record.path = Some(short(parts.uri.path()));
        record.micros = micros;
        if let Some(request) = &seen.request {
            record.tool = Some(request.tool.clone());
            record.args_digest = Some(hex::encode(request.args.digest()));
            record.args = self.redaction.args(&request.args);
            record.labels.clone_from(&request.labels);
            if let Decision::Deny { reasons } = &mut record.decision {
                self.redaction.reasons(reasons, &request.args);
            }
        }
        record
    }

    /// Writes the record and tells of the decision in the log, without secrets.
    async fn write(&self, record: Record) -> Result<(), Reason> {
        let code = record.decision.code().map_or("allowed", Code::as_str);
        let tool = record.tool.as_ref().map(Tool::to_string);
        tracing::info!(
            code,
            tool,
            task = record.task.as_deref(),
            micros = record.micros,
            "decided a call"
        );
        let written = if self.sink.blocks() {
            let sink = Arc::clone(&self.sink);
            let writing = tokio::task::spawn_blocking(move || sink.write(record));
            writing.await.map_err(|error| error.to_string())
        } else {
            Ok(self.sink.write(record))
        };
        let error = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error,
        };
        tracing::error!(error, "a decision could not be recorded");
        Err(Reason::new(Code::RecordUnavailable, "the decision could not be recorded"))
    }

    /// The request as the handler gets it: the judged bytes, and what is known of the call.
    fn forward(
        mut parts: Parts,
        body: Bytes,
        seen: Seen,
        grant: usize,
    ) -> Option<HttpRequest<Body>> {
        let (known, request) = (seen.known?, seen.request?);
        let authentic = Arc::clone(known.authentic());
        let allowed = Allowed::new(authentic, request.tool, Arc::new(request.args), grant);
        parts.extensions.insert(allowed);
        arguments::describe(&mut parts.headers, &body);
        Some(HttpRequest::from_parts(parts, Body::from(body)))
    }

    /// The request as it goes on where no token is asked for.
    pub(super) fn open<B>(request: HttpRequest<B>) -> HttpRequest<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        for name in ["authorization", "dpop"] {
            parts.headers.remove(name);
        }
        parts.extensions.remove::<Allowed>();
        HttpRequest::from_parts(parts, Body::new(body))
    }
}
