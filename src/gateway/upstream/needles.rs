//! Finding a secret in what an upstream answers.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::{memchr_iter, memmem};
use zeroize::Zeroizing;

/// Shortest secret that replies are searched for, in bytes: shorter ones occur by chance.
pub(in crate::gateway) const SECRET_BYTES_MIN: usize = 8;

/// A secret in every form in which replies are searched for it.
///
/// *Shape*: as it is, percent-encoded, as JSON writers escape it, and as it was sent. Wiped when
/// dropped.
pub(in crate::gateway) struct Needles {
    forms: Vec<Zeroizing<Vec<u8>>>,
    /// For names of headers, which are in lower case.
    lower: Vec<Zeroizing<Vec<u8>>>,
}

/// A reply holds the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gateway) struct Found;

impl Needles {
    /// The forms of a secret of at least [`SECRET_BYTES_MIN`] bytes.
    pub(in crate::gateway) fn of(secret: &str) -> Self {
        let mut needles = Self { forms: Vec::new(), lower: Vec::new() };
        needles.add_forms(secret);
        // A scheme before it, such as `Token …`, need not be repeated with it.
        if let Some((_, last)) = secret.rsplit_once(char::is_whitespace)
            && last.len() >= SECRET_BYTES_MIN
        {
            needles.add_forms(last);
        }
        needles
    }

    /// Those of the password, and user and password as they are sent.
    pub(in crate::gateway) fn of_basic(user: &str, password: &str) -> Self {
        let mut needles = Self::of(password);
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let sent = STANDARD.encode(pair.as_bytes());
        // Without the padding, which some leave out.
        needles.add(sent.trim_end_matches('=').as_bytes().to_vec());
        needles.add_forms(&Zeroizing::new(sent));
        needles
    }

    fn add_forms(&mut self, secret: &str) {
        self.add(secret.as_bytes().to_vec());
        self.add(percent_encoded(secret, b"0123456789ABCDEF"));
        self.add(percent_encoded(secret, b"0123456789abcdef"));
        self.add(json(secret, |_| false));
        self.add(json(secret, |c| c == '/'));
        self.add(json(secret, |c| matches!(c, '+' | '<' | '>' | '&' | '\'' | '`')));
    }

    fn add(&mut self, form: Vec<u8>) {
        let form = Zeroizing::new(form);
        if !self.forms.contains(&form) {
            self.lower.push(Zeroizing::new(form.to_ascii_lowercase()));
            self.forms.push(form);
        }
    }

    /// Whether the secret is anywhere in these bytes.
    pub(in crate::gateway) fn within(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| memmem::find(bytes, form).is_some())
    }

    /// Whether the secret is in a name or a value of these headers.
    pub(in crate::gateway) fn within_headers(&self, headers: &HeaderMap) -> bool {
        headers.iter().any(|(name, value)| {
            let name = name.as_str().as_bytes();
            self.within(value.as_bytes())
                || self.lower.iter().any(|form| memmem::find(name, form).is_some())
        })
    }

    /// How many of the last bytes may be the beginning of the secret: the longest end that begins
    /// one of its forms.
    fn begun(&self, bytes: &[u8]) -> usize {
        self.forms.iter().map(|form| begun(form, bytes)).max().unwrap_or(0)
    }
}

fn begun(form: &[u8], bytes: &[u8]) -> usize {
    let Some(first) = form.first() else { return 0 };
    let from = bytes.len().saturating_sub(form.len().saturating_sub(1));
    let end = bytes.get(from..).unwrap_or_default();
    let mut starts = memchr_iter(*first, end);
    let is_beginning = |at: &usize| end.get(*at..).is_some_and(|rest| form.starts_with(rest));
    starts.find(is_beginning).map_or(0, |at| end.len() - at)
}

/// The text with every byte escaped that is not unreserved.
///
/// *Source*: RFC 3986, section 2.3.
pub(in crate::gateway) fn percent_encoded(text: &str, digits: &[u8; 16]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len() * 3);
    let digit = |nibble: u8| digits.get(usize::from(nibble)).copied().unwrap_or(b'0');
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte);
            }
            _ => encoded.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
    encoded
}

/// The text inside a JSON string, with what must be escaped and these characters as well.
fn json(text: &str, also: impl Fn(char) -> bool) -> Vec<u8> {
    let mut escaped = Zeroizing::new(String::with_capacity(text.len() * 6));
    for c in text.chars() {
        match c {
            '"' if also('<') => escaped.push_str("\\u0022"),
            '"' | '\\' => escaped.extend(['\\', c]),
            '/' if also(c) => escaped.push_str("\\/"),
            '\t' => escaped.push_str("\\t"),
            _ if also(c) => escaped.push_str(&format!("\\u{:04X}", u32::from(c))),
            _ => escaped.push(c),
        }
    }
    escaped.as_bytes().to_vec()
}

/// Searches a stream, and lets through what is certainly not part of the secret.
///
/// *Shape*: what may be the beginning of the secret is held back, never more than the longest form
/// less one byte.
pub(super) struct Scanner {
    needles: Arc<Needles>,
    held: BytesMut,
}

impl Scanner {
    pub(super) fn new(needles: Arc<Needles>) -> Self {
        Self { needles, held: BytesMut::new() }
    }

    /// Takes the next bytes and gives those that may go on. After [`Found`] nothing may.
    pub(super) fn push(&mut self, mut chunk: Bytes) -> Result<Bytes, Found> {
        if !self.held.is_empty() {
            self.held.extend_from_slice(&chunk);
            chunk = self.held.split().freeze();
        }
        if self.needles.within(&chunk) {
            return Err(Found);
        }
        let kept = chunk.split_off(chunk.len().saturating_sub(self.needles.begun(&chunk)));
        self.held.extend_from_slice(&kept);
        Ok(chunk)
    }

    /// What was held back, at the end of the stream.
    pub(super) fn finish(self) -> Bytes {
        self.held.freeze()
    }

    /// Whether nothing is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
