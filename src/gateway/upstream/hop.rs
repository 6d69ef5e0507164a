//! Headers that are for one connection alone.

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Version};

/// Headers of one connection, whether `Connection` names them or not.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Takes out the headers of one connection, and those that it names as such.
///
/// *Source*: RFC 9110, section 7.6.1.
pub(in crate::gateway) fn strip(headers: &mut HeaderMap) {
    for name in named(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
}

/// The headers that `Connection` names.
pub(in crate::gateway) fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(CONNECTION).iter();
    let lists = values.filter_map(|value| value.to_str().ok());
    let names = lists.flat_map(|list| list.split(','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok()).collect()
}

/// Whether the length of a response is said once and in one way, and its body is as it is.
///
/// *Source*: RFC 9112, section 6.
pub(super) fn is_plainly_framed(version: Version, headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {
            let is_plain = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
            lengths.next().is_none_or(is_plain) && lengths.next().is_none()
        }
        (Some(coding), None) => {
            version == Version::HTTP_11
                && coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && lengths.next().is_none()
        }
        _ => false,
    }
}
