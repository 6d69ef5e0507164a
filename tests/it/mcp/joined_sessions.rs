//! Sessions with all servers: held to their token, bounded, and ended with those that they opened.

use hardtack::attenuate::{Narrowing, attenuate};
use serde_json::json as value;

use super::upstream::{Arrived, Upstream, json, plain};
use super::world::{INITIALIZE, World, told};
use crate::support::rng;
use crate::support_guard::client;

const CALL: &str = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"s__x"}}"#;

struct Joined {
    world: World,
    url: String,
}

impl Joined {
    async fn new(
        answer: impl Fn(&Arrived) -> http::Response<axum::body::Body> + Send + Sync + 'static,
    ) -> Self {
        let world = World::joined(Upstream::start(plain).await, answer).await;
        let url = format!("{}/mcp", world.base);
        Self { world, url }
    }

    fn post(&self, session: Option<&str>, body: &'static str) -> reqwest::RequestBuilder {
        let mut request = self.world.post(body).build().unwrap();
        *request.url_mut() = self.url.parse().unwrap();
        let request = reqwest::RequestBuilder::from_parts(client(), request);
        match session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }

    async fn session(&self) -> String {
        let answer = self.post(None, INITIALIZE).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["mcp-session-id"].to_str().unwrap().to_owned()
    }

    async fn end(&self, session: &str, bearer: &str) -> u16 {
        let end = client().delete(&self.url).bearer_auth(bearer);
        end.header("mcp-session-id", session).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_token_that_is_not_for_this_gateway_ends_no_session() {
    let joined = Joined::new(plain).await;
    let session = joined.session().await;
    // A child of the same token, and so of the same owner.
    let own = joined.world.bearer.parse().unwrap();
    let audience = Some(["other".to_owned()].into());
    let narrowing = Narrowing { audience, ..Narrowing::default() };
    let child = attenuate(&own, &narrowing, &mut rng(1)).unwrap().to_text();
    assert_eq!(joined.end(&session, &child).await, 401);
    assert_eq!(told(joined.post(Some(&session), CALL)).await.0, 200);
    assert_eq!(joined.end(&session, &joined.world.bearer).await, 200);
    assert_eq!(told(joined.post(Some(&session), CALL)).await.0, 404);
    // Nor does anybody learn without a token that there is nothing to listen to.
    assert_eq!(client().get(&joined.url).send().await.unwrap().status(), 401);
    let listen = client().get(&joined.url).bearer_auth(&joined.world.bearer);
    assert_eq!(listen.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn sessions_are_bounded_and_take_those_that_they_opened_with_them() {
    let joined = Joined::new(plain).await;
    // More than a server may have at once.
    for _ in 0..9 {
        let session = joined.session().await;
        assert_eq!(told(joined.post(Some(&session), CALL)).await.0, 200);
        assert_eq!(joined.end(&session, &joined.world.bearer).await, 200);
    }
    for _ in 0..8 {
        joined.session().await;
    }
    assert_eq!(told(joined.post(None, INITIALIZE)).await.0, 503);
}

#[tokio::test]
async fn a_session_that_its_server_ended_is_opened_again() {
    let joined = Joined::new(|arrived: &Arrived| {
        let mut response = plain(arrived);
        if arrived.text().contains("\"lost\"") {
            *response.status_mut() = http::StatusCode::NOT_FOUND;
        }
        response
    })
    .await;
    let session = joined.session().await;
    let lost = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"s__lost"}}"#;
    assert_eq!(told(joined.post(Some(&session), lost)).await.0, 404);
    assert_eq!(told(joined.post(Some(&session), CALL)).await.0, 200);
    let arrived = joined.world.upstream.arrived();
    let opened = arrived.iter().filter(|one| one.text().contains("\"initialize\"")).count();
    assert_eq!(opened, 2);
}

#[tokio::test]
async fn a_server_that_refuses_to_open_a_session_has_none() {
    let joined = Joined::new(|arrived: &Arrived| {
        let mut response = plain(arrived);
        if arrived.text().contains("\"initialize\"") {
            let error = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"no"}}"#;
            let session = response.headers()["mcp-session-id"].clone();
            response = json(error);
            response.headers_mut().insert("mcp-session-id", session);
        }
        response
    })
    .await;
    let session = joined.session().await;
    let (status, body) = told(joined.post(Some(&session), CALL)).await;
    assert_eq!((status, &body["error"]["code"]), (502, &value!(-32603)), "{body}");
    assert_eq!(joined.world.upstream.arrived().len(), 1);
}
