//! One real server and client.

use std::time::Duration;

use super::*;

async fn served(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}")
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

#[tokio::test]
async fn calls_go_through_a_real_server() {
    let api = api();
    let (base, client) = (served(api.router.clone()).await, client());
    let odd = "{ \"amount\" : 5.0 }";
    let call = || {
        let request = client.post(format!("{base}/refunds"));
        request.header("content-type", "application/json").body(odd)
    };
    let allowed = call().bearer_auth(token().to_text()).send().await.unwrap();
    assert_eq!(allowed.status().as_u16(), 200);
    let (told, headers, body) = api.reached.all().remove(0);
    assert_eq!(
        (told.as_str(), body.as_slice()),
        ("stripe/refund { \"amount\" : 5.0 }", odd.as_bytes())
    );
    assert!(!headers.contains_key("authorization"));
    let refused = call().send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"payments-gateway\"");
    // The path as this client sends it: `..` is resolved before it leaves.
    let dots = client.get(format!("{base}/accounts/%2E%2E%2F")).bearer_auth(token().to_text());
    assert_eq!(dots.send().await.unwrap().status().as_u16(), 400);
    let head = client.head(format!("{base}/accounts/7")).bearer_auth(token().to_text());
    assert_eq!(head.send().await.unwrap().status().as_u16(), 200);
    assert_eq!(api.sink.records().len(), 4);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_a_record() {
    let api = api();
    async fn never() {
        std::future::pending::<()>().await;
    }
    let router = Router::new().route("/refunds", any(never)).layer(api.guard.clone());
    let base = served(router).await;
    let request = client().post(format!("{base}/refunds")).bearer_auth(token().to_text());
    assert!(request.timeout(Duration::from_millis(500)).send().await.is_err());
    assert!(api.last().decision.is_allow());
}
