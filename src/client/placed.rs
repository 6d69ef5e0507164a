//! Where each argument goes in a request, and the arguments as a guard makes them of it again.

use std::fmt::Write;

use reqwest::{Method, Url};

use super::CallError;
use crate::model::{Args, Json, JsonProfile, TargetUri};

/// A request's address and body, and the arguments that a guard will read out of them.
pub(super) struct Placed {
    pub(super) url: Url,
    pub(super) uri: TargetUri,
    pub(super) body: Option<Vec<u8>>,
    pub(super) args: Args,
}

/// Arguments that are texts in the request.
type Texts = Vec<(String, String)>;

impl Placed {
    /// *Errors*: [`CallError::Address`], or [`CallError::Argument`] where an argument has no place.
    pub(super) fn new(method: &Method, url: &str, args: &Args) -> Result<Self, CallError> {
        let Json::Object(mut rest) = args.value().clone() else {
            return Err(CallError::Address);
        };
        let (mut texts, url) = in_path(url, &mut rest)?;
        let mut url = Url::parse(&url).map_err(|_| CallError::Address)?;
        let uri: TargetUri = url.as_str().parse().map_err(|_| CallError::Address)?;
        let mut query: Texts = url.query_pairs().into_owned().collect();
        let has_body =
            !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
        if !has_body {
            for (name, value) in rest.drain(..) {
                query.push(text(&name, &value).map(|text| (name, text))?);
            }
        }
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(&query);
        }
        texts.append(&mut query);
        let is_whole = texts.is_empty();
        let body = match () {
            () if !has_body || (rest.is_empty() && *method == Method::DELETE) => None,
            () if is_whole => Some(args.bytes().to_vec()),
            () => Some(Json::Object(rest.clone()).to_string().into_bytes()),
        };
        let args = if is_whole { args.clone() } else { together(texts, rest)? };
        Ok(Self { url, uri, body, args })
    }
}

/// The arguments that go into the path, taken out of all, and the address with them in it.
fn in_path(url: &str, rest: &mut Vec<(String, Json)>) -> Result<(Texts, String), CallError> {
    let (path, end) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let (mut texts, mut out) = (Texts::new(), String::with_capacity(url.len()));
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push('/');
        }
        // The first three are the scheme, nothing, and the host.
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        let Some(name) = name.filter(|_| index > 2) else {
            out.push_str(segment);
            continue;
        };
        let wrong = |why| CallError::Argument { name: name.to_owned(), why };
        let at = rest.iter().position(|(known, _)| known == name);
        let (_, value) = rest.remove(at.ok_or_else(|| wrong("is in the path and not given"))?);
        let value = text(name, &value)?;
        // What a guard refuses: others read it as another path.
        let is_odd = |c: char| c.is_control() || c == '/' || c == '\\';
        if matches!(value.as_str(), "" | "." | "..") || value.contains(is_odd) {
            return Err(wrong("is no segment of a path"));
        }
        escape(&mut out, &value);
        texts.push((name.to_owned(), value));
    }
    out.push_str(end);
    Ok((texts, out))
}

/// A value as path and query can hold it.
fn text(name: &str, value: &Json) -> Result<String, CallError> {
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(_) | Json::Bool(_) => Ok(value.to_string()),
        _ => {
            let why = "is neither text, number nor boolean, so it goes into no path and no query";
            Err(CallError::Argument { name: name.to_owned(), why })
        }
    }
}

/// All arguments, as a guard puts them together.
fn together(texts: Texts, rest: Vec<(String, Json)>) -> Result<Args, CallError> {
    let mut members: Vec<(String, Json)> = Vec::with_capacity(texts.len() + rest.len());
    let texts = texts.into_iter().map(|(name, text)| (name, Json::String(text)));
    for (name, value) in texts.chain(rest) {
        if members.iter().any(|(known, _)| *known == name) {
            return Err(CallError::Argument { name, why: "is given twice" });
        }
        members.push((name, value));
    }
    // The wider profile: it has the same canonical form wherever the other has one.
    let text = Json::Object(members).to_string();
    Args::parse(text, JsonProfile::Integers64).map_err(|_| CallError::Argument {
        name: "*".to_owned(),
        why: "does not fit: together they are too long",
    })
}

/// Escapes all but unreserved characters (RFC 3986, section 2.3).
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
