//! Bodies that are judged, and bodies that settings say are not.

use super::*;

fn form(body: &str) -> String {
    let kind = "content-type: application/x-www-form-urlencoded";
    format!("{kind}\r\ncontent-length: {}\r\n", body.len())
}

#[tokio::test]
async fn fields_of_a_form_are_arguments() {
    let server = RawServer::answering(ok("done")).await;
    let gateway = Gateway::before(&server).await;
    let body = "amount=%35&to=a+b&empty=";
    let answer = gateway.send("POST /forms?x=1", &form(body), body).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let judged = r#"{"x":"1","amount":"5","to":"a b","empty":""}"#;
    assert_eq!(args(&gateway, "crm/form"), digest(judged));
    assert!(server.only().ends_with(&format!("\r\n\r\n{body}")));
    for body in [
        "a=1&a=2",
        "x=2",
        "a=1;b=2",
        "=1",
        "a=%zz",
        "a=%ff",
        "a=1&&b=2",
        "a=1\nb=2",
        "a=\u{e9} ",
        "a=1\r\n",
    ] {
        let answer = gateway.send("POST /forms?x=1", &form(body), body).await;
        assert_eq!(status(&answer), 400, "{body}: {answer}");
    }
    for kind in [
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
        "text/plain",
    ] {
        let headers = format!("content-type: {kind}\r\ncontent-length: 3\r\n");
        assert_eq!(status(&gateway.send("POST /forms", &headers, "a=1").await), 415, "{kind}");
    }
    let twice = format!("content-type: text/plain\r\n{}", form("a=1"));
    assert_eq!(status(&gateway.send("POST /forms", &twice, "a=1").await), 415);
    let encoded = format!("content-encoding: gzip\r\n{}", form("a=1"));
    assert_eq!(status(&gateway.send("POST /forms", &encoded, "a=1").await), 415);
    assert_eq!(server.asked().len(), 1);
    assert_eq!(status(&gateway.send("POST /forms", "", "").await), 200, "a form without fields");
}

#[tokio::test]
async fn an_opaque_body_goes_up_unread_and_is_an_argument() {
    let server = RawServer::answering(ok("done")).await;
    let gateway = Gateway::before(&server).await;
    let body = "\u{0}anything{";
    for headers in [
        format!(
            "content-type: image/png\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n",
            body.len()
        ),
        "transfer-encoding: chunked\r\n".to_owned(),
    ] {
        let body = match headers.contains("chunked") {
            true => format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            false => body.to_owned(),
        };
        let answer = gateway.send("PUT /files/a?v=1", &headers, &body).await;
        assert_eq!(status(&answer), 200, "{answer}");
        assert_eq!(args(&gateway, "crm/upload"), digest(r#"{"name":"a","v":"1","body":true}"#));
        assert!(server.asked().pop().unwrap().to_lowercase().ends_with(&body));
    }
    let answer = gateway.send("PUT /files/a", "content-length: 0\r\n", "").await;
    assert_eq!((status(&answer), args(&gateway, "crm/upload")), (200, digest(r#"{"name":"a"}"#)));
    let asked = server.asked().len();
    // It is the argument of that name, and no other is.
    let answer = gateway.send("PUT /files/a?body=1", "content-length: 1\r\n", "x").await;
    assert_eq!(status(&answer), 400, "{answer}");
    let long = "content-length: 100001\r\n";
    assert_eq!(status(&gateway.send("PUT /files/a", long, "").await), 413);
    assert_eq!(server.asked().len(), asked);
}

#[tokio::test]
async fn an_opaque_body_has_a_bound_and_is_asked_for_only_when_it_may_go_up() {
    let server = RawServer::answering(ok("done")).await;
    let gateway = Gateway::before(&server).await;
    let long = format!("{:x}\r\n{}\r\n0\r\n\r\n", 100_001, "x".repeat(100_001));
    let answer = gateway.send("PUT /files/a", "transfer-encoding: chunked\r\n", &long).await;
    assert_eq!(status(&answer), 413, "{answer}");
    let closed = r#"[{"tool":"crm/upload","args":{"name":{"one_of":["a"]}}}]"#;
    let refused = format!(
        "PUT /files/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
         content-length: 5\r\nauthorization: Bearer {}\r\n\r\n",
        token_for(closed)
    );
    let answer = exchange(&gateway.base, refused).await;
    assert_eq!(status(&answer), 403, "no body was asked for: {answer}");
    let granted = r#"[{"tool":"crm/upload","args":{"name":{"one_of":["a"]},"body":{"any":true}}}]"#;
    let allowed = format!(
        "PUT /files/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n\
         content-length: 5\r\nauthorization: Bearer {}\r\n\r\nbytes",
        token_for(granted)
    );
    let answer = exchange(&gateway.base, allowed).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{answer}");
}
