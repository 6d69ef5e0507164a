use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};

/// Where an upstream is, byte for byte as it was written.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Address {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    target: PathAndQuery,
}

/// Why an upstream's address is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an `http` or `https` URL with a host.
    #[error("an upstream's address is an absolute `http` or `https` URL")]
    NoUrl,
    /// A user, a password or a fragment in it.
    #[error("an upstream's address has no user, no password and no fragment")]
    Extra,
    /// A query where paths are to be put behind it.
    #[error("an upstream's address has no query")]
    Query,
    /// The system's certificates could not be read.
    #[error("the system's certificates could not be read: {0}")]
    Certificates(String),
}

impl Address {
    pub(in crate::gateway) fn parse(text: &str) -> Result<Self, AddressError> {
        if text.contains(['#', '@']) {
            return Err(AddressError::Extra);
        }
        let uri: Uri = text.parse().map_err(|_| AddressError::NoUrl)?;
        let parts = uri.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(AddressError::NoUrl);
        };
        if ![Scheme::HTTP, Scheme::HTTPS].contains(&scheme) || authority.host().is_empty() {
            return Err(AddressError::NoUrl);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| AddressError::NoUrl)?;
        let target = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { scheme, authority, host, target })
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// What the header `Host` says.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// The address's own path and query.
    pub(in crate::gateway) fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// A path and query below the address, joined without reading either.
    pub(super) fn below(&self, path_and_query: &str) -> Option<PathAndQuery> {
        let prefix = self.target.path().trim_end_matches('/');
        PathAndQuery::try_from(format!("{prefix}{path_and_query}")).ok()
    }

    /// The whole address of a path and query at this host.
    pub(super) fn whole(&self, target: PathAndQuery) -> Option<Uri> {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).ok()
    }
}
