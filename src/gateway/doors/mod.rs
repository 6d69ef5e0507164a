//! Side doors for proxies that are there already: each asks the gateway about a request, and sends it
//! up itself if it may.
//!
//! The answer is a decision like any other: made by the same guard, recorded before it is given. What
//! a proxy does not show cannot be judged: a body that it keeps to itself is only taken by a route
//! whose body is `opaque`.
//!
//! *Who is believed.* What the request was is the asking proxy's word. These doors must not be
//! reached by anybody else.

#[cfg(feature = "envoy")]
mod grpc;
mod http;

#[cfg(feature = "envoy")]
pub use grpc::serve_grpc;
pub use http::router;

use ::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use bytes::Bytes;

use crate::gateway::http::Shown;
use crate::gateway::service::Gateway;
use crate::guard::{Allowed, Refusal};
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
    /// Nothing: there is one where the method is of that kind.
    Nothing,
}

impl Told {
    /// What the length of a request tells of its body. In HTTP/2 and 3 a body needs none.
    ///
    /// *Source*: RFC 9113, section 8.1.1.
    fn by_length(length: Option<&str>) -> Self {
        match length {
            Some("0") => Self::None,
            Some(_) => Self::There,
            None => Self::Nothing,
        }
    }
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
        let uri: Uri = self.target.parse().map_err(|_| "the proxy names no path of the request")?;
        if !self.target.starts_with('/') {
            return Err("the proxy names no path of the request");
        }
        let mut headers = self.headers;
        for name in OF_ASKING {
            headers.remove(*name);
        }
        let host = self.host.unwrap_or_else(|| "localhost".to_owned());
        let host = HeaderValue::try_from(host).map_err(|_| "the proxy names no host")?;
        headers.insert(HOST, host);
        let mostly_has = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let shown = match self.body {
            Told::Whole(bytes) => {
                if !bytes.is_empty() {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                }
                Shown::Whole(bytes)
            }
            Told::None => Shown::Whole(Bytes::new()),
            Told::Nothing if !mostly_has => Shown::Whole(Bytes::new()),
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
