//! What a refused caller is told, and what it is not.

use http::HeaderValue;

use super::*;

fn failing_check() -> Reason {
    Reason {
        block: Some(2),
        check: Some(0),
        hop: Some("agent:two".to_owned()),
        source: Some(r#"check if number("amount", $a), $a <= 10000000"#.to_owned()),
        fact: Some(r#"number("amount", 50000000)"#.to_owned()),
        hint: Some("amount ≤ 10".to_owned()),
        ..Reason::new(Code::CheckFailed, "block 2 allows an `amount` of \"10\"\r\nat most ü")
    }
}

/// Head and body of a response, as a snapshot shows them.
async fn shown(response: Response<Body>) -> String {
    let mut text = format!("{}\n", response.status());
    for (name, value) in response.headers() {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    format!("{text}\n{}\n", serde_json::to_string_pretty(&body).unwrap())
}

#[tokio::test]
async fn a_call_without_a_token_gets_a_bare_challenge() {
    insta::assert_snapshot!(shown(api().send(bare("POST", "/refunds")).await).await);
}

#[tokio::test]
async fn a_bad_token_gets_invalid_token() {
    let mut request = bare("POST", "/refunds");
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer nonsense"));
    insta::assert_snapshot!(shown(api().send(request).await).await);
}

#[tokio::test]
async fn a_failed_check_is_told_and_cannot_inject_headers() {
    let api = api_refusing(failing_check());
    insta::assert_snapshot!(shown(api.send(call("POST", "/refunds", "{}")).await).await);
}

#[tokio::test]
async fn a_call_that_cannot_be_judged_says_why() {
    insta::assert_snapshot!(shown(api().send(call("POST", "/refunds", "[]")).await).await);
}

#[tokio::test]
async fn nothing_of_the_policy_is_told() {
    let codes = [
        Code::PolicyDenied,
        Code::ApprovalRequired,
        Code::BudgetExhausted,
        Code::RevocationStale,
        Code::RecordUnavailable,
        Code::EvaluationError,
    ];
    for code in codes {
        let secret = || Some("sesame".to_owned());
        let reason = Reason {
            source: secret(),
            fact: secret(),
            hint: secret(),
            hop: secret(),
            ..Reason::new(code, "sesame")
        };
        let api = api_refusing(reason.clone());
        let response = api.send(call("POST", "/refunds", "{}")).await;
        assert_eq!(response.status().as_u16(), code.http_status());
        let retry = response.headers().get("retry-after").is_some();
        assert_eq!(retry, code.http_status() == 503, "{code}");
        let text = shown(response).await;
        assert!(!text.contains("sesame") && text.contains(code.as_str()), "{text}");
        // The record keeps what the caller may not know.
        assert_eq!(api.last().decision.reasons(), [reason]);
    }
}

#[tokio::test]
async fn every_refusal_has_its_status_and_is_not_stored() {
    for code in Code::ALL {
        let api = api_refusing(Reason::new(*code, "no"));
        let response = api.send(call("POST", "/refunds", "{}")).await;
        assert_eq!(response.status().as_u16(), code.http_status());
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let challenged = response.headers().contains_key("www-authenticate");
        assert_eq!(challenged, matches!(code.http_status(), 401 | 403), "{code}");
        assert!(api.reached.all().is_empty());
    }
}
