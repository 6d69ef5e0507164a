//! The head of a request as it goes up.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::header::{EXPECT, HOST, HeaderName, UPGRADE, VIA};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use crate::gateway::upstream::hop;
use crate::guard::{Refusal, arguments};

/// Headers by which services behind a proxy are told who calls and from where; only the gateway may.
const OF_PROXIES: &[&str] = &[
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-real-ip",
];

/// What the names of others of them begin with.
const OF_PROXIES_BEGIN: &[&str] = &[
    "x-auth-request-",
    "x-authenticated-",
    "x-client-cert",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
    "x-remote-",
    "x-ssl-client-",
    "x-webauth-",
];

/// How the gateway names itself in `Via`.
const NAME: &str = "1.1 hardtack";

/// Refuses a head that two readers could read differently. How long its body is was read by the server
/// that took it, and is told anew.
///
/// *Source*: RFC 9112, section 3.2; RFC 9110, section 7.6.1.
pub(super) fn has_one_reading(parts: &Parts) -> Result<(), Refusal> {
    let bad = |why: &str| Err(Refusal::malformed(StatusCode::BAD_REQUEST, why));
    let headers = &parts.headers;
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
        return bad("the request does not name one host");
    }
    // Whoever takes such a header out changes what the body is or whom the request is for.
    let of_message = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("content-") || matches!(name, "host" | "authorization" | "cookie")
    };
    if hop::named(headers).iter().any(of_message) {
        return bad("`Connection` names a header that belongs to the message");
    }
    if parts.method == Method::CONNECT {
        return bad("a connection that changes its protocol cannot be judged");
    }
    let mut expected = headers.get_all(EXPECT).iter();
    match expected.all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => {
            let why = "the request expects what is not known here";
            Err(Refusal::malformed(StatusCode::EXPECTATION_FAILED, why))
        }
    }
}

/// Whether a request asks for a WebSocket, and nothing else.
///
/// *Errors*: any other change of protocol. *Source*: RFC 6455, section 4.1.
pub(super) fn asks_for_websocket(parts: &Parts) -> Result<bool, Refusal> {
    if !parts.headers.contains_key(UPGRADE) {
        return Ok(false);
    }
    let mut protocols = parts.headers.get_all(UPGRADE).iter();
    let is_websocket = match (protocols.next(), protocols.next()) {
        (Some(one), None) => one.as_bytes().eq_ignore_ascii_case(b"websocket"),
        _ => false,
    };
    let names_it = hop::named(&parts.headers).contains(&UPGRADE);
    match is_websocket && names_it && parts.method == Method::GET {
        true => Ok(true),
        false => {
            let why = "a connection that changes its protocol cannot be judged";
            Err(Refusal::malformed(StatusCode::BAD_REQUEST, why))
        }
    }
}

/// Takes out of a head what is not for the upstream, and tells it where the request came from.
pub(super) fn prepare(parts: &mut Parts, scheme: &'static str) {
    let host = parts.headers.get(HOST).cloned();
    hop::strip(&mut parts.headers);
    arguments::strip(&mut parts.headers);
    let names: Vec<HeaderName> =
        parts.headers.keys().filter(|name| is_for_the_gateway(name)).cloned().collect();
    for name in names {
        parts.headers.remove(name);
    }
    let headers = &mut parts.headers;
    headers.remove(EXPECT);
    set(headers, "x-forwarded-proto", Some(HeaderValue::from_static(scheme)));
    set(headers, "x-forwarded-host", host);
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.and_then(|ConnectInfo(peer)| peer.ip().to_string().parse().ok());
    set(headers, "x-forwarded-for", peer);
    headers.append(VIA, HeaderValue::from_static(NAME));
}

/// Whether a header is a proxy's to set. One with an underscore is the same as one with a hyphen to
/// CGI and its like.
fn is_for_the_gateway(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains('_')
        || OF_PROXIES.contains(&name)
        || OF_PROXIES_BEGIN.iter().any(|begin| name.starts_with(begin))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(HeaderName::from_static(name), value);
    }
}
