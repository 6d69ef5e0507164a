//! The environment variables that mean something here, each with a function of its own.

use zeroize::Zeroizing;

/// Whether `NO_COLOR` asks for plain text.
///
/// *Source*: <https://no-color.org>: set, and not empty.
pub fn no_color() -> bool {
    read("NO_COLOR").is_some()
}

/// `HARDTACK_URL`: where the authority answers.
pub fn server_url() -> Option<String> {
    read("HARDTACK_URL")
}

/// `HARDTACK_CLIENT_KEY`: the key with which a client authenticates to the authority. A secret.
pub fn client_key() -> Option<Zeroizing<String>> {
    read("HARDTACK_CLIENT_KEY").map(Zeroizing::new)
}

/// `HARDTACK_HOLDER_KEY`: the private key of a token's holder. A secret.
pub fn holder_key() -> Option<Zeroizing<String>> {
    read("HARDTACK_HOLDER_KEY").map(Zeroizing::new)
}

/// `HARDTACK_LOG`: how much the log tells.
pub fn log() -> Option<String> {
    read("HARDTACK_LOG")
}

/// A variable that is set, not empty and UTF-8.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
