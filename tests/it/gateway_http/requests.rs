//! Heads of requests and answers.

use super::*;

#[tokio::test]
async fn what_was_judged_goes_up_with_the_gateways_credential() {
    let server = RawServer::answering(ok("done")).await;
    let gateway = Gateway::before(&server).await;
    let body = "{ \"amount\" : 5.0 }";
    let headers = format!(
        "{}x-kept: 1\r\ncookie: a=1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nforwarded: for=1.1.1.1\r\n\
         x-forwarded-for: 1.1.1.1\r\nx-forwarded-user: root\r\nx-forwarded-host: evil\r\n\
         x-real-ip: 1.1.1.1\r\nx_forwarded_for: 1.1.1.1\r\nx-original-url: /admin\r\n\
         x-http-method-override: DELETE\r\nx-remote-user: root\r\nexpect: 100-continue\r\n\
         proxy-authorization: Basic x\r\ndpop: \r\n",
        json(body)
    );
    // An empty proof is no proof; without it.
    let headers = headers.replace("dpop: \r\n", "");
    let answer = gateway.send("POST /refunds/a%41?x=%42&y=c+d", &headers, body).await;
    assert_eq!(status(answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n")), 200, "{answer}");
    let asked = server.only();
    assert!(asked.starts_with("POST /v1/refunds/a%41?x=%42&y=c+d HTTP/1.1\r\n"), "{asked}");
    assert!(asked.ends_with(&format!("\r\n\r\n{body}")), "{asked}");
    for (name, value) in [
        ("authorization", "Bearer upstream-secret"),
        ("host", &server.base["http://".len()..]),
        ("content-length", "18"),
        ("content-type", "application/json"),
        ("x-kept", "1"),
        ("cookie", "a=1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "tools.example.com"),
        ("via", "1.1 hardtack"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        assert_eq!(header(&asked, name).as_deref(), Some(value), "{name}");
    }
    for gone in [
        "1.1.1.1",
        "root",
        "evil",
        "override",
        "original",
        "expect",
        "connection",
        "proxy-authorization",
    ] {
        assert!(!asked.contains(gone), "{gone} in {asked}");
    }
    let judged = r#"{"id":"aA","x":"B","y":"c d","amount":5.0}"#;
    assert_eq!(args(&gateway, "crm/refund"), digest(judged));
    let record = gateway.last();
    assert_eq!(record.credential.as_deref(), Some("crm-write"));
    assert_eq!(record.trace.as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
    assert!(record.labels.contains("write"));
}

#[tokio::test]
async fn requests_with_two_readings_never_go_up() {
    let server = RawServer::answering(ok("done")).await;
    let gateway = Gateway::before(&server).await;
    let chunked = "2\r\n{}\r\n0\r\n\r\n";
    let typed = "content-type: application/json\r\n";
    for (line, headers, body) in [
        ("POST /refunds/1", "content-length: 2\r\ncontent-length: 3\r\n", "{}"),
        ("POST /refunds/1", "content-length: 2, 2\r\n", "{}"),
        ("POST /refunds/1", "content-length: +2\r\n", "{}"),
        ("POST /refunds/1", "transfer-encoding: gzip\r\n", chunked),
        ("POST /refunds/1", "transfer-encoding: chunked, gzip\r\n", chunked),
        ("POST /refunds/1", "transfer-encoding : chunked\r\n", chunked),
        ("POST /refunds/1", "transfer-encoding: xchunked\r\n", chunked),
        ("GET /accounts/1", "x-folded: a\r\n b\r\n", ""),
        ("GET /accounts/1", " x-led: a\r\n", ""),
        ("GET /accounts/1", "host: other\r\n", ""),
        ("GET /accounts/1", "connection: content-type\r\n", ""),
        ("GET /accounts/1", "connection: x, Host\r\n", ""),
        ("GET /accounts/1", "connection: Content-Length\r\n", ""),
        ("GET /accounts/1", "content-length: 2\r\n", "{}"),
        ("GET /accounts/1", "expect: something\r\n", ""),
        ("GET /accounts/1", "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\n", ""),
        ("GET /accounts/1", "upgrade: websocket\r\nconnection: upgrade\r\n", ""),
        ("GET /live", "upgrade: h2c\r\nconnection: upgrade\r\n", ""),
        ("GET /live", "upgrade: websocket, h2c\r\nconnection: upgrade\r\n", ""),
        ("GET /live", "upgrade: websocket\r\nupgrade: h2c\r\nconnection: upgrade\r\n", ""),
        ("GET /live", "upgrade: websocket\r\n", ""),
        ("HEAD /live", "upgrade: websocket\r\nconnection: upgrade\r\n", ""),
        ("CONNECT tools.example.com:443", "", ""),
        ("GET /accounts/..%2f1", "", ""),
        ("GET /accounts/.%2e", "", ""),
        ("GET //accounts/1", "", ""),
        ("GET /accounts/1?a=1;b=2", "", ""),
        ("GET /accounts/1?id=2", "", ""),
        ("GET /accounts/1?a=1&a=2", "", ""),
        ("GET /accounts/1?%zz", "", ""),
        ("POST /refunds/1", "content-encoding: gzip\r\ncontent-length: 2\r\n", "{}"),
    ] {
        let answer = gateway.send(line, &format!("{typed}{headers}"), body).await;
        let refused = status(&answer);
        assert!([400, 415, 417].contains(&refused), "{line} {headers}: {answer}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
    // A length that is told twice is told once from here on.
    for (headers, body) in [
        ("content-length: 12\r\ntransfer-encoding: chunked\r\n", chunked),
        ("transfer-encoding: chunked\r\ncontent-length: 12\r\n", chunked),
        ("content-length: 2\r\ncontent-length: 2\r\n", "{}"),
    ] {
        let answer = gateway.send("POST /refunds/1", &format!("{typed}{headers}"), body).await;
        assert_eq!(status(&answer), 200, "{headers}: {answer}");
        let asked = server.asked().pop().unwrap();
        assert_eq!(header(&asked, "content-length").as_deref(), Some("2"), "{asked}");
        assert_eq!(header(&asked, "transfer-encoding"), None);
        assert!(asked.ends_with("\r\n\r\n{}"), "{asked}");
    }
}

#[tokio::test]
async fn nobody_gets_through_without_a_grant() {
    let server = RawServer::answering(ok("done")).await;
    let gateway = Gateway::before(&server).await;
    let get = |token: &str| {
        let head = "GET /accounts/7 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        let base = gateway.base.clone();
        let request = format!("{head}{token}\r\n");
        async move { exchange(&base, request).await }
    };
    let bearer = |grants: &str| format!("authorization: Bearer {}\r\n", token_for(grants));
    let answer = get("").await;
    assert_eq!(status(&answer), 401);
    assert!(answer.contains("www-authenticate: Bearer realm=\"gw\"\r\n"), "{answer}");
    let only = r#"[{"tool":"crm/get_account","args":{"id":{"one_of":["8"]}}}]"#;
    assert_eq!(status(&get(&bearer(only)).await), 403);
    assert_eq!(status(&get(&bearer(r#"[{"tool":"crm/refund"}]"#)).await), 403);
    assert_eq!(status(&gateway.send("GET /elsewhere", "", "").await), 404);
    assert_eq!(status(&gateway.send("DELETE /accounts/7", "", "").await), 404);
    assert_eq!(status(&gateway.send("GET /accounts/7/", "", "").await), 404);
    assert_eq!(status(&gateway.send("GET /withheld", "", "").await), 422);
    assert_eq!(gateway.last().tool.unwrap().to_string(), "crm/withheld");
    assert_eq!(status(&gateway.send("GET /accounts/7?a=forbidden", "", "").await), 422);
    assert_eq!(server.asked(), Vec::<String>::new());
    assert_eq!(gateway.sink.records().len(), 8, "each leaves a record");
    assert!(gateway.sink.records().iter().all(|record| !record.decision.is_allow()));
    let granted = r#"[{"tool":"crm/get_account","args":{"id":{"one_of":["7"]}}}]"#;
    assert_eq!(status(&get(&bearer(granted)).await), 200);
}

#[tokio::test]
async fn answers_come_down_as_they_are_or_not_at_all() {
    let server = RawServer::start(|request| {
        let path = request.split(' ').nth(1).unwrap();
        match path.rsplit('/').next().unwrap() {
            "head" => vec![send("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\nx-a: b\r\n\r\n")],
            "none" => vec![send("HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n")],
            "moved" => {
                vec![send("HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n")]
            }
            "echo" => ok(request),
            "dies" => vec![
                send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n"),
                Step::Wait(Duration::from_millis(50)),
            ],
            "short" => vec![
                send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart"),
                Step::Wait(Duration::from_millis(50)),
            ],
            "hints" => {
                [vec![send("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")], ok("done")].concat()
            }
            _ => ok("done"),
        }
    });
    let server = server.await;
    let gateway = Gateway::before(&server).await;
    let answer = gateway.send("HEAD /accounts/head", "", "").await;
    assert_eq!(
        (status(&answer), header(&answer, "content-length").as_deref()),
        (200, Some("1234"))
    );
    assert!(answer.ends_with("\r\n\r\n") && server.only().starts_with("HEAD /v1/accounts/head "));
    let answer = gateway.send("GET /accounts/none", "", "").await;
    assert_eq!((status(&answer), header(&answer, "x-a").as_deref()), (204, Some("b")));
    let answer = gateway.send("GET /accounts/moved", "", "").await;
    assert_eq!((status(&answer), header(&answer, "location").as_deref()), (302, Some("/x")));
    let answer = gateway.send("GET /accounts/hints", "", "").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("link"), "{answer}");
    let answer = gateway.send("GET /accounts/echo", "", "").await;
    assert_eq!(status(&answer), 502);
    assert!(answer.contains("credential-echoed") && !answer.contains(SECRET), "{answer}");
    // What is begun and not ended does not look ended.
    let answer = gateway.send("GET /accounts/dies", "", "").await;
    assert!(answer.contains("part") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    let answer = gateway.send("GET /accounts/short", "", "").await;
    assert_eq!(header(&answer, "content-length").as_deref(), Some("10"));
    assert!(answer.ends_with("part"), "{answer}");
}

#[tokio::test]
async fn an_answer_of_any_kind_ends_with_its_token() {
    for (kind, line, more) in [
        ("text/event-stream", "GET /accounts/7", "accept: text/event-stream\r\n"),
        ("application/x-ndjson", "GET /accounts/7", ""),
        ("application/octet-stream", "POST /refunds/7", ""),
        // An upstream that answers with something else than a WebSocket.
        ("text/plain", "GET /live", WEBSOCKET),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked");
        let pieces = vec![
            send(format!("{head}\r\n\r\n9\r\ndata: 1\n\n\r\n")),
            Step::Wait(Duration::from_secs(600)),
        ];
        let server = RawServer::answering(pieces).await;
        let gateway = Gateway::before(&server).await;
        let (base, guard) = (gateway.base.clone(), gateway.guard.clone());
        let reading = tokio::spawn(async move { exchange(&base, request(line, more, "")).await });
        while server.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!reading.is_finished(), "{kind}");
        guard.publish(AllRevoked);
        let answer = ended(reading).await.unwrap();
        assert!(answer.contains("data: 1") && !answer.ends_with("0\r\n\r\n"), "{answer}");
    }
}

/// A client that stays would keep the connection; `request` says that it closes.
const WEBSOCKET: &str = "upgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
