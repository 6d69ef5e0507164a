//! Envoy's protocol, spoken by a real client of gRPC.

use std::collections::HashMap;

use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use hardtack::gateway::doors::serve_grpc;
use tokio::net::TcpListener;
use tonic::transport::Channel;

use super::{ALL, MORE, READ_A, World, bearer};

async fn client(world: &World) -> AuthorizationClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_grpc(listener, world.gateway.clone(), std::future::pending()));
    AuthorizationClient::connect(format!("http://{address}")).await.unwrap()
}

fn asking(http: HttpRequest) -> CheckRequest {
    let request = Request { http: Some(http), ..Request::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    CheckRequest { attributes: Some(attributes) }
}

fn http(method: &str, path: &str, bearer: &str, body: &[u8], size: i64) -> HttpRequest {
    let mut headers = HashMap::from([
        (":path".to_owned(), "/files/a".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ]);
    if !bearer.is_empty() {
        headers.insert("authorization".to_owned(), bearer.to_owned());
    }
    HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        host: "127.0.0.1:8080".to_owned(),
        headers,
        raw_body: body.to_vec(),
        size,
        ..HttpRequest::default()
    }
}

/// The status of a refusal, or what is done to the headers of an allowed request.
fn told(response: CheckResponse) -> Result<Vec<String>, i32> {
    let code = response.status.unwrap().code;
    match response.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => {
            assert_eq!(code, 0);
            let set = ok.headers.into_iter().map(|header| {
                let header = header.header.unwrap();
                format!(
                    "{}: {}{}",
                    header.key,
                    header.value,
                    String::from_utf8_lossy(&header.raw_value)
                )
            });
            Ok(set.chain(ok.headers_to_remove.into_iter().map(|name| format!("-{name}"))).collect())
        }
        HttpResponse::DeniedResponse(denied) => {
            assert_ne!(code, 0);
            Err(denied.status.unwrap().code)
        }
        HttpResponse::ErrorResponse(_) => panic!("an error"),
    }
}

#[tokio::test]
async fn envoy_gets_a_decision_for_each_request() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let mut client = client(&world).await;
    let mut ask = async |request: HttpRequest| {
        told(client.check(asking(request)).await.unwrap().into_inner())
    };
    let allowed = ask(http("GET", "/files/a", &bearer, b"", 0)).await.unwrap();
    assert!(allowed.contains(&"x-hardtack-tool: files/read".to_owned()), "{allowed:?}");
    assert!(allowed.contains(&"-authorization".to_owned()), "{allowed:?}");
    assert!(allowed.contains(&"-dpop".to_owned()), "{allowed:?}");
    for (method, path, bearer, body, size, expected) in [
        ("GET", "/files/b", &*bearer, &b""[..], 0, 403),
        ("GET", "/files/a", "", b"", 0, 401),
        // Envoy joins what was sent twice.
        ("GET", "/files/a", &format!("{bearer},{bearer}"), b"", 0, 401),
        ("POST", "/search", &bearer, br#"{"q":1}"#, 7, 403),
        ("POST", "/search", &bearer, br#"{"q":1}"#, 9, 400),
        ("POST", "/search", &bearer, b"", 9, 400),
        ("POST", "/search", &bearer, b"", -1, 400),
        ("GET", "/files/a", &bearer, b"{}", 2, 400),
        ("GET", "files/a", &bearer, b"", 0, 400),
        ("G ET", "/files/a", &bearer, b"", 0, 400),
    ] {
        let request = http(method, path, bearer, body, size);
        assert_eq!(ask(request).await, Err(expected), "{method} {path} {size}");
    }
    assert!(ask(http("PUT", "/files/a", &bearer, b"", 100)).await.is_ok());
    let mut partial = http("POST", "/search", &bearer, br#"{"q":1}"#, 7);
    partial.headers.insert("x-envoy-auth-partial-body".to_owned(), "true".to_owned());
    assert_eq!(ask(partial).await, Err(400));
    assert_eq!(world.decided(0).len(), 12 - 2 + 1);
}

/// Where Envoy does not wait for bodies it has received nothing yet, and says so.
#[tokio::test]
async fn an_envoy_that_shows_no_bodies_is_not_taken_to_say_that_there_are_none() {
    let (world, bearer) = (World::new().await, bearer(r#"[{"tool":"files/search"}]"#));
    let mut client = client(&world).await;
    for (length, expected) in [(None, Some(400)), (Some("7"), Some(400)), (Some("0"), None)] {
        let mut request = http("POST", "/search", &bearer, b"", 0);
        let length = length.map(|length| ("content-length".to_owned(), length.to_owned()));
        request.headers.extend(length.clone());
        let told = told(client.check(asking(request)).await.unwrap().into_inner());
        assert_eq!(told.err(), expected, "{length:?}");
    }
}

#[tokio::test]
async fn an_asking_is_of_bounded_length() {
    let (world, bearer) = (World::new().await, bearer(READ_A));
    let mut client = client(&world).await;
    let mut ask = async |length: usize| {
        let body = vec![b'x'; length];
        let request = http("PUT", "/files/a", &bearer, &body, i64::try_from(length).unwrap());
        client.check(asking(request)).await.map_err(|status| status.code())
    };
    assert!(ask(1 << 20).await.is_ok());
    assert_eq!(ask(3 << 20).await.err(), Some(tonic::Code::OutOfRange));
    assert_eq!(world.decided(0).len(), 1);
}

#[tokio::test]
async fn a_request_that_tells_of_nothing_is_an_error() {
    let world = World::new().await;
    let mut client = client(&world).await;
    let status = client.check(CheckRequest { attributes: None }).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn envoy_tells_of_nothing_that_goes_up_unjudged() {
    let (world, bearer) = (World::with(MORE).await, bearer(ALL));
    let mut client = client(&world).await;
    let mut ask = async |method: &str, path: &str, more: (&str, &str)| {
        let mut request = http(method, path, &bearer, b"", 0);
        request.headers.insert(more.0.to_owned(), more.1.to_owned());
        told(client.check(asking(request)).await.unwrap().into_inner()).map(|_| 200)
    };
    let none = ("accept", "*/*");
    for (method, path, more, expected) in [
        ("GET", "/files/a", none, Ok(200)),
        ("GET", "/files/a#/../../secret", none, Err(400)),
        // Where Envoy does not wait for bodies it says 0 of each.
        ("POST", "/search", none, Err(400)),
        ("DELETE", "/files/a", none, Err(400)),
        ("POST", "/search", ("content-length", "0"), Ok(200)),
        ("DELETE", "/files/a", ("content-length", "2"), Err(400)),
        ("GET", "/files/a", ("content-length", "2"), Err(400)),
        ("GET", "/files/a", ("x-http-method-override", "DELETE"), Err(400)),
        ("GET", "/files/a", ("upgrade", "websocket"), Err(400)),
        ("GET", "/live", ("upgrade", "websocket"), Ok(200)),
    ] {
        assert_eq!(ask(method, path, more).await, expected, "{method} {path} {more:?}");
    }
}
