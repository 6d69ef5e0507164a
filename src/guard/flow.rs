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

use super::admission::Circumstances;
use super::allowed::Allowed;
use super::arguments;
use super::cache::{TokenCache, Trust};
use super::freshness::{Bound, Freshness};
use super::layer::Guard;
use super::nonce::Nonces;
use super::refusal::{Challenge, Refusal};
use super::replay::Replays;
use super::tools::ToolMap;
use crate::decide::{Decision, Program};
use crate::model::Clock;
use crate::model::{Code, Reason, Request, TargetUri, Timestamp, Tool, ToolPattern};
use crate::present::Credentials;
use crate::record::{Record, Redaction, Sink};
use crate::verify::{Authentic, RevocationView, Verified};

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

impl Guard {
    /// The whole body, once, within the guard's bounds.
    #[cfg(feature = "proxy")]
    pub(crate) async fn read<B>(&self, body: B) -> Result<Bytes, Refusal>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<axum::BoxError>,
    {
        self.shared.read(body).await
    }

    /// What is forwarded of one request: who may, and the bytes that were judged.
    async fn decide<B>(&self, parts: &mut Parts, body: B) -> Result<(Allowed, Bytes), Refusal>
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
        let credentials = Credentials::from_headers(authorization, proofs);
        let admitted = self.admit(credentials, parts).await?;
        let read = match self.shared.read(body).await {
            Ok(body) => self.shared.tools.call(parts, &body).map(|call| (call, body)),
            Err(refusal) => Err(refusal),
        };
        match read {
            Ok((call, body)) => Ok((admitted.judge(call, Circumstances::default()).await?, body)),
            Err(refusal) => Err(admitted.refuse(refusal).await),
        }
    }
}

impl Shared {
    /// Holds every call from now on to another trust: every remembered token is a stranger again.
    /// Where it is the same, nothing changes, and no answer ends for it.
    pub(super) fn hold_to(&self, trust: impl Fn(&Trust) -> Trust) {
        self.tokens.rcu(|tokens| {
            let (before, after) = (tokens.trust(), trust(tokens.trust()));
            let is_same =
                before.roots == after.roots && before.policy.version() == after.policy.version();
            match is_same {
                true => Arc::clone(tokens),
                false => Arc::new(TokenCache::new(after, self.cache_bytes_max)),
            }
        });
    }

    /// Judges one request: gives what to forward, or the refusal, in either case recorded.
    pub(super) async fn judge<B>(
        guard: &Guard,
        request: HttpRequest<B>,
    ) -> Result<HttpRequest<Body>, Response<Body>>
    where
        B: http_body::Body + Send,
        B::Data: Buf + Send,
        B::Error: Into<axum::BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        match guard.decide(&mut parts, body).await {
            Ok((allowed, body)) => {
                parts.extensions.insert(allowed);
                arguments::describe(&mut parts.headers, &body);
                Ok(HttpRequest::from_parts(parts, Body::from(body)))
            }
            Err(refusal) => Err(refusal.response(&Challenge::of(&guard.shared.gateway))),
        }
    }

    /// The moment for all that is decided. A token that ended, and whose revocation was forgotten
    /// since, stays ended where the clock jumps back.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now().max(self.view.load().forgets())
    }

    /// Asks whether the token is revoked, of a view that is no older than the bound.
    pub(super) fn unrevoked(
        &self,
        token: &Authentic,
        bound: Bound<'_>,
        now: Timestamp,
    ) -> Result<(), Reason> {
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

    pub(super) fn labels(&self, tool: &Tool) -> BTreeSet<String> {
        let labels = self.labels.iter().filter(|(pattern, _)| pattern.matches(tool));
        labels.flat_map(|(_, labels)| labels.iter().cloned()).collect()
    }

    /// Writes the record, and tells of the decision in the log where that is asked for, without
    /// secrets.
    pub(super) async fn write(&self, record: Record) -> Result<(), Reason> {
        let code = record.decision.code().map_or("allowed", Code::as_str);
        tracing::debug!(
            code,
            tool = record.tool.as_ref().map(tracing::field::display),
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
