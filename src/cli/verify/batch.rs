//! Many requests: one decision for each line, in order, whatever the lines hold.

use std::io::{BufRead, BufReader, Read};

use anyhow::Context;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::input::{Source, TEXT_BYTES_MAX};
use super::super::{Exit, Output};
use super::judge::{Judge, Sent};
use super::request::{json, malformed};
use super::verdict;
use crate::decide::Decision;
use crate::model::{Code, Reason};

/// One line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(default, borrow)]
    token: Option<&'a RawValue>,
    #[serde(borrow)]
    request: &'a RawValue,
    /// The proof that came with the call, and where the call came to.
    #[serde(default)]
    proof: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    url: Option<String>,
}

/// Decides every line. A bad line is denied and the next one read; an empty line is a bad one, so
/// that decisions stay level with lines.
pub(super) fn run(batch: &Source, judge: &Judge, out: &mut Output) -> anyhow::Result<Exit> {
    let mut reader = BufReader::with_capacity(256 * 1024, batch.open()?);
    while let Some(line) = next_line(&mut reader).with_context(|| format!("cannot read {batch}"))? {
        let decision = match line {
            Some(line) => judged(&line, judge),
            None => Decision::deny(malformed(format!("longer than {TEXT_BYTES_MAX} bytes"))),
        };
        out.json(&verdict::Wire::from(&decision))?;
        // Whoever writes one line and waits for its answer must get it.
        if reader.buffer().is_empty() {
            out.flush()?;
        }
        if out.is_closed() {
            break;
        }
    }
    Ok(Exit::Done)
}

fn judged(line: &[u8], judge: &Judge) -> Decision {
    let line: Line<'_> = match serde_json::from_slice(line) {
        Ok(line) => line,
        Err(error) => return Decision::deny(malformed(json(&error))),
    };
    let token = match line.token.map(|token| serde_json::from_str::<String>(token.get())) {
        None => None,
        Some(Ok(token)) => Some(token),
        Some(Err(_)) => {
            let reason = Reason::new(Code::TokenMalformed, "the token is not a string");
            return Decision::deny(reason);
        }
    };
    let request = line.request.get().as_bytes();
    match sent(line.proof, line.method, line.url) {
        Ok(sent) => judge.judge(token.as_deref(), request, sent.as_ref()),
        Err(why) => Decision::deny(malformed(why)),
    }
}

/// What came with a call besides its token.
fn sent(
    proof: Option<String>,
    method: Option<String>,
    url: Option<String>,
) -> Result<Option<Sent>, &'static str> {
    match (proof, url) {
        (Some(proof), Some(url)) => {
            let uri =
                url.parse().map_err(|_| "`url` is not an absolute `http` or `https` address")?;
            let method = method.unwrap_or_else(|| "POST".to_owned());
            Ok(Some(Sent { proof, method, uri }))
        }
        (Some(_), None) => Err("it has a `proof` without the `url` that the call came to"),
        (None, None) if method.is_none() => Ok(None),
        (None, _) => Err("it has a `url` or a `method` without a `proof`"),
    }
}

/// The next line without its end; `Some(None)` for one that is too long, which is skipped whole.
fn next_line(reader: &mut impl BufRead) -> std::io::Result<Option<Option<Vec<u8>>>> {
    let mut line = Vec::new();
    let limit = TEXT_BYTES_MAX as u64 + 1;
    if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Some(line)));
    }
    if line.len() <= TEXT_BYTES_MAX {
        return Ok(Some(Some(line)));
    }
    reader.skip_until(b'\n')?;
    Ok(Some(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_too_long_is_skipped_whole() {
        let mut text = vec![b'x'; TEXT_BYTES_MAX + 5];
        text.extend_from_slice(b"\n\nnext");
        let mut reader = text.as_slice();
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut reader).unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, [None, Some(vec![]), Some(b"next".to_vec())]);
    }
}
