//! Whatever a proof says, checking it does not panic; what is accepted is for this request, now.
//!
//! *Shape*: the input is three parts, cut at its first two lines' ends: the header, the claims, and
//! what is appended to the proof. Header and claims are signed by one key, so that the claims are
//! read; the header's `jwk` must name that key.

#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardtack::keys::HolderKey;
use hardtack::model::{Args, Json, JsonProfile, TargetUri, Timestamp};
use hardtack::verify::{KeyTarget, check_key};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<HolderKey> = LazyLock::new(|| {
    format!("{}{}", HolderKey::PREFIX, "5a".repeat(32)).parse().expect("a key")
});
static URI: LazyLock<TargetUri> =
    LazyLock::new(|| "https://api.example.com/v1/tasks".parse().expect("an address"));

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (header, claims, rest) = (part(), part(), part());
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(KEY.sign(signed.as_bytes()));
    let rest = String::from_utf8_lossy(rest);
    let proof = format!("{signed}.{signature}{rest}");
    let (now, body) = (Timestamp::from_secs(1_800_000_000), Args::none().digest());
    let target = KeyTarget { method: "POST", uri: &URI, body };
    let Ok(accepted) = check_key(&proof, &target, now) else { return };
    assert!(rest.is_empty() && accepted.key() == KEY.public());
    let claims = Json::parse(claims, JsonProfile::Interoperable).expect("strict JSON");
    let text = |name| match claims.member(name) {
        Some(Json::String(text)) => text.clone(),
        _ => String::new(),
    };
    assert_eq!(text("htm"), "POST");
    assert_eq!(text("htu").parse().as_ref(), Ok(&*URI));
    assert_eq!(text("args"), URL_SAFE_NO_PAD.encode(body));
    let closes = accepted.closes().secs();
    assert!((1_800_000_000 + 5..=1_800_000_000 + 75).contains(&closes), "{closes}");
});
