use std::collections::BTreeSet;

use crate::model::{Args, Json, Reason};

/// Names whose values are secrets wherever they stand.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
    "cookie",
    "credential",
    "credentials",
];

/// What stands in a record where a secret stood.
const REDACTED: &str = "[redacted]";

/// Arguments longer than this are recorded by their digest alone, in bytes.
const ARGS_BYTES_MAX: usize = 64 * 1024;

/// What of a call's arguments is kept in records.
///
/// *Shape*: by default their digest alone. Values under a redacted name are never kept, at any
/// depth, in any spelling of upper and lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    keep_args: bool,
    names: BTreeSet<String>,
}

impl Default for Redaction {
    fn default() -> Self {
        let names = NAMES.iter().map(|name| (*name).to_owned()).collect();
        Self { keep_args: false, names }
    }
}

impl Redaction {
    /// Keeps the arguments, except for values under a redacted name.
    pub fn keeping_args(self) -> Self {
        Self { keep_args: true, ..self }
    }

    /// Redacts these names too.
    pub fn also(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.names.extend(names.into_iter().map(|name| name.as_ref().to_lowercase()));
        self
    }

    /// The arguments as a record keeps them.
    pub fn args(&self, args: &Args) -> Option<serde_json::Value> {
        if !self.keep_args || args.bytes().len() > ARGS_BYTES_MAX {
            return None;
        }
        serde_json::from_str(&self.value(args.value()).to_string()).ok()
    }

    /// The reasons, without what stands under a redacted name: a failed check can quote it.
    pub fn reasons(&self, reasons: &mut [Reason], args: &Args) {
        let mut secrets = BTreeSet::new();
        self.secrets(args.value(), false, &mut secrets);
        for reason in reasons {
            let texts = [Some(&mut reason.message), reason.fact.as_mut(), reason.hint.as_mut()];
            for text in texts.into_iter().flatten() {
                *text = without(text, &secrets);
            }
        }
    }

    fn hides(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    fn value(&self, value: &Json) -> Json {
        let member = |(name, value): &(String, Json)| match self.hides(name) {
            true => (name.clone(), Json::String(REDACTED.to_owned())),
            false => (name.clone(), self.value(value)),
        };
        match value {
            Json::Array(items) => Json::Array(items.iter().map(|item| self.value(item)).collect()),
            Json::Object(members) => Json::Object(members.iter().map(member).collect()),
            scalar => scalar.clone(),
        }
    }

    /// Every text under a redacted name, with its length before it, in each form a reason might
    /// quote it.
    fn secrets(&self, value: &Json, hidden: bool, found: &mut BTreeSet<(usize, String)>) {
        match value {
            Json::Array(items) => items.iter().for_each(|item| self.secrets(item, hidden, found)),
            Json::Object(members) => {
                for (name, value) in members {
                    self.secrets(value, hidden || self.hides(name), found);
                }
            }
            Json::String(text) if hidden && !text.is_empty() => {
                let escaped: String = text.chars().flat_map(char::escape_debug).collect();
                let quoted = value.to_string().trim_matches('"').to_owned();
                found.extend([text.clone(), escaped, quoted].map(|text| (text.len(), text)));
            }
            Json::Number(number) if hidden => {
                found.insert((number.text().len(), number.text().to_owned()));
            }
            _ => {}
        }
    }
}

/// The text with what stood for a secret marked. All are looked for in the text as it was: put in
/// one after the other, marks would be taken for secrets in turn and grow without end.
fn without(text: &str, secrets: &BTreeSet<(usize, String)>) -> String {
    let fitting = secrets.iter().filter(|(length, _)| *length <= text.len());
    let found = fitting.flat_map(|(length, secret)| {
        text.match_indices(secret.as_str()).map(move |(start, _)| (start, start + length))
    });
    let mut found: Vec<(usize, usize)> = found.collect();
    // A reason quotes the beginning of a value alone, and may break off inside a secret.
    let broken_off = text.match_indices('…').filter_map(|(end, _)| {
        let before = text.get(..end)?;
        let kept = secrets.iter().filter_map(|(_, secret)| longest_start(before, secret)).max()?;
        Some((end - kept, end))
    });
    found.extend(broken_off);
    found.sort_unstable();
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (start, end) in found {
        // What overlaps or touches the secret before it vanishes into its mark.
        if start > done || done == 0 {
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(REDACTED);
        }
        done = done.max(end);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

/// How long a beginning of the secret the text ends with, if it ends with any.
fn longest_start(text: &str, secret: &str) -> Option<usize> {
    let ends = secret.char_indices().map(|(start, c)| start + c.len_utf8());
    let fits = |end: &usize| secret.get(..*end).is_some_and(|start| text.ends_with(start));
    ends.take_while(|end| *end <= text.len()).filter(fits).last()
}
