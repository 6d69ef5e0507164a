//! What is asked of a request before anything else: whom it thinks it talks to, and in what it talks.

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::options::McpOptions;
use super::stop::Stop;
use crate::mcp::code;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Which hosts and origins are the gateway's own.
pub(super) struct Door {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Door {
    pub(super) fn new(options: &McpOptions) -> Self {
        let own = options.public_uri.as_ref().and_then(|uri| {
            let (_, rest) = uri.as_str().split_once("://")?;
            rest.split('/').next()
        });
        let hosts = options.hosts.iter().map(String::as_str).chain(own);
        let lower = |text: &str| text.to_ascii_lowercase();
        let origins = options.origins.iter().map(|origin| lower(origin)).collect();
        Self { hosts: hosts.map(lower).collect(), origins }
    }

    /// Refuses what a web page of somebody else's sends, and what is meant for another host.
    ///
    /// *Source*: Model Context Protocol, "Streamable HTTP", "Security & Endpoint": a name that was
    /// made to lead here names another host than this one.
    pub(super) fn check(&self, parts: &Parts) -> Result<(), Stop> {
        let host = one(&parts.headers, &HOST)?.map(str::to_ascii_lowercase);
        let host = host.or_else(|| parts.uri.authority().map(|host| host.as_str().to_lowercase()));
        let known = host.as_deref().is_some_and(|host| self.is_own(host));
        if !known {
            let why = "the request is meant for another host";
            let status = StatusCode::MISDIRECTED_REQUEST;
            return Err(Stop::fault(status, code::refusal(421), why));
        }
        if parts.headers.contains_key(UPGRADE) {
            return Err(Stop::bad(code::INVALID_REQUEST, "the connection stays as it is"));
        }
        let Some(origin) = one(&parts.headers, &ORIGIN)?.map(str::to_ascii_lowercase) else {
            return Ok(());
        };
        let page = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        // A page of the host itself: its name was found to be the gateway's own.
        match self.origins.contains(&origin) || (page.is_some() && page == host.as_deref()) {
            true => Ok(()),
            false => {
                let why = "requests of this origin are not taken";
                Err(Stop::fault(StatusCode::FORBIDDEN, code::refusal(403), why))
            }
        }
    }

    /// Whether a host, with its port, is one of those named with this port or any.
    fn is_own(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        self.hosts.iter().any(|own| own == host || own == name)
    }
}

/// Refuses a body that is not one message as it is, and a caller that cannot take every answer.
pub(super) fn takes_message(headers: &HeaderMap) -> Result<(), Stop> {
    let unsupported = |why: &str| {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Err(Stop::fault(status, code::INVALID_REQUEST, why))
    };
    let kind = one(headers, &CONTENT_TYPE)?.unwrap_or_default().to_ascii_lowercase();
    let (kind, parameters) = kind.split_once(';').unwrap_or((&kind, ""));
    let plain = matches!(parameters.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"");
    if kind.trim() != JSON || !plain {
        return unsupported("a message has to say once that it is `application/json`");
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if !encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return unsupported("an encoded message cannot be judged: send it as it is");
    }
    accepts(headers, &[JSON, EVENTS])
}

/// Refuses a caller that cannot take an event stream.
pub(super) fn takes_events(headers: &HeaderMap) -> Result<(), Stop> {
    accepts(headers, &[EVENTS])
}

fn accepts(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Stop> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = values
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .map(|range| range.trim().to_ascii_lowercase())
        .collect();
    let takes = |kind: &str| {
        let wild = kind.split('/').next().map(|main| format!("{main}/*"));
        ranges.iter().any(|range| range == kind || range == "*/*" || Some(range) == wild.as_ref())
    };
    match kinds.iter().all(|kind| takes(kind)) {
        true => Ok(()),
        false => {
            let why = format!("the caller has to accept `{}`", kinds.join("` and `"));
            Err(Stop::fault(StatusCode::NOT_ACCEPTABLE, code::INVALID_REQUEST, why))
        }
    }
}

/// The one value of a header, as text.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Stop> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str()).transpose();
    match (value, values.next()) {
        (Ok(value), None) => Ok(value),
        _ => {
            let why = format!("`{name}` is given twice, or is no text");
            Err(Stop::bad(code::INVALID_REQUEST, why))
        }
    }
}
