//! Side doors for proxies that are there already: each asks the gateway about a request, and sends it
//! up itself if it may.
//!
//! The answer is a decision like any other: made by the same guard, recorded before it is given. What
//! a proxy does not show cannot be judged: a body that it keeps to itself is only taken by a route
//! whose body is `opaque`. And what it sends up is the request as it came: so one that some upstream
//! could take for another request is refused here, where the gateway itself would change it.
//!
//! *Who is believed.* What the request was is the asking proxy's word. These doors must not be
//! reached by anybody else.

#[cfg(feature = "envoy")]
mod grpc;
mod http;

#[cfg(feature = "envoy")]
pub use grpc::serve_grpc;
pub use http::router;

use ::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use bytes::Bytes;

use crate::gateway::http::Shown;
use crate::gateway::service::Gateway;
use crate::guard::{Allowed, Refusal, arguments};
use crate::model::{Code, Reason};

/// A request, as the asking proxy tells of it.
struct Asked {
    method: String,
    /// Path and query, as they were.
    target: String,
    host: Option<String>,
    headers: HeaderMap,
    body: Told,
}

/// What a proxy tells of a body.
enum Told {
    /// All of it.
    Whole(Bytes),
    /// That there is one.
    There,
    /// That there is none.
    None,
    /// Nothing: there may be one, unless the method is one that only reads.
    Nothing,
}

/// Headers that tell of the asking, and not of the request.
const OF_ASKING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl Asked {
    /// Decides the request.
    async fn decide(self, gateway: &Gateway) -> Result<Allowed, Refusal> {
        let malformed = |why: &str| Refusal::from(Reason::new(Code::RequestMalformed, why));
        let external = gateway.external().ok_or_else(|| malformed("no server is `external`"))?;
        let (parts, shown) = self.parts().map_err(malformed)?;
        external.ask(&parts, shown).await
    }

    /// The head of the request, as the gateway would have got it.
    fn parts(self) -> Result<(Parts, Shown), &'static str> {
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| "the proxy names no method of the request")?;
        let uri = path(&self.target)?;
        let mut headers = self.headers;
        if headers.keys().any(names_another_request) {
            return Err("a header names another method or path than the request's own");
        }
        let upgrade = upgrade(&headers);
        for name in OF_ASKING {
            headers.remove(*name);
        }
        if let Some(upgrade) = upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, upgrade);
        }
        let host = self.host.unwrap_or_else(|| "localhost".to_owned());
        let host = HeaderValue::try_from(host).map_err(|_| "the proxy names no host")?;
        headers.insert(HOST, host);
        let only_reads =
            matches!(method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        let shown = match self.body {
            Told::Whole(bytes) => {
                if !bytes.is_empty() {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                }
                Shown::Whole(bytes)
            }
            Told::None => Shown::Whole(Bytes::new()),
            Told::Nothing if only_reads => Shown::Whole(Bytes::new()),
            Told::There | Told::Nothing => {
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
                Shown::Hidden
            }
        };
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok((request.into_parts().0, shown))
    }
}

/// The path and query of a target, to the last byte: whatever else it holds would go up too.
fn path(target: &str) -> Result<Uri, &'static str> {
    let uri: Uri = target.parse().map_err(|_| "the proxy names no path of the request")?;
    if !target.starts_with('/') {
        return Err("the proxy names no path of the request");
    }
    match uri.path_and_query().is_some_and(|read| read.as_str() == target) {
        true => Ok(uri),
        false => Err("the request's target holds more than a path and a query"),
    }
}

/// Whether a header makes some upstreams see another request. Some read an underscore as a hyphen.
fn names_another_request(name: &HeaderName) -> bool {
    arguments::OVERRIDES.contains(&name.as_str().replace('_', "-").as_str())
}

/// The protocol that the connection would change to, if the proxy tells of one: Envoy shows the
/// request's own header, nginx tells of it, and Traefik names a scheme of WebSockets.
fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let told = headers.get(UPGRADE).or_else(|| headers.get("x-original-upgrade"));
    let told = told.filter(|told| !told.is_empty()).cloned();
    told.or_else(|| {
        let proto = headers.get("x-forwarded-proto")?.as_bytes().to_ascii_lowercase();
        matches!(&*proto, b"ws" | b"wss").then(|| HeaderValue::from_static("websocket"))
    })
}

/// What the upstream may want to know of an allowed call.
fn about(allowed: &Allowed) -> Vec<(HeaderName, HeaderValue)> {
    let value = |text: &str| HeaderValue::try_from(text).ok();
    let tool = value(&allowed.tool().to_string());
    let named = [
        ("x-hardtack-tool", tool),
        ("x-hardtack-task", allowed.task().and_then(value)),
        ("x-hardtack-principal", allowed.principal().and_then(value)),
    ];
    let kept = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
    kept.map(|(name, value)| (HeaderName::from_static(name), value)).collect()
}
