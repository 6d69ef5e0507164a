use std::fmt;
use std::str::FromStr;

/// The address of an HTTP request without query and fragment, in its one normal form.
///
/// *Shape*: `http` or `https`, no user; scheme and host in lower case, the scheme's own port left
/// out, `/` for an empty path, no dot segments, percent escapes in upper case and only where they
/// are needed. Two addresses are the same place when they are equal.
///
/// *Source*: RFC 3986, sections 6.2.2 and 6.2.3; RFC 9449, section 4.3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetUri(String);

/// The text is no address of an HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an absolute `http` or `https` address without a user")]
pub struct UriError;

impl TargetUri {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address with a path of a request after its own.
    ///
    /// *Errors*: [`UriError`] where the path is none.
    pub fn join(&self, path: &str) -> Result<Self, UriError> {
        format!("{}{path}", self.0.trim_end_matches('/')).parse()
    }

    /// The address of a request that was received: a path after the address that is known, or after
    /// `http://` and the host that the request names.
    ///
    /// *Shape*: `authority` is the host in the request's target, `hosts` its `Host` headers.
    ///
    /// *Errors*: what the request does that it must not, to be put after "the request".
    pub fn of_request<'a>(
        known: Option<&Self>,
        authority: Option<&'a str>,
        hosts: impl IntoIterator<Item = &'a [u8]>,
        path: &str,
    ) -> Result<Self, &'static str> {
        let base = match known {
            Some(uri) => uri.clone(),
            None => {
                let host = one_host(authority, hosts).ok_or("does not name one host")?;
                let uri = format!("http://{host}/").parse();
                uri.map_err(|UriError| "names a host that is none")?
            }
        };
        base.join(path).map_err(|UriError| "has a path that is not well formed")
    }
}

/// The host that a request names, by itself or in its one `Host` header.
fn one_host<'a>(
    authority: Option<&'a str>,
    hosts: impl IntoIterator<Item = &'a [u8]>,
) -> Option<&'a str> {
    let mut hosts = hosts.into_iter();
    let host = match (authority, hosts.next(), hosts.next()) {
        (Some(authority), _, None) => authority,
        (None, Some(host), None) => std::str::from_utf8(host).ok()?,
        _ => return None,
    };
    // Anything else could make a path of its own.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    host.bytes().all(is_plain).then_some(host)
}

impl FromStr for TargetUri {
    type Err = UriError;

    /// Takes an absolute address; query and fragment are dropped.
    fn from_str(text: &str) -> Result<Self, UriError> {
        normal_form(text).map(Self).ok_or(UriError)
    }
}

impl fmt::Display for TargetUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn normal_form(text: &str) -> Option<String> {
    let text = text.split(['?', '#']).next()?;
    let (scheme, rest) = text.split_once("://")?;
    let (scheme, default_port) = match scheme {
        s if s.eq_ignore_ascii_case("https") => ("https", 443),
        s if s.eq_ignore_ascii_case("http") => ("http", 80),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut out = String::with_capacity(text.len() + 1);
    out.push_str(scheme);
    out.push_str("://");
    push_authority(&mut out, authority, default_port)?;
    push_path(&mut out, path)?;
    Some(out)
}

fn push_authority(out: &mut String, authority: &str, default_port: u16) -> Option<()> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            !host.is_empty() && host.bytes().all(is_name)
        }
    };
    if !is_host {
        return None;
    }
    match literal {
        Some(address) => {
            out.push_str(&format!("[{}]", address.parse::<std::net::Ipv6Addr>().ok()?));
        }
        None => out.extend(host.chars().map(|c| c.to_ascii_lowercase())),
    }
    if !port.is_empty() {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port: u16 = port.parse().ok().filter(|_| digits)?;
        if port != default_port {
            out.push_str(&format!(":{port}"));
        }
    }
    Some(())
}

/// The path without dot segments. Escapes are looked at first, so that `%2e%2e` is one of them.
fn push_path(out: &mut String, path: &str) -> Option<()> {
    let mut segments: Vec<String> = Vec::new();
    let mut given = path.split('/').skip(1).peekable();
    while let Some(segment) = given.next() {
        let is_last = given.peek().is_none();
        match unescaped(segment)?.as_str() {
            "." => is_last.then(|| segments.push(String::new())),
            ".." => {
                segments.pop();
                is_last.then(|| segments.push(String::new()))
            }
            segment => {
                segments.push(segment.to_owned());
                None
            }
        };
    }
    out.push('/');
    out.push_str(&segments.join("/"));
    Some(())
}

/// A segment with each escape in upper case, or resolved where it was not needed.
fn unescaped(segment: &str) -> Option<String> {
    let mut out = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = u8::try_from(digit()? * 16 + digit()?).ok()?;
                match is_unreserved(value) {
                    true => out.push(char::from(value)),
                    false => out.push_str(&format!("%{value:02X}")),
                }
            }
            _ if is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => {
                out.push(char::from(byte));
            }
            _ => return None,
        }
    }
    Some(out)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_form() {
        let cases = [
            ("https://API.Example.com", Some("https://api.example.com/")),
            ("HTTPS://api.example.com:443/a?b=c#d", Some("https://api.example.com/a")),
            ("http://api.example.com:80?x", Some("http://api.example.com/")),
            ("https://api.example.com:80/", Some("https://api.example.com:80/")),
            ("https://api.example.com:/a", Some("https://api.example.com/a")),
            ("https://api.example.com:08443/a", Some("https://api.example.com:8443/a")),
            ("http://h/%7euser/%c3%a4/%2F", Some("http://h/~user/%C3%A4/%2F")),
            ("http://h/a/./b/../c", Some("http://h/a/c")),
            ("http://h/a/%2e%2E/b/..", Some("http://h/")),
            ("http://h/a/b/.", Some("http://h/a/b/")),
            ("http://h/../../a", Some("http://h/a")),
            ("http://h//a//", Some("http://h//a//")),
            ("http://[2001:DB8::0:1]:8080/x", Some("http://[2001:db8::1]:8080/x")),
            ("http://[2001:DB8::1]/x", Some("http://[2001:db8::1]/x")),
            ("http://h/@me:1;a=(b)", Some("http://h/@me:1;a=(b)")),
            ("ftp://h/a", None),
            ("//h/a", None),
            ("/a", None),
            ("http://", None),
            ("http:///a", None),
            ("http://user@h/a", None),
            ("http://h:x/a", None),
            ("http://h:+80/a", None),
            ("http://h:70000/a", None),
            ("http://[::g]/a", None),
            ("http://h/a b", None),
            ("http://h/%4", None),
            ("http://h/%zz", None),
            ("http://h/ä", None),
            ("http://h\\a/b", None),
        ];
        for (text, expected) in cases {
            let form = text.parse::<TargetUri>().ok();
            assert_eq!(form.as_ref().map(TargetUri::as_str), expected, "{text}");
            // The normal form of the normal form is itself.
            if let Some(form) = form {
                assert_eq!(form.as_str().parse(), Ok(form.clone()));
            }
        }
    }

    #[test]
    fn a_path_goes_after_the_base() {
        for base in ["https://h/v1", "https://h/v1/"] {
            let base: TargetUri = base.parse().unwrap();
            assert_eq!(base.join("/refunds").unwrap().as_str(), "https://h/v1/refunds");
        }
    }
}
