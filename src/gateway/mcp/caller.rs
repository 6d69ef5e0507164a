//! Who sends a message, and the message.

use axum::body::Body;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::door;
use super::options::McpOptions;
use super::stop::{Stop, Told};
use crate::guard::{Admitted, Refusal};
use crate::mcp::{Era, Fault, Headers, Message, code};
use crate::model::{Args, Code, JsonProfile, Reason, Tool};
use crate::present::Credentials;

const DPOP: HeaderName = HeaderName::from_static("dpop");

impl McpOptions {
    /// Takes a message and its caller in, and remembers how to answer.
    pub(super) async fn arrived(
        &self,
        parts: &Parts,
        body: Body,
        profile: JsonProfile,
        told: &mut Told,
    ) -> Result<(Admitted, Message), Stop> {
        door::takes_message(&parts.headers)?;
        // A body is not read for a token in the headers that is of no use.
        let early = match has_credentials(&parts.headers) {
            true => Some(self.admit_by_headers(parts).await?),
            false => None,
        };
        let message = Message::parse(self.read(body).await?, profile);
        let admitted = match (early, &message) {
            (Some(admitted), Ok(message)) if message.has_credentials() => {
                let why = "the call carries a token in its headers and one in `_meta`";
                let refusal = Reason::new(Code::TokenMalformed, why).into();
                return Err(untold(admitted.refuse(refusal).await));
            }
            (Some(admitted), _) => admitted,
            (None, message) => {
                let meta = message.as_ref().ok().and_then(Message::meta);
                let missing = || Reason::new(Code::TokenMissing, "the call carries no token");
                let found = meta.ok_or_else(missing);
                let found = found.and_then(|meta| Credentials::from_meta(meta.value()));
                self.guard.admit(found, parts).await.map_err(untold)?
            }
        };
        match message {
            Ok(message) => {
                told.id = message.id().map(|_| message.id_text().to_vec());
                Ok((admitted, message))
            }
            Err(error) => Err(against(&admitted, Fault::from(&error)).await),
        }
    }

    /// The caller of a request without a message.
    pub(super) async fn admit_by_headers(&self, parts: &Parts) -> Result<Admitted, Stop> {
        let values = |name| parts.headers.get_all(name).iter().map(|value| value.as_bytes());
        let credentials = Credentials::from_headers(values(AUTHORIZATION), values(DPOP));
        self.guard.admit(credentials, parts).await.map_err(untold)
    }

    /// The whole message, once.
    async fn read(&self, body: Body) -> Result<Vec<u8>, Stop> {
        let max = self.body_bytes_max;
        let stop = |status, why: String| Err(Stop::fault(status, code::INVALID_REQUEST, why));
        let whole = Limited::new(body, max).collect();
        match tokio::time::timeout(self.body_timeout, whole).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes().into()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let why = format!("the message is longer than {max} bytes");
                stop(StatusCode::PAYLOAD_TOO_LARGE, why)
            }
            Ok(Err(_)) => {
                stop(StatusCode::BAD_REQUEST, "the message did not arrive whole".to_owned())
            }
            Err(_) => {
                stop(StatusCode::REQUEST_TIMEOUT, "the message did not arrive in time".to_owned())
            }
        }
    }
}

/// The era of a message whose headers agree with it. Inside one process there is no proxy that could
/// have acted upon headers.
pub(super) async fn era(
    admitted: &Admitted,
    headers: &Headers<'_>,
    message: &Message,
    in_process: bool,
) -> Result<Era, Stop> {
    let era = match headers.era(message) {
        Ok(era) if in_process => Ok(era),
        Ok(era) => headers.agree(message, era).map(|()| era),
        Err(fault) => Err(fault),
    };
    match era {
        Ok(era) => Ok(era),
        Err(fault) => Err(against(admitted, Fault::from(&fault)).await),
    }
}

/// The headers that repeat what a body says.
pub(super) fn mirrored(headers: &HeaderMap) -> Headers<'_> {
    Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// Takes what is not decided.
pub(super) async fn accept(admitted: &mut Admitted, tool: Tool, args: Args) -> Result<(), Stop> {
    let named = tool.clone();
    let accepted = admitted.accept(tool, args).await;
    accepted.map_err(|refusal| Stop::Refused { refusal, tool: Some(named) })
}

pub(super) fn untold(refusal: Refusal) -> Stop {
    Stop::Refused { refusal, tool: None }
}

/// A message against the protocol; the record says so.
pub(super) async fn against(admitted: &Admitted, fault: Fault) -> Stop {
    let refusal = Refusal::malformed(StatusCode::BAD_REQUEST, fault.message.clone());
    let refusal = admitted.refuse(refusal).await;
    match refusal.code() {
        Code::RequestMalformed => Stop::Fault(StatusCode::BAD_REQUEST, fault),
        _ => untold(refusal),
    }
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(DPOP)
}
