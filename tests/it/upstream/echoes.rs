//! The credential is searched for in every place of an answer.

use super::*;
use crate::raw_http::Step;

async fn answered(answer: Vec<Step>, kind: &str) -> Result<Result<String, String>, UpstreamError> {
    let server = RawServer::answering(answer).await;
    let response = upstream(&server).send(get("/"), Some(&shown(kind).credential)).await?;
    Ok(text(response).await)
}

fn chunked(chunks: &[&str]) -> Vec<Step> {
    let mut steps = vec![send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")];
    for chunk in chunks {
        steps.push(send(format!("{:x}\r\n{chunk}\r\n", chunk.len())));
        steps.push(Step::Wait(Duration::from_millis(30)));
    }
    steps.push(send("0\r\n\r\n"));
    steps
}

#[tokio::test]
async fn an_answer_that_begins_with_it_is_refused() {
    let basic = "basic = { user = \"agent\", password = SECRET }";
    let in_head = |line: &str| vec![send(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n"))];
    for (kind, answer) in [
        ("bearer = SECRET", ok(&format!("you sent {SECRET}."))),
        ("bearer = SECRET", ok("%73 s3cr3t%2Fkey%2Bwith%3Dodd")),
        ("bearer = SECRET", ok("s3cr3t%2fkey%2bwith%3dodd")),
        ("bearer = SECRET", ok(r#"{"a":"s3cr3t\/key+with=odd"}"#)),
        ("bearer = SECRET", ok(r#"{"a":"s3cr3t/key\u002Bwith=odd"}"#)),
        ("bearer = SECRET", in_head(&format!("x-echo: Bearer {SECRET}"))),
        ("bearer = SECRET", in_head("location: /?token=s3cr3t%2Fkey%2Bwith%3Dodd")),
        ("query = { name = \"key\", value = SECRET }", ok("/?key=s3cr3t%2Fkey%2Bwith%3Dodd")),
        ("header = { name = \"x-key\", value = SECRET }", ok(SECRET)),
        (basic, ok(SECRET)),
        (basic, ok("YWdlbnQ6czNjcjN0L2tleSt3aXRoPW9kZA==")),
        (basic, ok("YWdlbnQ6czNjcjN0L2tleSt3aXRoPW9kZA")),
        (basic, in_head("x-echo: Basic YWdlbnQ6czNjcjN0L2tleSt3aXRoPW9kZA==")),
    ] {
        assert_eq!(answered(answer, kind).await, Err(UpstreamError::Echoed), "{kind}");
    }
    let server = RawServer::answering(ok(SECRET)).await;
    let refused = upstream(&server).send(get("/"), Some(&bearer().credential)).await.unwrap_err();
    let response = refused.response();
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = text(response).await.unwrap();
    assert!(body.contains("\"code\":\"credential-echoed\""), "{body}");
    assert!(!body.contains("s3cr3t"), "{body}");
}

#[tokio::test]
async fn a_name_and_a_reason_phrase_are_searched_or_dropped() {
    let secret = "S3cr3tKeyInName";
    let shown = shown_with("bearer = SECRET", secret);
    let named = format!("HTTP/1.1 200 OK\r\nx-{secret}: 1\r\ncontent-length: 0\r\n\r\n");
    let server = RawServer::answering(vec![send(named)]).await;
    let refused = upstream(&server).send(get("/"), Some(&shown.credential)).await;
    assert_eq!(refused.map(drop), Err(UpstreamError::Echoed));
    let phrase = format!("HTTP/1.1 200 {secret}\r\ncontent-length: 0\r\n\r\n");
    let server = RawServer::answering(vec![send(phrase)]).await;
    let answer = upstream(&server).send(get("/"), Some(&shown.credential)).await.unwrap();
    assert!(answer.extensions().get::<hyper::ext::ReasonPhrase>().is_none());
}

#[tokio::test]
async fn a_stream_is_cut_before_the_first_byte_of_it() {
    for chunks in [
        vec!["before ", "s3cr3t/key", "+with=odd after"],
        vec!["before s3cr", "3t/k", "ey+with=od", "d"],
        vec!["before ", "s3cr3t%2Fkey", "%2Bwith%3Dodd"],
        vec!["before ", "s3cr3t/key+with=odd"],
        vec!["before s3cr3t", "/s3cr3t/key+with", "=odd"],
    ] {
        let cut = answered(chunked(&chunks), "bearer = SECRET").await;
        assert_eq!(cut, Ok(Err("the upstream's answer holds the credential".to_owned())));
        // What went down before.
        let server = RawServer::answering(chunked(&chunks)).await;
        let response = upstream(&server).send(get("/"), Some(&bearer().credential)).await.unwrap();
        let (mut body, mut down) = (response.into_body(), String::new());
        let error = loop {
            match body.frame().await.expect("an end without an error") {
                Ok(frame) => down += std::str::from_utf8(frame.data_ref().unwrap()).unwrap(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("holds the credential"), "{error}");
        assert!("before s3cr3t/".starts_with(&down), "{down}");
        assert!(!down.contains("s3cr3t/k"), "{down}");
        assert!(body.frame().await.unwrap().is_err(), "a cut body never ends well");
    }
}

#[tokio::test]
async fn all_else_goes_down_as_it_is() {
    for chunks in [
        vec!["s3cr3t/key+with=od", "D"],
        vec!["s3cr3t/key+with=od"],
        vec!["s", "3", "cr3t", "s3cr3t/key+with=od", "s3cr3t"],
        vec!["data: 1\n\n", "data: 2\n\n"],
    ] {
        let whole = answered(chunked(&chunks), "bearer = SECRET").await;
        assert_eq!(whole, Ok(Ok(chunks.concat())));
    }
    // Without a credential there is nothing to search for.
    let server = RawServer::answering(ok(SECRET)).await;
    let answer = upstream(&server).send(get("/"), None).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), SECRET);
}

#[tokio::test]
async fn events_are_not_held_back() {
    let steps = vec![
        send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        Step::Wait(Duration::from_millis(50)),
        send("9\r\ndata: s3\n\r\n"),
        Step::Wait(Duration::from_secs(600)),
    ];
    let server = RawServer::answering(steps).await;
    let answer = upstream(&server).send(get("/"), Some(&bearer().credential)).await.unwrap();
    let frame = answer.into_body().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "data: s3\n");
}

#[tokio::test]
async fn what_cannot_be_searched_is_refused() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\ndone";
    let server = RawServer::answering(vec![send(answer)]).await;
    let request = Request::get("/").header("accept-encoding", "gzip, br").body(Body::empty());
    let sent = upstream(&server).send(request.unwrap(), Some(&bearer().credential)).await;
    assert_eq!(sent.map(drop), Err(UpstreamError::Encoded));
    assert_eq!(header(&server.only(), "accept-encoding").as_deref(), Some("identity"));
    let server = RawServer::answering(vec![send(answer)]).await;
    let answer = upstream(&server).send(get("/"), None).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "done");
}
