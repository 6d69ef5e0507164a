use std::future::Future;

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HttpStatusCode,
};
use envoy_types::ext_authz::v3::{
    CheckResponseExt, DeniedHttpResponseBuilder, OkHttpResponseBuilder,
};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tonic::{Response, Status};

use super::{Asked, Told, about};
use crate::gateway::service::Gateway;
use crate::guard::{Allowed, Challenge, Refusal};

/// Set by Envoy where it shows the beginning of a body alone.
const PARTIAL: &str = "x-envoy-auth-partial-body";

/// Longest message of the asking proxy, in bytes: a body that is judged, and a head.
const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Answers Envoy over gRPC, until `shutdown` is ready.
///
/// *Shape*: an allowed call goes up without the caller's token and proof, and with
/// `x-hardtack-tool`, `-task` and `-principal`; a refused one gets the gateway's own answer. Duplicate
/// headers come from Envoy as one, joined by commas: two tokens are no token.
///
/// *Errors*: what the listener says.
///
/// *Source*: Envoy, `envoy.service.auth.v3.Authorization`.
pub async fn serve_grpc(
    listener: TcpListener,
    gateway: Gateway,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = AuthorizationServer::new(Door(gateway));
    let service = service.max_decoding_message_size(MESSAGE_BYTES_MAX);
    let router = tonic::service::Routes::new(service).into_axum_router();
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

struct Door(Gateway);

#[tonic::async_trait]
impl Authorization for Door {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let asked = asked(request.into_inner())
            .ok_or_else(|| Status::invalid_argument("the request tells of no HTTP request"))?;
        Ok(Response::new(match asked.decide(&self.0).await {
            Ok(allowed) => passes(&allowed),
            Err(refusal) => refused(&refusal, self.0.guard().gateway()).await,
        }))
    }
}

fn asked(request: CheckRequest) -> Option<Asked> {
    let http = request.attributes?.request?.http?;
    let mut headers = HeaderMap::new();
    for (name, value) in &http.headers {
        // Names that begin with a colon are HTTP/2's own.
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        else {
            continue;
        };
        headers.append(name, value);
    }
    let partial = headers.get(PARTIAL).is_some_and(|partial| partial != "false");
    let body = match (http.raw_body.is_empty(), http.body.is_empty()) {
        (false, _) => Bytes::from(http.raw_body),
        (true, false) => Bytes::from(http.body),
        (true, true) => Bytes::new(),
    };
    let is_whole = !partial && u64::try_from(http.size).is_ok_and(|size| size == body.len() as u64);
    let body = match (body.is_empty(), http.size) {
        _ if partial => Told::There,
        // Envoy counts what it has received: nothing yet, where it does not wait for bodies.
        (true, 0) => {
            let length = headers.get(CONTENT_LENGTH);
            Told::by_length(length.map(|length| length.to_str().unwrap_or_default()))
        }
        // Envoy knows no length of a body that comes in pieces, nor where there is none.
        (true, ..0) => Told::Nothing,
        (true, 1..) => Told::There,
        (false, ..0) => Told::Whole(body),
        (false, _) if is_whole => Told::Whole(body),
        (false, _) => Told::There,
    };
    let host = Some(http.host).filter(|host| !host.is_empty());
    Some(Asked { method: http.method, target: http.path, host, headers, body })
}

fn passes(allowed: &Allowed) -> CheckResponse {
    let mut ok = OkHttpResponseBuilder::new();
    for (name, value) in about(allowed) {
        if let Ok(value) = value.to_str() {
            ok.add_header(name.as_str(), value, None, false);
        }
    }
    for name in ["authorization", "dpop"] {
        ok.remove_header(name);
    }
    let mut response = CheckResponse::with_status(Status::ok("allowed"));
    response.set_http_response(ok);
    response
}

async fn refused(refusal: &Refusal, realm: &str) -> CheckResponse {
    let (parts, body) = refusal.response(&Challenge::of(realm)).into_parts();
    let mut denied = DeniedHttpResponseBuilder::new();
    let status = i32::from(parts.status.as_u16());
    denied.set_http_status(HttpStatusCode::try_from(status).unwrap_or(HttpStatusCode::Forbidden));
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            denied.add_header(name.as_str(), value, None, false);
        }
    }
    if let Ok(body) = body.collect().await {
        denied.set_body(String::from_utf8_lossy(&body.to_bytes()).into_owned());
    }
    let mut response =
        CheckResponse::with_status(Status::permission_denied(refusal.code().as_str()));
    response.set_http_response(denied);
    response
}
