use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Where a listing goes on. Opaque to whoever carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(super) i64);

/// A text is no cursor of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that a listing returned")]
pub struct CursorError;

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Where to go on; `None` begins with the newest.
    pub after: Option<Cursor>,
    /// How many at most, from 1 to [`PageRequest::LIMIT_MAX`].
    pub limit: u32,
}

/// A part of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

impl PageRequest {
    /// Items on a page when the request does not say.
    pub const LIMIT_DEFAULT: u32 = 50;
    /// Items on a page at most.
    pub const LIMIT_MAX: u32 = 200;
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { after: None, limit: Self::LIMIT_DEFAULT }
    }
}

impl<T> Page<T> {
    /// A page of `limit` items from rows that were asked for one more, each with its place.
    pub(super) fn cut(mut rows: Vec<(i64, T)>, limit: u32) -> Self {
        let limit = limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|(place, _)| Cursor(*place));
        let items = rows.into_iter().map(|(_, item)| item).collect();
        Self { items, next: last.filter(|_| has_more) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let place = i64::from_be_bytes(bytes.as_slice().try_into().map_err(|_| CursorError)?);
        if place > 0 { Ok(Self(place)) } else { Err(CursorError) }
    }
}
