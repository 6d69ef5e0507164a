use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Deserializer, de};

use super::sentence;
use crate::keys::VerifyingKey;
use crate::mint::is_plain_text;
use crate::model::{TargetUri, limits};

/// The settings of an authority, `hardtack.toml`.
///
/// *Shape*: TOML; a field that is left out has its default, an unknown one is refused.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the authority, in the heads of its revocation log and in its description.
    pub issuer: String,
    /// The address under which callers reach it, which the proofs of holders name; without it a
    /// request is taken at its word as to its host, over `http`.
    #[serde(deserialize_with = "uri")]
    pub public_uri: Option<TargetUri>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// The life of a token whose request names none.
    pub ttl_secs_default: u64,
    /// The longest life of a token.
    pub ttl_secs_max: u64,
    /// The delegation hops of a token whose request names none.
    pub depth_default: u32,
    /// The most delegation hops.
    pub depth_max: u32,
    /// How old what gateways know of revocations should be at most.
    pub revocation_age_secs: u64,
    /// The longest body of a request.
    pub body_bytes_max: usize,
    /// How long a request may take.
    pub request_timeout_secs: u64,
    /// How many streams and long polls of the revocation feed may be open at once.
    pub streams_max: usize,
    /// Root keys that sign no more while their tokens live on.
    pub retiring_roots: Vec<VerifyingKey>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8787".to_owned(),
            public_uri: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            ttl_secs_default: limits::TOKEN_TTL_SECS_DEFAULT,
            ttl_secs_max: 60 * 60,
            depth_default: limits::DEPTH_DEFAULT,
            depth_max: 8,
            revocation_age_secs: limits::REVOCATION_AGE_SECS_MAX,
            body_bytes_max: 256 * 1024,
            request_timeout_secs: 10,
            streams_max: 10_000,
            retiring_roots: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads settings.
    ///
    /// *Errors*: a sentence that names the line or the field.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| sentence(text, &error))?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Result<(), String> {
        let ttl = 1..=limits::TOKEN_TTL_SECS_MAX;
        let blocks = limits::BLOCKS_MAX as u64;
        within("ttl_secs_max", self.ttl_secs_max, *ttl.start(), *ttl.end())?;
        within("ttl_secs_default", self.ttl_secs_default, 1, self.ttl_secs_max)?;
        within("depth_max", u64::from(self.depth_max), 0, blocks - 1)?;
        within("depth_default", u64::from(self.depth_default), 0, u64::from(self.depth_max))?;
        within("revocation_age_secs", self.revocation_age_secs, 1, 3600)?;
        within("body_bytes_max", self.body_bytes_max as u64, 1024, limits::ARGS_BYTES_MAX as u64)?;
        within("request_timeout_secs", self.request_timeout_secs, 1, 300)?;
        within("streams_max", self.streams_max as u64, 1, 1_000_000)?;
        if is_plain_text(&self.issuer) {
            return Ok(());
        }
        Err(format!(
            "`issuer` is empty, longer than {} bytes or holds control characters",
            limits::TEXT_BYTES_MAX
        ))
    }

    /// The settings as a file that explains them.
    pub(super) fn to_toml(&self) -> String {
        let text = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let roots: Vec<String> =
            self.retiring_roots.iter().map(|key| text(&key.to_string())).collect();
        format!(
            "\
# Settings of a Hardtack authority. A line left out means its default; an unknown one is refused.

# The name of this authority, in the heads of its revocation log and in /.well-known/hardtack. Gateways
# hold on to it: do not change it later.
issuer = {issuer}
# The address under which callers reach it, if that is not http:// and the host they name: behind a
# proxy, or with TLS in front. Proofs of holders name it.
{public_uri}
# Where it listens. Beyond loopback, put TLS in front.
listen = {listen}

# The life of a token whose request names none, and the longest (at most {ttl_limit}).
ttl_secs_default = {ttl_default}
ttl_secs_max = {ttl_max}

# The delegation hops of a token whose request names none, and the most (at most {depth_limit}).
depth_default = {depth_default}
depth_max = {depth_max}

# How long gateways may believe what they last heard of revocations; then they refuse every call. For
# most tools they have shorter bounds of their own.
revocation_age_secs = {age}

# The longest body of a request, and how long a request may take.
body_bytes_max = {body}
request_timeout_secs = {timeout}

# How many streams and long polls of the revocation feed may be open at once.
streams_max = {streams}

# Root keys that sign no more while their tokens live on: [\"ed25519/…\"]
retiring_roots = [{roots}]
",
            issuer = text(&self.issuer),
            public_uri = match &self.public_uri {
                Some(uri) => format!("public_uri = {}", text(uri.as_str())),
                None => "# public_uri = \"https://authority.example.com\"".to_owned(),
            },
            listen = text(&self.listen.to_string()),
            ttl_limit = limits::TOKEN_TTL_SECS_MAX,
            ttl_default = self.ttl_secs_default,
            ttl_max = self.ttl_secs_max,
            depth_limit = limits::BLOCKS_MAX - 1,
            depth_default = self.depth_default,
            depth_max = self.depth_max,
            age = self.revocation_age_secs,
            body = self.body_bytes_max,
            timeout = self.request_timeout_secs,
            streams = self.streams_max,
            roots = roots.join(", "),
        )
    }
}

fn uri<'de, D: Deserializer<'de>>(text: D) -> Result<Option<TargetUri>, D::Error> {
    String::deserialize(text)?.parse().map(Some).map_err(de::Error::custom)
}

fn within(field: &str, value: u64, min: u64, max: u64) -> Result<(), String> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(format!("`{field}` is {value}, and must be from {min} to {max}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_explains_them_reads_back() {
        let settings = Settings {
            issuer: "a \"quoted\" name".to_owned(),
            depth_max: 5,
            public_uri: Some("https://authority.example.com/tasks".parse().unwrap()),
            ttl_secs_max: 7200,
            streams_max: 7,
            ..Settings::default()
        };
        assert_eq!(Settings::from_toml(&settings.to_toml()), Ok(settings));
        assert_eq!(Settings::from_toml(""), Ok(Settings::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("isuer = \"x\"", "line 1, `isuer = \"x\"`: unknown field `isuer`"),
            (
                "depth_max = 3\nttl_secs_max = \"1h\"",
                "line 2, `ttl_secs_max = \"1h\"`: invalid type",
            ),
            ("listen = \"here\"", "line 1, `listen = \"here\"`: invalid socket address"),
            ("ttl_secs_max = 0", "`ttl_secs_max` is 0, and must be from 1 to 86400"),
            ("ttl_secs_default = 7200", "`ttl_secs_default` is 7200, and must be from 1 to 3600"),
            ("depth_max = 16", "`depth_max` is 16, and must be from 0 to 15"),
            ("streams_max = 0", "`streams_max` is 0, and must be from 1 to 1000000"),
            ("issuer = \"\"", "`issuer` is empty"),
            ("retiring_roots = [\"x\"]", "line 1, `retiring_roots = [\"x\"]`: a public key is"),
            ("public_uri = \"here\"", "line 1, `public_uri = \"here\"`: not an absolute `http`"),
            ("= 3", "line 1, `= 3`"),
        ] {
            let error = Settings::from_toml(text).unwrap_err();
            assert!(error.starts_with(says), "{text}: {error}");
        }
    }
}
