//! As much of HTTP/2 as it takes to send a request whose body has no length.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Sends a request, and waits until its answer begins.
pub(super) async fn send(address: &str, fields: &[(&str, &str)], body: &str) {
    let head: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, b""),
        frame(HEADERS, END_HEADERS, 1, &head),
        frame(DATA, END_STREAM, 1, body.as_bytes()),
    ];
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.concat()).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
        // It is neither reset nor told to go away.
        assert!(!matches!(head[3], 3 | 7), "{head:?}");
        if head[3] == HEADERS {
            return;
        }
    }
}

/// RFC 9113, section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that no table keeps (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// RFC 7541, sections 5.1 and 5.2.
fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    match text.len() {
        short @ ..127 => out.push(u8::try_from(short).unwrap()),
        long => {
            let mut left = long - 127;
            out.push(127);
            while left >= 128 {
                out.push(u8::try_from(left % 128).unwrap() + 128);
                left /= 128;
            }
            out.push(u8::try_from(left).unwrap());
        }
    }
    out.extend(text.as_bytes());
    out
}
