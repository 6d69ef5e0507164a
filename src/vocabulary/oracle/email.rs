//! E-mail addresses: exactly one, in a plain form.

use super::host::{Host, Pattern};

/// Longest address that mail can carry (RFC 5321 section 4.5.3.1.3, less the brackets).
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest part before the `@` (RFC 5321 section 4.5.3.1.1).
const LOCAL_BYTES_MAX: usize = 64;

/// Whether a text is one e-mail address in one of the domains.
///
/// *Shape*: a dot-atom, `@`, a name. Everything that a mail program could read as more than
/// that is refused: quotes, comments, lists, display names, routes (`a%b@c`, `b!a@c`), encoded
/// words (`=?…?=`), address literals.
///
/// *Source*: RFC 5321 section 4.1.2.
pub(super) fn is_in_domain(value: &str, domains: &[&str]) -> bool {
    if value.len() > ADDRESS_BYTES_MAX {
        return false;
    }
    let Some((local, domain)) = value.split_once('@') else { return false };
    let Some(host @ Host::Name(_)) = Host::read(domain) else { return false };
    is_plain_local(local)
        && domains
            .iter()
            .any(|domain| read_domain(domain).is_ok_and(|pattern| pattern.matches(&host, None)))
}

/// Judges the constant of a domain.
pub(super) fn check_domain(constant: &str) -> Result<(), String> {
    read_domain(constant).map(drop)
}

fn read_domain(constant: &str) -> Result<Pattern, String> {
    let pattern = Pattern::read_portless(constant)?;
    if pattern.is_name() { Ok(pattern) } else { Err("a domain is a name".to_owned()) }
}

fn is_plain_local(local: &str) -> bool {
    // RFC 5322's atext less `%` and `!`, which old mailers route by.
    let is_atext = |byte: u8| byte.is_ascii_alphanumeric() || b"#$&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= LOCAL_BYTES_MAX
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
        && !local.contains("=?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_the_domain_hold() {
        let cases = [
            ("alice@example.com", "example.com"),
            ("Alice.B+tag@EXAMPLE.com", "example.COM"),
            ("a@example.com.", "example.com"),
            ("a@example.com", "example.com."),
            ("a@b.example.com", "*.example.com"),
            ("o'brien@example.com", "example.com"),
            ("a@bücher.example", "xn--bcher-kva.example"),
            ("x_y-z=1@example.com", "example.com"),
        ];
        for (value, domain) in cases {
            assert!(is_in_domain(value, &["other.org", domain]), "{value} {domain}");
        }
        let local = "a".repeat(LOCAL_BYTES_MAX);
        assert!(is_in_domain(&format!("{local}@example.com"), &["example.com"]));
        assert!(!is_in_domain(&format!("{local}a@example.com"), &["example.com"]));
    }

    #[test]
    fn anything_else_does_not_hold() {
        let cases = [
            "",
            "@",
            "a",
            "example.com",
            "@example.com",
            "a@",
            "a@evil.com",
            "a@b.example.com",
            "a@evilexample.com",
            "a@example.com.evil.com",
            "a@evil.com@example.com",
            "a@example.com@evil.com",
            "a@example.com,b@evil.com",
            "a@example.com;b@evil.com",
            "b@evil.com,a@example.com",
            "a@example.com b@evil.com",
            "<a@example.com>",
            "Alice <a@example.com>",
            "\"a@evil.com\"@example.com",
            "\"a\"@example.com",
            "a(b)@example.com",
            "a@(x)example.com",
            "a@example.com(b@evil.com)",
            "a b@example.com",
            " a@example.com",
            "a@example.com ",
            "a@example.com\n",
            "a@example.com\r\nBcc: b@evil.com",
            "a\n@example.com",
            "a\0@example.com",
            "a@example.com\0",
            "a@\texample.com",
            ".a@example.com",
            "a.@example.com",
            "a..b@example.com",
            "a%evil.com@example.com",
            "evil.com!a@example.com",
            "@evil.com:a@example.com",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@[IPv6:::1]",
            "a\\@example.com",
            "é@example.com",
            "a＠example.com",
            "a@exаmple.com",
            "a@example。com",
            "a@example．com",
            "a@example.com/x",
            "a@example.com:25",
            "a@example.com?x",
            "mailto:a@example.com",
            "=?x?q?b=40evil.com=3e?=@example.com",
            "a@-",
            "a@example..com",
            "a@example.com..",
            "a@*.example.com",
            "a@xn--evil.com@example.com",
            "a@xn--0.example.com",
        ];
        for value in cases {
            let got = is_in_domain(value, &["example.com", "127.0.0.1"]);
            assert!(!got, "{}", value.escape_debug());
        }
        assert!(!is_in_domain("a@example.com", &["*.example.com"]));
    }

    #[test]
    fn domains_are_judged() {
        for good in ["example.com", "*.example.com", "bücher.de", "EXAMPLE.COM"] {
            assert_eq!(check_domain(good), Ok(()), "{good}");
        }
        for bad in
            ["", "*", "@example.com", "a@b.com", "example.com:25", "127.0.0.1", "[::1]", "a b"]
        {
            assert!(check_domain(bad).is_err(), "{bad}");
        }
    }
}
