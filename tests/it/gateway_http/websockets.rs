//! Connections that become WebSockets, once that was decided.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

const ASKS: &str = "upgrade: WebSocket\r\nsec-websocket-key: x\r\nsec-websocket-version: 13\r\n\
    sec-websocket-extensions: permessage-deflate\r\n";

const AGREES: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
    connection: Upgrade\r\nsec-websocket-accept: y\r\n\r\n";

/// A connection that asked for a WebSocket, and the head of the answer.
async fn asked(gateway: &Gateway) -> (TcpStream, String) {
    let request = request("GET /live?room=1", ASKS, "").replace("close", "keep-alive, Upgrade");
    let mut stream =
        TcpStream::connect(gateway.base.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        head.push(byte);
    }
    (stream, String::from_utf8(head).unwrap())
}

async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = ended(stream.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn bytes_pass_both_ways_after_the_decision() {
    let server = RawServer::answering(vec![send(AGREES), send("hello "), Step::Echo]).await;
    let gateway = Gateway::before(&server).await;
    let (mut stream, head) = asked(&gateway).await;
    assert_eq!(status(&head), 101, "{head}");
    for (name, value) in
        [("upgrade", "websocket"), ("connection", "upgrade"), ("sec-websocket-accept", "y")]
    {
        assert_eq!(header(&head, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(args(&gateway, "crm/live"), digest(r#"{"room":"1"}"#));
    let up = server.only();
    assert_eq!(header(&up, "connection").as_deref(), Some("upgrade"));
    assert_eq!(header(&up, "upgrade").as_deref(), Some("websocket"));
    assert_eq!(header(&up, "authorization"), Some(format!("Bearer {SECRET}")));
    assert_eq!(header(&up, "sec-websocket-extensions"), None, "frames stay as they are");
    stream.write_all(b"there").await.unwrap();
    let mut bytes = [0; 11];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hello there");
    assert_eq!(gateway.flights.count(), 1, "it counts as long as it lasts");
    stream.shutdown().await.unwrap();
    assert_eq!(rest(stream).await, "", "one side's end is the other's");
    ended(async {
        while gateway.flights.count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_tunnel_gives_no_credential_away() {
    let server = RawServer::answering(vec![send(AGREES), Step::Echo]).await;
    let gateway = Gateway::before(&server).await;
    let (mut stream, _) = asked(&gateway).await;
    stream.write_all(format!("before {}", &SECRET[..9]).as_bytes()).await.unwrap();
    let mut bytes = [0; 7];
    stream.read_exact(&mut bytes).await.unwrap();
    stream.write_all(&SECRET.as_bytes()[9..]).await.unwrap();
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn a_tunnel_ends_with_its_token() {
    let server = RawServer::answering(vec![send(AGREES), Step::Echo]).await;
    let gateway = Gateway::before(&server).await;
    let (mut stream, _) = asked(&gateway).await;
    stream.write_all(b"here").await.unwrap();
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    gateway.guard.publish(AllRevoked);
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn an_upstream_may_refuse_and_may_not_choose_another_protocol() {
    let server = RawServer::answering(ok("no")).await;
    let gateway = Gateway::before(&server).await;
    let (_, head) = asked(&gateway).await;
    assert_eq!(status(&head), 200);
    assert_eq!(header(&head, "upgrade"), None);
    for other in ["upgrade: h2c\r\n", "", "upgrade: websocket\r\nupgrade: h2c\r\n"] {
        let head = format!("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\n{other}\r\n");
        let server = RawServer::answering(vec![send(head)]).await;
        let gateway = Gateway::before(&server).await;
        let (_, head) = asked(&gateway).await;
        assert_eq!(status(&head), 502, "{other}");
    }
    // One that nobody asked for.
    let server = RawServer::answering(vec![send(AGREES)]).await;
    let gateway = Gateway::before(&server).await;
    assert_eq!(status(&gateway.send("GET /live", "", "").await), 502);
}
