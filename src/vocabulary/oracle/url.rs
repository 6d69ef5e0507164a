//! URLs, read by the WHATWG rules, less what other parsers read otherwise.

use ::url::Url;

use super::host::{Host, Pattern};
use super::public;

/// The schemes whose URLs name a host in one way for all parsers.
const SCHEMES: [&str; 5] = ["http", "https", "ws", "wss", "ftp"];

/// Whether a URL's host, and port, is one of those that the constants stand for.
pub(super) fn has_host(value: &str, constants: &[&str], bare: bool) -> bool {
    Target::read(value, bare).is_some_and(|target| {
        constants.iter().any(|constant| {
            Pattern::read(constant).is_ok_and(|pattern| pattern.matches(&target.host, target.port))
        })
    })
}

/// Whether a URL's scheme is one of the constants.
pub(super) fn has_scheme(value: &str, constants: &[&str], bare: bool) -> bool {
    Target::read(value, bare).is_some_and(|target| {
        constants
            .iter()
            .any(|constant| check_scheme(constant).is_ok() && *constant == target.scheme)
    })
}

/// Whether a URL's host is on the public internet.
pub(super) fn is_public(value: &str, bare: bool) -> bool {
    Target::read(value, bare).is_some_and(|target| public::is_public(&target.host))
}

/// Judges the constant of a scheme.
pub(super) fn check_scheme(constant: &str) -> Result<(), String> {
    if SCHEMES.contains(&constant) {
        Ok(())
    } else {
        Err("a scheme is one of `http`, `https`, `ws`, `wss` and `ftp`, in lower case".to_owned())
    }
}

/// Where a URL leads.
struct Target {
    scheme: &'static str,
    host: Host,
    /// The port of the URL, or of its scheme.
    port: Option<u16>,
}

impl Target {
    /// Reads a URL; with `bare`, one without a scheme as if `https://` stood before it.
    fn read(value: &str, bare: bool) -> Option<Self> {
        // The WHATWG rules drop tabs, line ends and outer spaces, and turn backslashes around.
        if value.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return None;
        }
        let (scheme, rest) = match value.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ if bare && !has_slashless_scheme(value) => ("https".to_owned(), value),
            _ => return None,
        };
        let scheme = SCHEMES.into_iter().find(|known| *known == scheme)?;
        let host = Host::read(host_text(rest)?)?;
        let url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
        // Both readings of the host are by the same rules; a difference would be a mistake here.
        let agrees = Host::read(url.host_str()?).is_some_and(|again| match (&host, &again) {
            (Host::Addresses(all), Host::Addresses(one)) => one.iter().all(|one| all.contains(one)),
            (host, again) => host == again,
        });
        let plain = url.username().is_empty() && url.password().is_none();
        (agrees && plain).then(|| Self { scheme, host, port: url.port_or_known_default() })
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `http:host`: a URL to some, a host and its port to others.
fn has_slashless_scheme(value: &str) -> bool {
    let known = |text: &str| SCHEMES.contains(&text) || text == "file";
    value.split_once(':').is_some_and(|(before, _)| known(&before.to_ascii_lowercase()))
}

/// The text of the host in what follows `://`; `None` where parsers disagree on where it ends.
fn host_text(rest: &str) -> Option<&str> {
    // Up to the slash and not to a `?` or `#`: old parsers see userinfo in `a.com?@b.com/`.
    if rest.split('/').next()?.contains('@') {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port_is_plain = port.is_empty() || port.strip_prefix(':').is_some_and(digits);
    (port_is_plain && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests;
