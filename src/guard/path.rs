//! Paths and queries, decoded in the one way in which nobody downstream reads them differently.

use std::fmt::Write;

/// A path template such as `/accounts/{id}`.
///
/// *Shape*: a literal segment is compared as written, escapes included; a capture takes exactly
/// one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Capture(String),
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("a path starts with `/`")?;
        let mut segments = Vec::new();
        if !rest.is_empty() {
            for part in rest.split('/') {
                segments.push(Segment::parse(part)?);
            }
        }
        let mut names: Vec<_> = segments.iter().filter_map(Segment::name).collect();
        names.sort_unstable();
        match names.windows(2).any(|pair| pair.first() == pair.last()) {
            true => Err("a path captures one name twice"),
            false => Ok(Self { segments }),
        }
    }

    /// The captured values, still encoded, where the path has the template's form.
    pub(crate) fn captures<'a>(&'a self, path: &[&'a str]) -> Option<Vec<(&'a str, &'a str)>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut found = Vec::new();
        for (segment, part) in self.segments.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal == part => {}
                Segment::Literal(_) => return None,
                Segment::Capture(_) if part.is_empty() => return None,
                Segment::Capture(name) => found.push((name.as_str(), *part)),
            }
        }
        Some(found)
    }

    #[cfg(feature = "proxy")]
    /// A path that these values of the captures make, each escaped; `None` where one is missing or
    /// can stand in no path.
    pub(crate) fn filled(&self, value: impl Fn(&str) -> Option<String>) -> Option<String> {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Capture(name) => path.push_str(&encoded(&value(name)?)?),
            }
        }
        Some(if path.is_empty() { "/".to_owned() } else { path })
    }

    /// Sorts before every template that is less exact: a literal before a capture, from the left.
    pub(crate) fn rank(&self) -> Vec<bool> {
        self.segments.iter().map(|segment| segment.name().is_some()).collect()
    }

    /// The template with nameless captures: two of the same form take the same paths.
    pub(crate) fn form(&self) -> String {
        self.segments.iter().fold(String::new(), |mut form, segment| {
            // Writing to a string cannot fail.
            let _ = match segment {
                Segment::Literal(text) => write!(form, "/{text}"),
                Segment::Capture(_) => write!(form, "/{{}}"),
            };
            form
        })
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, &'static str> {
        let name = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if is_name(name) => Ok(Self::Capture(name.to_owned())),
            Some(_) => Err("a capture is `{name}` with letters, digits, `_` and `-`"),
            None if part.is_empty() => Err("a path has an empty segment"),
            None if part.contains(['{', '}', '?', '#', '*']) => {
                Err("a segment is either literal or one `{name}`")
            }
            None => decoded(part).map(|_| Self::Literal(part.to_owned())),
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Capture(name) => Some(name),
            Self::Literal(_) => None,
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    !name.is_empty() && name.bytes().all(allowed)
}

/// The form, as [`Template::form`] gives it, of a router's own path.
pub(super) fn router_form(path: &str) -> String {
    let segments = path.trim_start_matches('/').split('/').filter(|part| !part.is_empty());
    segments.fold(String::new(), |mut form, part| {
        let capture = part.starts_with('{') && part.ends_with('}');
        form.push('/');
        form.push_str(if capture { "{}" } else { part });
        form
    })
}

/// The segments of a path, each still encoded, none of which anybody could read as something else.
pub(crate) fn segments(path: &str) -> Result<Vec<&str>, &'static str> {
    let rest = path.strip_prefix('/').ok_or("the path does not start with `/`")?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = rest.split('/').collect();
    let last = segments.len().saturating_sub(1);
    for (index, segment) in segments.iter().enumerate() {
        // A slash at the end is another path, which no template has.
        if segment.is_empty() && index != last {
            return Err("the path has an empty segment");
        }
        decoded(segment)?;
    }
    Ok(segments)
}

/// The text of one segment.
pub(crate) fn decoded(segment: &str) -> Result<String, &'static str> {
    let text = percent_decoded(segment, false)?;
    if text == "." || text == ".." {
        return Err("the path has a dot segment");
    }
    if text.contains(['/', '\\']) {
        return Err("a segment of the path holds a slash");
    }
    match text.chars().any(char::is_control) {
        true => Err("the path holds a control character"),
        false => Ok(text),
    }
}

#[cfg(feature = "proxy")]
/// The text as one segment of a path, if it can be one.
fn encoded(text: &str) -> Option<String> {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                segment.push(char::from(byte));
            }
            // Writing to a string cannot fail.
            other => drop(write!(segment, "%{other:02X}")),
        }
    }
    (!segment.is_empty() && decoded(&segment).is_ok()).then_some(segment)
}

/// The names and values of a query string, in the order written.
///
/// *Source*: application/x-www-form-urlencoded of the WHATWG URL standard, with refusals where
/// readers differ.
pub(crate) fn query(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.contains(';') {
        return Err("the query holds a bare `;`, which some take for a separator");
    }
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(name, true)?;
        match name.is_empty() {
            true => Err("the query has a value without a name"),
            false => Ok((name, percent_decoded(value, true)?)),
        }
    };
    text.split('&').map(pair).collect()
}

fn percent_decoded(text: &str, plus_is_space: bool) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or_default(),
                _ => return Err("a percent sign without two hexadecimal digits"),
            },
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| "an escaped text is not UTF-8")
}
