//! A holder's proof is good for one token, call, place and time, and for nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hardtack::attenuate::seal;
use hardtack::decide::{Policy, Program, decide};
use hardtack::keys::HolderKey;
use hardtack::model::{Code, Reason, Request, Timestamp};
use hardtack::present::Presented;
use hardtack::token::UnverifiedToken;
use hardtack::verify::{
    Authentic, DangerUnrevoked, ProofFault, ProofTarget, Unspent, authenticate, check_proof,
};
use serde_json::{Value, json};

use crate::holders::{bound, bound_with, digest, get_account, handed, holder, presented, uri};
use crate::support::{code, now, request, roots, token};

/// A sealed token that holder 0 holds, as a gateway knows it.
fn known() -> (Authentic, String) {
    let token = seal(&bound()).unwrap();
    let text = token.to_text();
    (authenticate(token, &roots()).unwrap(), text)
}

fn check_at(
    proof: &str,
    request: &Request,
    change: impl FnOnce(&mut ProofTarget<'_>),
) -> Result<Unspent, ProofFault> {
    let (authentic, text) = known();
    let uri = uri();
    let mut target =
        ProofTarget { token_digest: digest(&text), method: "POST", uri: &uri, nonces: &[] };
    change(&mut target);
    check_proof(Some(proof), &authentic, &target, request)
}

fn check(proof: &str) -> Result<Unspent, ProofFault> {
    check_at(proof, &get_account(7), |_| {})
}

fn proof() -> String {
    presented(&bound(), &holder(0), &get_account(7), 1).dpop().to_owned()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn header() -> Value {
    let jwk: Value = serde_json::from_str(&holder(0).public().to_jwk()).unwrap();
    json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk})
}

fn claims() -> Value {
    let request = get_account(7);
    json!({
        "htm": "POST", "htu": uri().as_str(), "iat": request.time.secs(), "jti": "one",
        "ath": b64(digest(&known().1)), "tool": "crm/get_account",
        "args": b64(request.args.digest()),
    })
}

/// A proof with these very parts, signed by this key.
fn signed(header: &str, claims: &str, key: &HolderKey) -> String {
    let signed = format!("{}.{}", b64(header), b64(claims));
    format!("{signed}.{}", b64(key.sign(signed.as_bytes())))
}

fn with_claim(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    signed(&header().to_string(), &claims.to_string(), &holder(0))
}

fn with_header(name: &str, value: Value) -> String {
    let mut header = header();
    header[name] = value;
    signed(&header.to_string(), &claims().to_string(), &holder(0))
}

fn without_claim(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    signed(&header().to_string(), &claims.to_string(), &holder(0))
}

fn fails(proof: &str, fault: ProofFault) {
    assert_eq!(check(proof).map(|_| ()).unwrap_err(), fault);
}

/// Another character anywhere, one less or one more is another proof, and a false one.
#[test]
fn every_change_of_a_proof_is_refused() {
    let proof = proof();
    assert!(proof.is_ascii());
    for (at, was) in proof.char_indices() {
        let (before, after) = (&proof[..at], &proof[at + 1..]);
        for other in ['A', 'B', 'z', '_', '.', '='].into_iter().filter(|c| *c != was) {
            assert!(check(&format!("{before}{other}{after}")).is_err(), "{at}: {other}");
        }
        assert!(check(&format!("{before}{after}")).is_err(), "without {at}");
        assert!(check(before).is_err(), "up to {at}");
        assert!(check(&format!("{before}A{was}{after}")).is_err(), "one more at {at}");
    }
}

#[test]
fn a_proof_of_the_holder_is_accepted() {
    let unspent = check(&proof()).unwrap();
    assert_eq!(unspent.good_until(), get_account(7).time.plus_secs(65));
    assert_eq!(unspent.closes(), get_account(7).time.plus_secs(70));
    let by_hand = signed(&header().to_string(), &claims().to_string(), &holder(0));
    // Each has its own `jti`.
    assert_ne!(check(&by_hand).unwrap().key(), unspent.key());
    assert_eq!(check(&by_hand).unwrap().key(), check(&by_hand).unwrap().key());
}

#[test]
fn a_key_is_spent_for_its_holder_alone() {
    let token = seal(&handed(&bound(), 0, 1)).unwrap();
    let (text, uri) = (token.to_text(), uri());
    let authentic = authenticate(token, &roots()).unwrap();
    let jwk: Value = serde_json::from_str(&holder(1).public().to_jwk()).unwrap();
    let mut theirs = (header(), claims());
    theirs.0["jwk"] = jwk;
    theirs.1["ath"] = b64(digest(&text)).into();
    let proof = signed(&theirs.0.to_string(), &theirs.1.to_string(), &holder(1));
    let target =
        ProofTarget { token_digest: digest(&text), method: "POST", uri: &uri, nonces: &[] };
    let other = check_proof(Some(&proof), &authentic, &target, &get_account(7)).unwrap();
    assert_ne!(other.key(), check(&with_claim("jti", "one".into())).unwrap().key());
}

#[test]
fn a_stolen_proof_is_no_good_at_another_gateway() {
    let elsewhere = "https://other.example.com/accounts".parse().unwrap();
    let found = check_at(&proof(), &get_account(7), |target| {
        // Outlives the closure only by value.
        target.uri = Box::leak(Box::new(elsewhere));
    });
    assert_eq!(found.map(|_| ()), Err(ProofFault::Uri));
    for htu in ["https://api.example.com/", "https://api.example.com/accounts/1", "/accounts", ""] {
        fails(&with_claim("htu", htu.into()), ProofFault::Uri);
    }
    for htu in ["HTTPS://API.example.com:443/accounts", "https://api.example.com/./accounts?a#b"] {
        assert!(check(&with_claim("htu", htu.into())).is_ok(), "{htu}");
    }
}

#[test]
fn a_stolen_proof_is_no_good_for_another_tool() {
    let other = request("crm/delete", "{\"id\": 7}");
    let found = check_at(&proof(), &other, |_| {});
    assert_eq!(found.map(|_| ()), Err(ProofFault::Tool));
    fails(&without_claim("tool"), ProofFault::Tool);
}

#[test]
fn a_stolen_proof_is_no_good_for_other_arguments() {
    let found = check_at(&proof(), &get_account(8), |_| {});
    assert_eq!(found.map(|_| ()), Err(ProofFault::Args));
    fails(&without_claim("args"), ProofFault::Args);
    // The same arguments in another spelling are the same arguments.
    let spelled = request("crm/get_account", "{ \"id\" : 7.0 }");
    assert!(check_at(&proof(), &spelled, |_| {}).is_ok());
}

#[test]
fn a_stolen_proof_is_no_good_for_another_method() {
    let found = check_at(&proof(), &get_account(7), |target| target.method = "DELETE");
    assert_eq!(found.map(|_| ()), Err(ProofFault::Method));
    fails(&with_claim("htm", "post".into()), ProofFault::Method);
}

#[test]
fn a_proof_names_the_token_it_goes_with() {
    let other = bound_with(2, |_| {}).to_text();
    let found = check_at(&proof(), &get_account(7), |target| target.token_digest = digest(&other));
    assert_eq!(found.map(|_| ()), Err(ProofFault::Token));
    fails(&without_claim("ath"), ProofFault::Token);
}

#[test]
fn a_proof_is_good_for_its_time_alone() {
    let (proof, iat) = (proof(), get_account(7).time);
    let at = |millis: u64| {
        let time = Timestamp::from_millis(millis);
        check_at(&proof, &Request { time, ..get_account(7) }, |_| {}).map(|_| ())
    };
    let iat = iat.millis();
    for (time, expected) in [
        (iat, Ok(())),
        (iat + 65_000, Ok(())),
        (iat + 65_001, Err(ProofFault::Old)),
        (iat - 5_000, Ok(())),
        (iat - 5_001, Err(ProofFault::Early)),
    ] {
        assert_eq!(at(time), expected, "{}", time as i64 - iat as i64);
    }
    for iat in [json!("1800000000"), json!(1.5), json!(-1), json!(1e3), json!(null)] {
        fails(&with_claim("iat", iat), ProofFault::IssuedAt);
    }
    fails(&without_claim("iat"), ProofFault::IssuedAt);
    fails(&with_claim("iat", json!(9_007_199_254_740_991_u64)), ProofFault::Early);
}

#[test]
fn a_proof_carries_the_nonce_that_is_asked_for() {
    let nonces = ["a".to_owned(), "b".to_owned()];
    let asked = |proof: &str| {
        let nonces: &'static [String] = Box::leak(Box::new(nonces.clone()));
        check_at(proof, &get_account(7), |target| target.nonces = nonces).map(|_| ())
    };
    assert_eq!(asked(&proof()), Err(ProofFault::Nonce));
    assert_eq!(asked(&with_claim("nonce", "c".into())), Err(ProofFault::Nonce));
    assert_eq!(asked(&with_claim("nonce", "b".into())), Ok(()));
    assert!(check(&with_claim("nonce", "c".into())).is_ok());
}

#[test]
fn a_proof_is_signed_by_the_final_holder() {
    let (header, claims) = (header().to_string(), claims().to_string());
    fails(&signed(&header, &claims, &holder(1)), ProofFault::Signature);
    let jwk: Value = serde_json::from_str(&holder(1).public().to_jwk()).unwrap();
    let mut other: Value = serde_json::from_str(&header).unwrap();
    other["jwk"] = jwk;
    fails(&signed(&other.to_string(), &claims, &holder(1)), ProofFault::Holder);
    // Every bit of the signature counts.
    let proof = proof();
    let (rest, signature) = proof.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for bit in [0, 7, 255, 256, 511] {
        bytes[bit / 8] ^= 1 << (bit % 8);
        fails(&format!("{rest}.{}", b64(&bytes)), ProofFault::Signature);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    fails(&format!("{rest}."), ProofFault::Signature);
}

#[test]
fn a_private_key_in_a_proof_is_refused() {
    let mut jwk: Value = serde_json::from_str(&holder(0).public().to_jwk()).unwrap();
    jwk["d"] = b64([7; 32]).into();
    fails(&with_header("jwk", jwk), ProofFault::Key);
    for jwk in [json!(null), json!("x"), json!({}), json!([1, 2, 3])] {
        fails(&with_header("jwk", jwk), ProofFault::Key);
    }
}

#[test]
fn a_proof_has_the_one_type_and_algorithm() {
    for typ in ["JWT", "dpop+JWT", "application/dpop+jwt", ""] {
        fails(&with_header("typ", typ.into()), ProofFault::Type);
    }
    for alg in ["none", "ES256", "HS256", "eddsa", "Ed25519", ""] {
        fails(&with_header("alg", alg.into()), ProofFault::Algorithm);
    }
    fails(&with_header("crit", json!(["b64"])), ProofFault::Critical);
    let unsigned = format!("{}.{}.", b64(header().to_string()), b64(claims().to_string()));
    fails(&unsigned, ProofFault::Signature);
}

#[test]
fn an_oversize_proof_is_refused() {
    // Base64 leaves some lengths out, so that header and claims are both made longer.
    let of = |length: usize| {
        let padded = |head: usize, pad: usize| {
            let (mut header, mut claims) = (header(), claims());
            (header["pad"], claims["pad"]) = ("x".repeat(head).into(), "x".repeat(pad).into());
            signed(&header.to_string(), &claims.to_string(), &holder(0))
        };
        let pads = (0..4).flat_map(|head| (2400..2800).map(move |pad| (head, pad)));
        let near = pads.filter(|(head, pad)| padded(*head, 0).len() + pad * 4 / 3 + 8 > length);
        near.map(|(head, pad)| padded(head, pad)).find(|proof| proof.len() == length).unwrap()
    };
    assert!(check(&of(4095)).is_ok());
    assert!(check(&of(4096)).is_ok());
    fails(&of(4097), ProofFault::TooLong);
    fails(&"a".repeat(4097), ProofFault::TooLong);
}

#[test]
fn a_name_given_twice_is_refused() {
    let (header, claims) = (header().to_string(), claims().to_string());
    let twice = claims.replacen('{', "{\"jti\":\"two\",", 1);
    fails(&signed(&header, &twice, &holder(0)), ProofFault::Json);
    let twice = header.replacen('{', "{\"alg\":\"EdDSA\",", 1);
    fails(&signed(&twice, &claims, &holder(0)), ProofFault::Json);
    fails(&signed(&header, "[]", &holder(0)), ProofFault::Json);
    fails(&signed("\"x\"", &claims, &holder(0)), ProofFault::Json);
}

#[test]
fn only_canonical_base64url_in_three_parts_is_read() {
    let proof = proof();
    let parts: Vec<&str> = proof.split('.').collect();
    for at in 0..3 {
        let mut padded: Vec<String> = parts.iter().map(|part| part.to_string()).collect();
        padded[at].push('=');
        fails(&padded.join("."), ProofFault::Encoding);
        padded[at] = format!(" {}", parts[at]);
        fails(&padded.join("."), ProofFault::Encoding);
    }
    // 64 bytes end in two characters whose last four bits say nothing.
    let (rest, last) = proof.split_at(proof.len() - 1);
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.iter().position(|c| *c == last.as_bytes()[0]).unwrap();
    for bits in 1..16 {
        fails(&format!("{rest}{}", alphabet[place ^ bits] as char), ProofFault::Encoding);
    }
    for text in ["", "..", "a.b", "a.b.c.d"] {
        let fault = check(text).map(|_| ()).unwrap_err();
        assert!(matches!(fault, ProofFault::Encoding | ProofFault::Json), "{text} {fault}");
    }
    fails(&format!("{proof}.x"), ProofFault::Encoding);
}

#[test]
fn an_identifier_is_short_and_visible() {
    for id in ["", "a b", "ä", "a\n", "a\u{7f}", &"x".repeat(129)] {
        fails(&with_claim("jti", id.into()), ProofFault::Id);
    }
    fails(&with_claim("jti", json!(7)), ProofFault::Id);
    fails(&without_claim("jti"), ProofFault::Id);
    for id in ["!", "~", &"x".repeat(128)] {
        assert!(check(&with_claim("jti", id.into())).is_ok());
    }
}

#[test]
fn a_fault_has_its_code_and_tells_nothing_of_the_proof() {
    let (authentic, text) = known();
    let uri = uri();
    let target =
        ProofTarget { token_digest: digest(&text), method: "POST", uri: &uri, nonces: &[] };
    let missing = check_proof(None, &authentic, &target, &get_account(7)).unwrap_err();
    assert_eq!(Reason::from(missing).code, Code::ProofMissing);
    let bearer = authenticate(token(crate::holders::GRANT), &roots()).unwrap();
    let unbound = check_proof(Some(&proof()), &bearer, &target, &get_account(7)).unwrap_err();
    assert_eq!(unbound, ProofFault::Unbound);
    let reason = Reason::from(check(&with_claim("tool", "sesame".into())).unwrap_err());
    assert_eq!(reason.code, Code::ProofInvalid);
    assert!(!reason.message.contains("sesame"));
}

#[test]
fn a_possession_is_of_one_token_and_for_one_call() {
    let (authentic, _) = known();
    let possession = check(&proof()).unwrap().danger_unrecorded();
    let time = get_account(7).time;
    let admit = |token: &UnverifiedToken, time| {
        let authentic = authenticate(token.clone(), &roots()).unwrap();
        authentic
            .admit_with(&DangerUnrevoked, time, Some(&possession))
            .map(|_| ())
            .map_err(|r| r.code)
    };
    assert_eq!(admit(&bound(), time), Ok(()));
    let others = [bound_with(2, |_| {}), handed(&bound(), 0, 1), token(crate::holders::GRANT)];
    for other in others {
        assert_eq!(admit(&other, time), Err(Code::ProofInvalid));
    }
    assert_eq!(admit(&bound(), time.plus_secs(65)), Ok(()));
    assert_eq!(admit(&bound(), time.plus_secs(66)), Err(Code::ProofInvalid));
    let program = Program::new(&authentic, &Policy::standard().unwrap()).unwrap();
    let verified = authentic.admit_with(&DangerUnrevoked, time, Some(&possession)).unwrap();
    for (request, expected) in [
        (get_account(7), "allow"),
        (get_account(8), "proof-invalid"),
        (request("crm/delete", "{\"id\": 7}"), "proof-invalid"),
    ] {
        assert_eq!(code(&decide(&verified, &program, &request)), expected);
    }
}

#[test]
fn revocation_is_asked_before_the_proof() {
    struct All;
    impl hardtack::verify::RevocationView for All {
        fn age_millis(&self, _: Timestamp) -> Option<u64> {
            Some(0)
        }
        fn is_revoked(&self, _: &hardtack::model::Key16) -> bool {
            true
        }
    }
    let reason = known().0.admit(&All, now()).unwrap_err();
    assert_eq!(reason.code, Code::Revoked);
}

#[test]
fn headers_and_meta_carry_the_same_and_debug_shows_none_of_it() {
    let sent = presented(&bound(), &holder(0), &get_account(7), 1);
    let authorization = sent.authorization();
    let by_headers =
        Presented::from_headers([authorization.as_bytes()], [sent.dpop().as_bytes()]).unwrap();
    assert_eq!(by_headers.proof(), Some(sent.dpop()));
    let meta: serde_json::Map<String, Value> =
        sent.meta().into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    let meta = serde_json::to_string(&meta).unwrap();
    let meta = hardtack::model::Json::parse(meta.as_bytes(), Default::default()).unwrap();
    let read = hardtack::present::Credentials::from_meta(&meta).unwrap();
    assert_eq!((read.token(), read.proof()), (sent.token(), Some(sent.dpop())));
    let unspent = check(sent.dpop()).unwrap();
    let secret = holder(0).to_secret_text();
    let debug = format!(
        "{sent:?} {by_headers:?} {read:?} {unspent:?} {:?} {:?}",
        holder(0),
        check(&proof()).unwrap().danger_unrecorded()
    );
    for hidden in [&sent.token()[..30], &sent.dpop()[..30], secret.rsplit('/').next().unwrap()] {
        assert!(!debug.contains(hidden), "{debug}");
    }
}
