use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::message::{Kind, Message};
use super::mirror::{Mirror, Mirrored};
use super::version::{Era, Version};

const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
/// What the names of headers begin with that repeat arguments.
pub const PARAM: &str = "mcp-param-";

/// Where the metadata of a modern message name its version.
pub const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The headers of a request that repeat what its body says.
///
/// *Shape*: names in lower case. A proxy on the way may have acted upon them, so they are held
/// against the body that is judged.
///
/// *Source*: Model Context Protocol 2026-07-28, "Streamable HTTP", "Request Metadata".
#[derive(Clone, Debug)]
pub struct Headers<'a>(Vec<(&'a str, &'a [u8])>);

/// Why headers and body do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// A header says something else than the body, or is missing, or given twice.
    #[error("header mismatch: {0}")]
    Mismatch(String),
    /// A version that is not known here.
    #[error("unsupported protocol version")]
    UnsupportedVersion(String),
    /// Metadata that each modern request has.
    #[error("`_meta` has no `{0}`")]
    Meta(&'static str),
    /// An answer to a server's request, which modern servers do not make.
    #[error("this version of the protocol has no responses of callers")]
    Response,
}

impl<'a> Headers<'a> {
    /// Takes the headers that matter out of all headers.
    pub fn new(all: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(all.into_iter().filter(|(name, _)| name.starts_with("mcp-")).collect())
    }

    /// The version that a request without a body names; `None` where it names none.
    ///
    /// *Errors*: [`HeaderFault`] where it is given twice or not known.
    pub fn version(&self) -> Result<Option<Version>, HeaderFault> {
        self.one(VERSION)?.map(known).transpose()
    }

    /// The era of a message.
    ///
    /// *Errors*: [`HeaderFault`] where its version is not known, or header and body differ.
    pub fn era(&self, message: &Message) -> Result<Era, HeaderFault> {
        let said = self.one(VERSION)?;
        let meta = message.meta();
        let Some(place) = meta.and_then(|meta| meta.member(META_VERSION)) else {
            let era = said.map(known).transpose()?.map_or(Era::Legacy, Version::era);
            return match (era, message.kind()) {
                (Era::Modern, Kind::Request { .. }) => Err(HeaderFault::Meta(META_VERSION)),
                (Era::Modern, Kind::Response { .. }) => Err(HeaderFault::Response),
                _ => Ok(era),
            };
        };
        let version = place.text().ok_or(HeaderFault::Meta(META_VERSION))?;
        if said != Some(version) {
            return Err(mismatch("MCP-Protocol-Version", said, Some(version)));
        }
        if known(version)?.era() == Era::Legacy {
            return Err(HeaderFault::UnsupportedVersion(short(version)));
        }
        match meta.and_then(|meta| meta.member(META_CAPABILITIES)) {
            None if matches!(message.kind(), Kind::Request { .. }) => {
                Err(HeaderFault::Meta(META_CAPABILITIES))
            }
            _ => Ok(Era::Modern),
        }
    }

    /// Holds the headers against the body, in either era those that are there, in the modern one
    /// also those that have to be.
    ///
    /// *Errors*: [`HeaderFault::Mismatch`].
    pub fn agree(&self, message: &Message, era: Era) -> Result<(), HeaderFault> {
        let is_request = matches!(message.kind(), Kind::Request { .. });
        let needed = is_request && era == Era::Modern;
        let method = message.method();
        match self.one(METHOD)? {
            None if !needed => {}
            said if said == method => {}
            said => return Err(mismatch("Mcp-Method", said, method)),
        }
        let source = |name| message.param(name).and_then(|place| place.text());
        let name = self.one(NAME)?.map(decoded).transpose()?;
        let name = name.as_deref();
        let body = match method {
            Some("tools/call" | "prompts/get") => source("name"),
            Some("resources/read") => source("uri"),
            _ if name.is_none() => return Ok(()),
            // A header of a method that is not known here repeats one of its parameters.
            _ => {
                let params = message.params();
                let mut texts = params.iter().flat_map(|params| params.members());
                texts.find(|one| one.value.text() == name).and_then(|one| one.value.text())
            }
        };
        match name {
            None if !needed || body.is_none() => Ok(()),
            said if said == body => Ok(()),
            said => Err(mismatch("Mcp-Name", said, body)),
        }
    }

    /// Holds the headers that repeat arguments of a tool against the arguments.
    ///
    /// *Errors*: [`HeaderFault::Mismatch`]. In the legacy era a header may be missing.
    pub fn agree_with_arguments(
        &self,
        message: &Message,
        mirrors: &[Mirror],
        era: Era,
    ) -> Result<(), HeaderFault> {
        for mirror in mirrors {
            let name = format!("{PARAM}{}", mirror.header());
            let said = self.one(&name)?.map(decoded).transpose()?;
            let body = mirror.find(message.param("arguments").map(|place| place.value()));
            let agrees = match (&said, &body) {
                (None, Mirrored::Nothing) => true,
                (None, _) => era == Era::Legacy,
                (Some(said), body) => body.is_written(said),
            };
            if !agrees {
                return Err(mismatch(&name, said.as_deref(), None));
            }
        }
        Ok(())
    }

    /// The one value of a header.
    fn one(&self, name: &str) -> Result<Option<&'a str>, HeaderFault> {
        let mut values = self.0.iter().filter(|(other, _)| *other == name);
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(HeaderFault::Mismatch(format!("`{name}` is given twice")));
        }
        let plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        let text = Some(value).filter(|value| value.iter().all(plain));
        match text.and_then(|value| std::str::from_utf8(value).ok()) {
            Some(text) => Ok(Some(text.trim_matches([' ', '\t']))),
            None => {
                Err(HeaderFault::Mismatch(format!("`{name}` holds characters that it may not")))
            }
        }
    }
}

fn known(version: &str) -> Result<Version, HeaderFault> {
    version.parse().map_err(|_| HeaderFault::UnsupportedVersion(short(version)))
}

/// A value that may be wrapped as Base64 where it is no plain text.
fn decoded(value: &str) -> Result<String, HeaderFault> {
    let wrapped = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(wrapped) = wrapped else { return Ok(value.to_owned()) };
    let bytes = STANDARD.decode(wrapped).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| HeaderFault::Mismatch("a value is not the Base64 of a text".to_owned()))
}

/// A text as it stands in a header: wrapped as Base64 where it is no plain text.
pub fn header_text(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim_matches(' ') == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    match plain {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(text)),
    }
}

fn mismatch(header: &str, said: Option<&str>, body: Option<&str>) -> HeaderFault {
    HeaderFault::Mismatch(match (said, body) {
        (None, _) => format!("`{header}` is missing"),
        (Some(_), None) => format!("`{header}` does not match the body"),
        (Some(said), Some(body)) => {
            format!("`{header}` is `{}`, the body has `{}`", short(said), short(body))
        }
    })
}

fn short(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JsonProfile;

    const META: &str = concat!(
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}"#
    );

    fn check(headers: &[(&str, &str)], rest: &str) -> Result<Era, HeaderFault> {
        let text = format!(r#"{{"jsonrpc":"2.0",{}}}"#, rest.replace("META", META));
        let message = Message::parse(text, JsonProfile::default()).unwrap();
        let headers = Headers::new(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        let era = headers.era(&message)?;
        headers.agree(&message, era).map(|()| era)
    }

    const CALL: &str = r#""id":1,"method":"tools/call","params":{"name":"x",META}"#;
    const OLD: &str = r#""id":1,"method":"tools/call","params":{"name":"x"}"#;
    const V: (&str, &str) = (VERSION, "2026-07-28");
    const M: (&str, &str) = (METHOD, "tools/call");
    const N: (&str, &str) = (NAME, "x");

    type Case = (&'static [(&'static str, &'static str)], &'static str);

    #[test]
    fn headers_that_agree_pass() {
        let cases: &[(Case, Era)] = &[
            ((&[V, M, N], CALL), Era::Modern),
            ((&[V, M, (NAME, "=?base64?eA==?=")], CALL), Era::Modern),
            ((&[V, (METHOD, "ping")], r#""id":1,"method":"ping","params":{META}"#), Era::Modern),
            ((&[V], r#""method":"notifications/cancelled""#), Era::Modern),
            (
                (
                    &[V, (METHOD, "tasks/get"), (NAME, "t")],
                    r#""id":1,"method":"tasks/get","params":{"taskId":"t",META}"#,
                ),
                Era::Modern,
            ),
            (
                (
                    &[V, (METHOD, "resources/read"), (NAME, "file:///a")],
                    r#""id":1,"method":"resources/read","params":{"uri":"file:///a",META}"#,
                ),
                Era::Modern,
            ),
            ((&[], OLD), Era::Legacy),
            ((&[(VERSION, "2025-06-18"), M, N], OLD), Era::Legacy),
            ((&[], r#""id":1,"result":{}"#), Era::Legacy),
        ];
        for ((headers, rest), era) in cases {
            assert_eq!(check(headers, rest), Ok(*era), "{headers:?} {rest}");
        }
    }

    #[test]
    fn headers_that_differ_are_refused() {
        let mismatches: &[Case] = &[
            (&[M, N], CALL),
            (&[V, N], CALL),
            (&[V, M], CALL),
            (&[V, V, M, N], CALL),
            (&[V, M, N, N], CALL),
            (&[(VERSION, "2025-11-25"), M, N], CALL),
            (&[V, (METHOD, "Tools/Call"), N], CALL),
            (&[V, M, (NAME, "X")], CALL),
            (&[V, M, (NAME, "=?base64?eA=?=")], CALL),
            (&[V, M, (NAME, "=?base64?/w==?=")], CALL),
            (&[V, M, (NAME, "=?Base64?eA==?=")], CALL),
            (&[V, M, (NAME, "x\u{e9}")], CALL),
            (&[(METHOD, "tools/list")], OLD),
            (&[(NAME, "y")], OLD),
            (&[M], r#""id":1,"result":{}"#),
            (
                &[V, (METHOD, "tasks/get"), (NAME, "u")],
                r#""id":1,"method":"tasks/get","params":{"taskId":"t",META}"#,
            ),
        ];
        for (headers, rest) in mismatches {
            let fault = check(headers, rest).unwrap_err();
            assert!(matches!(fault, HeaderFault::Mismatch(_)), "{headers:?} {rest} {fault:?}");
        }
    }

    #[test]
    fn versions_are_known_and_metadata_is_whole() {
        let unsupported = |text: &str| Err(HeaderFault::UnsupportedVersion(text.to_owned()));
        assert_eq!(check(&[(VERSION, "1900-01-01")], OLD), unsupported("1900-01-01"));
        for version in ["1900-01-01", "2025-11-25"] {
            let call = CALL.replace("META", &META.replace("2026-07-28", version));
            assert_eq!(check(&[(VERSION, version), M, N], &call), unsupported(version));
        }
        assert_eq!(check(&[V, M, N], OLD), Err(HeaderFault::Meta(META_VERSION)));
        let bare = CALL
            .replace("META", r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#);
        assert_eq!(check(&[V, M, N], &bare), Err(HeaderFault::Meta(META_CAPABILITIES)));
        assert_eq!(check(&[V], r#""id":1,"result":{}"#), Err(HeaderFault::Response));
    }

    #[test]
    fn texts_come_back_from_headers() {
        for text in ["x", "a b", " x", "x ", "é", "a\nb", "=?base64?eA==?=", "", "\u{0}"] {
            let written = header_text(text);
            assert!(written.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control()));
            assert_eq!(decoded(&written).as_deref(), Ok(text));
        }
        assert_eq!(header_text("a b"), "a b");
    }
}
