//! What kind of tokens a server's endpoint takes.

use serde::Serialize;

/// Where the metadata of an endpoint is, below the gateway's own address.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of a protected resource.
///
/// *Source*: RFC 9728, section 2; RFC 9449 for the proofs.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    resource: &'a str,
    resource_name: &'a str,
    bearer_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: [&'static str; 1],
}

impl<'a> Metadata<'a> {
    pub(super) fn new(resource: &'a str, resource_name: &'a str) -> Self {
        Self {
            resource,
            resource_name,
            bearer_methods_supported: ["header"],
            dpop_signing_alg_values_supported: ["EdDSA"],
        }
    }
}
