//! Hosts: names and addresses as a URL holds them, and the patterns that match them.

use std::net::{IpAddr, Ipv6Addr};

use super::{address, readings};

/// Longest text of a host: a name has at most 253 bytes in ASCII, a few times that before.
const HOST_TEXT_BYTES_MAX: usize = 1024;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A name in ASCII, lower-case, without a trailing dot.
    Name(String),
    /// Every reading of an address, mapped ones as IPv4; never empty.
    Addresses(Vec<IpAddr>),
}

impl Host {
    /// Reads a host as the WHATWG rules do, less what other parsers read otherwise.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > HOST_TEXT_BYTES_MAX || is_ambiguous(text) {
            return None;
        }
        match ::url::Host::parse(text).ok()? {
            ::url::Host::Domain(name) => read_name(&name).map(Self::Name),
            ::url::Host::Ipv4(address) => {
                // None for digits that are not ASCII, which the WHATWG rules take.
                let readings = address::readings(text);
                readings.contains(&address.into()).then_some(Self::Addresses(readings))
            }
            ::url::Host::Ipv6(address) => Some(Self::Addresses(vec![address.to_canonical()])),
        }
    }
}

/// Texts that parsers disagree on: percent-encoding, full stops of other scripts, characters
/// without a shape, and the letters that the two versions of IDNA map differently.
fn is_ambiguous(text: &str) -> bool {
    let differs = |c| matches!(c, '%' | '\u{3002}' | '\u{ff61}' | 'ß' | 'ẞ' | 'ς');
    text.contains(|c| differs(c) || readings::is_invisible(c)) || readings::has_lookalikes(text)
}

/// A name of labels that DNS could hold, without one trailing dot.
fn read_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let holds = name.len() <= 253 && name.split('.').all(is_label);
    holds.then(|| name.to_ascii_lowercase())
}

/// What hosts a constant stands for.
#[derive(Debug)]
pub(super) struct Pattern {
    host: Host,
    /// Subdomains of the host instead of the host.
    subdomains: bool,
    /// Any port if there is none.
    port: Option<u16>,
}

impl Pattern {
    /// Reads a constant: `example.com`, `*.example.com` or an address, perhaps with `:port`.
    pub(super) fn read(constant: &str) -> Result<Self, String> {
        let (text, port) = split_port(constant)?;
        let mut pattern = Self::read_portless(text)?;
        pattern.port = port;
        Ok(pattern)
    }

    /// Reads a constant that has no port.
    pub(super) fn read_portless(constant: &str) -> Result<Self, String> {
        let (text, subdomains) = match constant.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (constant, false),
        };
        // In a constant an IPv6 address may lack its brackets.
        let host = match text.parse::<Ipv6Addr>() {
            Ok(address) => Some(Host::Addresses(vec![address.to_canonical()])),
            Err(_) => Host::read(text),
        };
        match host {
            None => Err("it is no host name, `*.name` or address".to_owned()),
            Some(Host::Addresses(_)) if subdomains => {
                Err("an address has no subdomains".to_owned())
            }
            Some(Host::Addresses(readings)) if readings.len() > 1 => {
                Err("an address with a leading zero is read in two ways".to_owned())
            }
            Some(host) => Ok(Self { host, subdomains, port: None }),
        }
    }

    /// Whether it stands for names, not for an address.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.host, Host::Name(_))
    }

    /// Whether every reading of a host and its port are what the constant stands for.
    pub(super) fn matches(&self, host: &Host, port: Option<u16>) -> bool {
        let host_matches = match (&self.host, host) {
            (Host::Name(own), Host::Name(name)) if self.subdomains => {
                name.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (own, host) => own == host,
        };
        host_matches && (self.port.is_none() || self.port == port)
    }
}

/// A constant's host and port. IPv6 addresses have brackets if there is a port.
fn split_port(constant: &str) -> Result<(&str, Option<u16>), String> {
    let (host, port) = match constant.rsplit_once(':') {
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, port),
        // An IPv6 address, in brackets or not.
        _ => return Ok((constant, None)),
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if digits && port > 0 => Ok((host, Some(port))),
        _ => Err("a host is written without scheme or path, and its port is a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normal() {
        let cases = [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("a_b.c-d", "a_b.c-d"),
            ("ｅｘample.com", "example.com"),
        ];
        for (text, want) in cases {
            assert_eq!(Host::read(text), Some(Host::Name(want.into())), "{text}");
        }
    }

    #[test]
    fn odd_hosts_are_none() {
        let long = format!("{}.com", "a".repeat(64));
        let deep = "a.".repeat(127) + "com";
        let cases = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.com..",
            "a%2ecom",
            "a b",
            "a/b",
            "a@b",
            "a:80",
            "a\\b",
            "a;b",
            "a,b",
            "*.a",
            "a*",
            "$a",
            "a'b",
            "(a)",
            "a=b",
            "faß.de",
            "βόλος.com",
            "a\u{200d}b.com",
            "a\u{200b}.\u{200b}",
            "a。com",
            "a．com",
            "a\u{2024}com",
            "a\u{2100}b.com",
            "xn--a",
            "xn--",
            "①②⑦.0.0.1",
            "１.2.3.4",
            "1.2.3.256",
            "a.1",
            "[::1",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            &long,
            &deep,
        ];
        for text in cases {
            assert_eq!(Host::read(text), None, "{}", text.escape_debug());
        }
    }

    #[test]
    fn patterns_are_judged() {
        let good = [
            "example.com",
            "*.example.com",
            "example.com:8443",
            "*.example.com:1",
            "bücher.example",
            "10.0.0.1",
            "0x0a000001",
            "10.0.0.1:80",
            "::1",
            "[::1]",
            "[::1]:80",
            "localhost",
        ];
        for good in good {
            assert!(Pattern::read(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "*",
            "*.",
            "*.*.com",
            "a.*.com",
            "**.com",
            "https://a.com",
            "a.com/",
            "a.com:",
            "a.com:x",
            "a.com:0",
            "a.com:65536",
            "a.com:+80",
            "user@a.com",
            "*.10.0.0.1",
            "*.[::1]",
            "010.0.0.1",
            "a b.com",
            "::1:99999",
            ":80",
            "faß.de",
        ];
        for bad in bad {
            assert!(Pattern::read(bad).is_err(), "{bad}");
        }
    }
}
