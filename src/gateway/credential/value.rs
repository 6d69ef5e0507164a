use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::error::CredentialError;
use crate::gateway::upstream::{Needles, SECRET_BYTES_MIN, UpstreamError, percent_encoded};

/// Where in a request a credential goes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Header(HeaderName),
    Bearer,
    /// With this user.
    Basic(String),
    Query(String),
}

/// A credential as it is shown, and as answers are searched for it. Wiped when dropped.
pub(in crate::gateway) struct Value {
    filled: Filled,
    needles: Arc<Needles>,
}

enum Filled {
    Header(HeaderName, HeaderValue),
    /// The name, and `name=value` as it is sent.
    Query(String, Zeroizing<String>),
}

impl Value {
    /// The place filled with a secret.
    pub(super) fn new(place: &Place, secret: &str) -> Result<Arc<Self>, CredentialError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(CredentialError::TooShort);
        }
        // Neither a header nor anything else carries more than these as they are.
        if !secret.bytes().all(|byte| matches!(byte, b' '..=b'~')) || secret.trim() != secret {
            return Err(CredentialError::NotPrintable);
        }
        let filled = match place {
            Place::Header(name) => Filled::Header(name.clone(), sensitive(secret)?),
            Place::Bearer => {
                let text = Zeroizing::new(format!("Bearer {secret}"));
                Filled::Header(AUTHORIZATION, sensitive(&text)?)
            }
            Place::Basic(user) => {
                let pair = Zeroizing::new(format!("{user}:{secret}"));
                let sent = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
                let text = Zeroizing::new(format!("Basic {}", *sent));
                Filled::Header(AUTHORIZATION, sensitive(&text)?)
            }
            Place::Query(name) => {
                let encoded = |text| percent_encoded(text, b"0123456789ABCDEF");
                let pair = [encoded(name), b"=".to_vec(), encoded(secret)].concat();
                let pair = String::from_utf8(pair).map_err(|_| CredentialError::NotPrintable)?;
                Filled::Query(name.clone(), Zeroizing::new(pair))
            }
        };
        let needles = match place {
            Place::Basic(user) => Needles::of_basic(user, secret),
            _ => Needles::of(secret),
        };
        Ok(Arc::new(Self { filled, needles: Arc::new(needles) }))
    }

    /// What answers are searched for.
    pub(in crate::gateway) fn needles(&self) -> &Arc<Needles> {
        &self.needles
    }

    /// Puts the credential into a request, in place of whatever is there.
    ///
    /// *Errors*: [`UpstreamError::Parameter`] where the caller set its parameter of the query.
    pub(in crate::gateway) fn put_into(&self, parts: &mut Parts) -> Result<(), UpstreamError> {
        match &self.filled {
            Filled::Header(name, value) => {
                remove_like(&mut parts.headers, name);
                parts.headers.insert(name, value.clone());
            }
            Filled::Query(name, pair) => {
                let query = parts.uri.query();
                let is_taken = query.is_some_and(|query| has_parameter(query, name));
                if is_taken {
                    return Err(UpstreamError::Parameter(name.clone()));
                }
                parts.uri = with_query(&parts.uri, pair).ok_or(UpstreamError::Target)?;
            }
        }
        Ok(())
    }
}

/// Takes out every header that some server would take for this one: CGI and its like make `_` of
/// each `-`.
fn remove_like(headers: &mut HeaderMap, name: &HeaderName) {
    let plain = |name: &HeaderName| name.as_str().replace('_', "-");
    let wanted = plain(name);
    let like: Vec<HeaderName> =
        headers.keys().filter(|other| plain(other) == wanted).cloned().collect();
    for name in like {
        headers.remove(name);
    }
}

/// Whether a query has a parameter of this name, in any case.
fn has_parameter(query: &str, name: &str) -> bool {
    let parts = query.split(['&', ';']);
    let mut names = parts.flat_map(|part| form_urlencoded::parse(part.as_bytes()));
    names.any(|(other, _)| other.eq_ignore_ascii_case(name))
}

/// The address with one more parameter, the rest byte for byte.
fn with_query(uri: &Uri, pair: &str) -> Option<Uri> {
    let separator = match uri.query() {
        None => "?",
        Some("") => "",
        Some(_) => "&",
    };
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let text = wiped(format!("{target}{separator}{pair}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(text).ok()?);
    Uri::from_parts(parts).ok()
}

/// A value that is never shown, wiped with its last copy.
fn sensitive(text: &str) -> Result<HeaderValue, CredentialError> {
    let value = HeaderValue::from_maybe_shared(wiped(text.to_owned()));
    let mut value = value.map_err(|_| CredentialError::NotPrintable)?;
    value.set_sensitive(true);
    Ok(value)
}

fn wiped(text: String) -> Bytes {
    Bytes::from_owner(Zeroizing::new(text.into_bytes()))
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(..)")
    }
}
