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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_of_the_host_hold() {
        let cases = [
            ("https://example.com", "example.com"),
            ("HTTPS://EXAMPLE.com./x?y#z", "example.com"),
            ("http://example.com:8080/a@b", "example.com"),
            ("http://example.com/?u=http://evil.com/", "example.com"),
            ("ws://example.com", "EXAMPLE.COM."),
            ("https://example.com:8443/", "example.com:8443"),
            ("https://example.com/", "example.com:443"),
            ("http://example.com:443/", "example.com:443"),
            ("https://a.example.com/", "*.example.com"),
            ("https://a.b.example.com/", "*.example.com"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("https://xn--bcher-kva.example/", "bücher.example"),
            ("http://127.0.0.1/", "0x7f000001"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f.1:80/", "127.0.0.1:80"),
            ("http://[::ffff:127.0.0.1]/", "127.0.0.1"),
            ("http://[0:0::1]/", "::1"),
            ("http://[::1]:81/", "[::1]:81"),
        ];
        for (value, constant) in cases {
            assert!(has_host(value, &[constant], false), "{value} {constant}");
            assert!(has_host(value, &["other.org", constant], true), "{value} {constant}");
        }
    }

    #[test]
    fn other_urls_do_not_hold() {
        let cases = [
            ("https://evil.com/", "example.com"),
            ("https://a.example.com/", "example.com"),
            ("https://example.com/", "*.example.com"),
            ("https://evilexample.com/", "*.example.com"),
            ("https://example.com.evil.com/", "*.example.com"),
            ("https://example.com/", "example.com:80"),
            ("http://example.com/", "example.com:443"),
            ("http://0177.0.0.1/", "127.0.0.1"),
            ("http://0177.0.0.1/", "177.0.0.1"),
            ("http://[::127.0.0.1]/", "127.0.0.1"),
            ("https://exаmple.com/", "example.com"),
            ("https://xn--exmple-4nf.com/", "example.com"),
            ("https://example.com/", "https://example.com/"),
        ];
        for (value, constant) in cases {
            assert!(!has_host(value, &[constant], false), "{value} {constant}");
        }
    }

    #[test]
    fn urls_that_parsers_read_differently_never_hold() {
        let cases = [
            "",
            "example.com",
            "//example.com/",
            "/example.com",
            "https:",
            "https://",
            "https:///",
            "https:example.com",
            "https:/example.com",
            "https:///example.com",
            "https:////example.com",
            "http://@example.com/",
            "http://:@example.com/",
            "http://u@example.com/",
            "http://u:p@example.com/",
            "http://evil.com@example.com/",
            "http://example.com@evil.com/",
            "http://evil.com?@example.com/",
            "http://evil.com#@example.com/",
            "http://example.com#@evil.com",
            "http://example.com?@evil.com/",
            "http://evil.com\\@example.com/",
            "http://example.com\\.evil.com/",
            "http:\\\\example.com/",
            "https://example.com\\",
            "https://exa\tmple.com/",
            "\nhttps://example.com",
            "https://example.com/ ",
            " https://example.com/",
            "https://example.com/\0",
            "https://exam ple.com/",
            "ht\ntps://example.com/",
            "https://example.com\u{a0}/",
            "https://example.com/\u{3000}",
            "https://example%2ecom/",
            "https://%65xample.com/",
            "https://example.com%00.evil.com/",
            "https://example.com:/",
            "https://example.com:+80/",
            "https://example.com:80:80/",
            "https://example.com:65536/",
            "https://example.com:８0/",
            "https://example..com/",
            "https://example.com../",
            "https://.example.com/",
            "https://example。com/",
            "https://example．com/",
            "https://evil.com／.example.com/",
            "https://evil.c℀.example.com/",
            "https://example.com;evil.com/",
            "https://example.com,evil.com/",
            "https://[example.com]/",
            "https://exam\u{ad}ple.com@evil.com/",
            "javascript:alert(1)//example.com/",
            "javascript://example.com/%0aalert(1)",
            "data://example.com/",
            "file://example.com/etc",
            "gopher://example.com/",
            "blob:https://example.com/",
            "view-source:https://example.com/",
            "1https://example.com/",
            "://example.com/",
            "https//example.com/",
            "http://①②⑦.0.0.1/",
            "http://[::1%25lo]/",
            "http://[::1]x/",
            "http://[::1",
            "jar:http://example.com!/",
            "?://example.com",
        ];
        let constants =
            ["example.com", "*.example.com", "evil.com", "*.evil.com", "127.0.0.1", "::1"];
        for value in cases {
            assert!(!has_host(value, &constants, false), "{}", value.escape_debug());
            assert!(!is_public(value, false), "{}", value.escape_debug());
            assert!(!has_scheme(value, &SCHEMES, false), "{}", value.escape_debug());
            let bare = ["example.com"].contains(&value);
            assert_eq!(has_host(value, &constants, true), bare, "{}", value.escape_debug());
        }
    }

    #[test]
    fn schemes_are_told_apart() {
        assert!(has_scheme("HTTPS://a.com", &["http", "https"], false));
        assert!(has_scheme("a.com/x", &["https"], true) && !has_scheme("a.com/x", &["http"], true));
        for value in ["http://a.com", "httpss://a.com", "a.com", "https:a.com", "https+x://a.com"] {
            assert!(!has_scheme(value, &["https"], false), "{value}");
        }
        for bad in ["", "HTTP", "file", "https:", "https://", "gopher", "javascript", "data"] {
            assert!(check_scheme(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bare_values_are_hosts() {
        for value in
            ["www.x.com/a", "www.x.com", "www.x.com:443/?q", "http://www.x.com/", "WWW.X.COM."]
        {
            assert!(has_host(value, &["www.x.com"], true), "{value}");
            assert!(is_public(value, true), "{value}");
        }
        let cases = [
            "",
            "/www.x.com",
            "//www.x.com",
            "///www.x.com",
            "?www.x.com",
            "#www.x.com",
            ":80",
            "u:p@www.x.com",
            "u@www.x.com",
            "@www.x.com",
            "www.x.com@evil.com",
            "http:www.x.com",
            "http:80",
            "HTTPS:443",
            "file:80",
            "mailto:a@www.x.com",
            "javascript:alert(1)",
            "www.x.com\\",
            "\\\\www.x.com",
            "javascript://www.x.com/%0a",
            " www.x.com",
        ];
        for value in cases {
            let constants = ["www.x.com", "*.com", "http", "https", "file", "javascript"];
            assert!(!has_host(value, &constants, true), "{value}");
        }
    }

    #[test]
    fn private_urls_are_not_public() {
        for value in [
            "http://127.1/",
            "http://localhost/",
            "http://010.0.0.1/",
            "http://[::1]:80/",
            "https://a",
        ] {
            assert!(!is_public(value, false), "{value}");
        }
        assert!(!is_public("169.254.169.254/latest", true) && !is_public("localhost:8080", true));
    }

    proptest! {
        #[test]
        fn what_holds_has_that_host_for_the_url_crate(
            value in r"(https?:/{0,3})?([a-z@:/?#.%\\é-]|a\.com|b\.org|127\.1|\[::1\]){0,10}",
        ) {
            if has_host(&value, &["a.com"], false) {
                let url = Url::parse(&value).unwrap();
                prop_assert_eq!(url.host_str().unwrap().trim_end_matches('.'), "a.com");
                // A parser that knows nothing but the delimiters agrees.
                let after = value.split_once("//").unwrap().1;
                let naive = after.split('/').next().unwrap().split(['?', '#', ':']).next().unwrap();
                let naive = naive.to_lowercase();
                prop_assert_eq!(naive.trim_end_matches('.'), "a.com");
            }
        }
    }
}
