//! Law 4: what is judged is what the handler reads.

use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, UPGRADE};

use super::*;

#[tokio::test]
async fn arguments_come_from_path_query_and_body() {
    let cases = [
        ("POST", "/refunds", r#"{"amount":5}"#, r#"stripe/refund {"amount":5}"#),
        ("POST", "/refunds", "", "stripe/refund {}"),
        ("GET", "/accounts/a%20b", "", r#"crm/get_account {"id":"a b"}"#),
        ("GET", "/accounts/%C3%BC?x=1+2&y", "", r#"crm/get_account {"id":"ü","x":"1 2","y":""}"#),
        ("GET", "/accounts/all", "", "crm/list_accounts {}"),
        ("HEAD", "/accounts/7", "", r#"crm/get_account {"id":"7"}"#),
        ("PUT", "/accounts/7", r#"{"n":1.0}"#, r#"crm/set_account {"id":"7","n":1.0}"#),
    ];
    for (method, uri, body, told) in cases {
        let api = api();
        assert_eq!(api.answer(call(method, uri, body)).await, (200, None), "{method} {uri}");
        assert_eq!(api.reached.all()[0].0, told);
        assert_eq!(api.sink.records().len(), 1);
    }
}

#[tokio::test]
async fn the_judged_bytes_are_the_forwarded_bytes() {
    let odd = "  {\"b\" : 5e0,\n \"a\":\"\\u00fc\"} ";
    let api = api();
    let mut request = call("POST", "/refunds", odd);
    for name in ["dpop", "x-http-method-override", "proxy-authorization"] {
        request.headers_mut().insert(name, HeaderValue::from_static("x"));
    }
    request.headers_mut().insert("x-kept", HeaderValue::from_static("x"));
    assert_eq!(api.answer(request).await.0, 200);
    let (told, headers, body) = api.reached.all().remove(0);
    assert_eq!(body, odd.as_bytes());
    assert_eq!(told, format!("stripe/refund {odd}"));
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "content-type", "x-kept"]);
    assert_eq!(headers["content-length"], odd.len().to_string().as_str());
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused() {
    let cases = [
        ("POST", "/refunds", r#"{"a":1,"a":2}"#, 400),
        ("POST", "/refunds", r#"{"a":1} {"a":2}"#, 400),
        ("POST", "/refunds", r#"{"a":"\ud800"}"#, 400),
        ("POST", "/refunds", r#"{"a":9007199254740993}"#, 400),
        ("POST", "/refunds", "[1]", 400),
        ("POST", "/refunds", "{", 400),
        ("POST", "/refunds?amount=1", r#"{"amount":2}"#, 400),
        ("POST", "/refunds?a=1&a=1", "", 400),
        ("POST", "/refunds?a=1;b=2", "", 400),
        ("POST", "/refunds?a=%zz", "", 400),
        ("POST", "/refunds?a=%ff", "", 400),
        ("POST", "/refunds?=1", "", 400),
        ("POST", "/refunds?a=1&", "", 400),
        ("PUT", "/accounts/7", r#"{"id":"8"}"#, 400),
        ("PUT", "/accounts/7?id=8", "", 400),
        ("GET", "/accounts/7", r#"{"x":1}"#, 400),
        ("GET", "/accounts/a%2Fb", "", 400),
        ("GET", "/accounts/a%5cb", "", 400),
        ("GET", "/accounts/%2e%2e", "", 400),
        ("GET", "/accounts/..", "", 400),
        ("GET", "/accounts/./7", "", 400),
        ("GET", "/accounts//7", "", 400),
        ("GET", "/accounts/%00", "", 400),
        ("GET", "/accounts/%ff", "", 400),
        ("GET", "/accounts/%4", "", 400),
        ("GET", "/accounts/", "", 404),
        ("GET", "/%61ccounts/7", "", 404),
        ("GET", "/accounts/7/", "", 404),
        ("GET", "/ACCOUNTS/7", "", 404),
        ("DELETE", "/accounts/7", "", 404),
        ("OPTIONS", "/refunds", "", 404),
        ("HEAD", "/refunds", "", 404),
        ("post", "/refunds", "", 404),
        ("GET", "/elsewhere", "", 404),
    ];
    for (method, uri, body, status) in cases {
        let api = api();
        let answer = api.answer(call(method, uri, body)).await;
        // The answer to `HEAD` has no body.
        let code = (method != "HEAD").then_some(Code::RequestMalformed);
        assert_eq!(answer, (status, code), "{method} {uri} {body}");
        assert!(api.reached.all().is_empty());
        assert_eq!(api.last().decision.code(), Some(Code::RequestMalformed));
        assert_eq!(api.last().task, Some(token().authority_text("task").unwrap().to_owned()));
    }
}

#[tokio::test]
async fn bodies_of_another_kind_are_refused() {
    let cases = [
        (CONTENT_TYPE, "text/plain", 415),
        (CONTENT_TYPE, "application/x-www-form-urlencoded", 415),
        (CONTENT_TYPE, "application/json; charset=utf-16", 415),
        (CONTENT_TYPE, "application/jsonp", 415),
        (CONTENT_ENCODING, "gzip", 415),
        (CONTENT_ENCODING, "identity, gzip", 415),
        (UPGRADE, "websocket", 400),
    ];
    for (name, value, status) in cases {
        let api = api();
        let mut request = call("POST", "/refunds", "{}");
        request.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
        assert_eq!(api.answer(request).await.0, status, "{name} {value}");
        assert!(api.reached.all().is_empty());
    }
    for value in ["application/json; charset=UTF-8", "application/vnd.api+json"] {
        let mut request = call("POST", "/refunds", "{}");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(value));
        assert_eq!(api().answer(request).await.0, 200, "{value}");
    }
    let mut twice = call("POST", "/refunds", "{}");
    twice.headers_mut().append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert_eq!(api().answer(twice).await.0, 415);
    let mut none = call("POST", "/refunds", "{}");
    none.headers_mut().remove(CONTENT_TYPE);
    assert_eq!(api().answer(none).await.0, 415);
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let allow: super::super::flow::Decider = Arc::new(|_, _, _| Decision::Allow { grant: 0 });
    for (length, status) in [(63, 200), (64, 200), (65, 413)] {
        let api = api_with(|builder| builder.decider(Arc::clone(&allow)).body_bytes_max(64));
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        assert_eq!(body.len(), length);
        assert_eq!(api.answer(call("POST", "/refunds", &body)).await.0, status, "{length}");
        // A length that is not announced.
        let mut request = call("POST", "/refunds", "{}");
        *request.body_mut() = Body::new(Chunks(body.into_bytes()));
        assert_eq!(api.answer(request).await.0, status, "{length} in chunks");
    }
}

/// One byte a frame.
struct Chunks(Vec<u8>);

impl axum::body::HttpBody for Chunks {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let first = (!self.0.is_empty()).then(|| self.0.remove(0));
        std::task::Poll::Ready(first.map(|byte| Ok(http_body::Frame::data(vec![byte].into()))))
    }
}

#[tokio::test]
async fn a_call_served_by_another_route_is_refused() {
    async fn ok() {}
    for (served, status) in [("/accounts/{key}", 200), ("/{kind}/{id}", 404), ("/{*all}", 404)] {
        let guarded = api();
        let router: Router = Router::new().route(served, any(ok)).layer(guarded.guard.clone());
        let response = router.oneshot(call("GET", "/accounts/7", "")).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{served}");
    }
}

#[test]
fn routes_that_make_no_sense_are_refused() {
    let cases = [
        ("GET", "x", "a/b"),
        ("GET", "/x/{", "a/b"),
        ("GET", "/x/{a}/{a}", "a/b"),
        ("GET", "/x/{*a}", "a/b"),
        ("GET", "/x//y", "a/b"),
        ("GET", "/x/../y", "a/b"),
        ("GET", "/x?y", "a/b"),
        ("GET", "/x", "a"),
        ("GE T", "/x", "a/b"),
        ("CONNECT", "/x", "a/b"),
        ("GET", "/accounts/{other}", "a/b"),
        ("GET", "/health", "a/b"),
    ];
    for (method, path, tool) in cases {
        assert!(tools().route(method, path, tool).is_err(), "{method} {path} {tool}");
    }
}

#[tokio::test]
async fn a_closure_may_say_what_the_call_is() {
    let tools = ToolMap::from_fn(|parts, body| {
        assert!(parts.headers.get(AUTHORIZATION).is_none());
        let args = crate::model::Args::parse(body.to_vec(), Default::default())
            .map_err(|error| Reason::new(Code::RequestMalformed, error.to_string()))?;
        Ok(super::super::ToolCall { tool: "x/y".parse().unwrap(), args })
    });
    let allow: super::super::flow::Decider = Arc::new(|_, _, _| Decision::Allow { grant: 0 });
    let api = api_with(|builder| builder.decider(allow).tools(tools));
    assert_eq!(api.answer(call("POST", "/", "{}")).await, (200, None));
    assert_eq!(api.answer(call("POST", "/", "")).await, (400, Some(Code::RequestMalformed)));
    assert_eq!(api.reached.all()[0].0, "x/y {}");
}
