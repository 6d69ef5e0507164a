//! jsonwebtoken and cedar-policy: one signed set of claims, and a policy that reads it.
//!
//! A JWT cannot be narrowed by its holder: at each hop the issuer would sign a new one, so its cost
//! is the same at any depth, and the call to the issuer is not counted. The claims hold what the
//! token of the others holds; the policies are theirs, seven `forbid` and one `permit`. *Cold*
//! checks the token's text and then decides; *warm* makes Cedar's request of typed values and
//! decides; *alone* has even the request made before. EdDSA by the backend that jsonwebtoken's
//! documentation installs.

use std::time::{SystemTime, UNIX_EPOCH};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, RestrictedExpression,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::work;

const POLICIES: &str = r#"
forbid(principal, action == Action::"call", resource)
  when { context.labels.contains("destructive") && context.depth > 1 };
forbid(principal, action == Action::"call", resource)
  when { context.labels.contains("payout") && context.weekday > 5 };
forbid(principal, action == Action::"call", resource)
  when { context.minute_of_day >= 1380 };
forbid(principal, action == Action::"call", resource)
  when { context.amount > 100000 };
forbid(principal, action == Action::"call", resource)
  when { context.charge like "test_*" };
forbid(principal, action == Action::"call", resource)
  when { context.note like "*chargeback*" };
forbid(principal, action == Action::"call", resource)
  when { context.method == "POST" && context.path like "/internal/*" };
permit(principal, action == Action::"call", resource == Tool::"stripe/refund")
  when {
    context.token.tool == "stripe/refund" &&
    context.amount <= context.token.amount_max &&
    context.token.currencies.contains(context.currency) &&
    context.token.args.containsAll(context.arg_names) &&
    context.time < context.token.exp &&
    context.audience == context.token.aud &&
    context.depth <= context.token.depth_max
  };
"#;

/// What the token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    sub: String,
    aud: String,
    exp: i64,
    jti: String,
    tool: String,
    amount_max: i64,
    currencies: Vec<String>,
    args: Vec<String>,
    depth_max: i64,
}

/// A gateway that checks a JWT and asks Cedar.
pub struct Gateway {
    key: DecodingKey,
    validation: Validation,
    text: String,
    claims: Claims,
    uids: [EntityUid; 3],
    policies: PolicySet,
    entities: Entities,
    authorizer: Authorizer,
    now: i64,
}

impl Gateway {
    /// Signs a token, parses the policies.
    pub fn new() -> Self {
        let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("time").as_secs() as i64;
        let strings = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let claims = Claims {
            sub: "user:alice@example.com".to_owned(),
            aud: work::AUDIENCE.to_owned(),
            exp: now + 3600,
            jti: "01968d2c-7e5b-7cc3-9c55-1f0f4d7b6a11".to_owned(),
            tool: format!("{}/{}", work::TOOL.0, work::TOOL.1),
            amount_max: work::amount_max(work::DEPTH_MAX) as i64,
            currencies: strings(&work::CURRENCIES),
            args: strings(&work::ARG_NAMES),
            depth_max: work::DEPTH_MAX as i64,
        };
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[work::AUDIENCE]);
        let encoding = EncodingKey::from_ed_der(&pkcs8(&signing.to_bytes()));
        let text = encode(&Header::new(Algorithm::EdDSA), &claims, &encoding).expect("token");
        let uid = |text: &str| text.parse().expect("uid");
        Self {
            key: DecodingKey::from_ed_der(signing.verifying_key().as_bytes()),
            validation,
            text,
            claims,
            uids: [
                uid(r#"Agent::"worker""#),
                uid(r#"Action::"call""#),
                uid(r#"Tool::"stripe/refund""#),
            ],
            policies: POLICIES.parse().expect("policies"),
            entities: Entities::empty(),
            authorizer: Authorizer::new(),
            now,
        }
    }

    /// The token's signature and registered claims.
    pub fn verify(&self) -> Option<Claims> {
        decode(&self.text, &self.key, &self.validation).ok().map(|token| token.claims)
    }

    /// A request with a token's text.
    pub fn cold(&self) -> bool {
        self.verify().is_some_and(|claims| self.decide(&self.request(&claims, work::AMOUNT)))
    }

    /// A request with claims that were verified before.
    pub fn warm(&self) -> bool {
        self.decide(&self.request(&self.claims, work::AMOUNT))
    }

    /// Whether the policies refuse what goes beyond the claims, as they must.
    pub fn refuses_more(&self) -> bool {
        !self.decide(&self.request(&self.claims, work::amount_refused(work::DEPTH_MAX)))
    }

    /// Cedar's request, made of values.
    pub fn ready(&self) -> Request {
        self.request(&self.claims, work::AMOUNT)
    }

    /// Cedar's decision alone.
    pub fn decide(&self, request: &Request) -> bool {
        let response = self.authorizer.is_authorized(request, &self.policies, &self.entities);
        response.decision() == Decision::Allow
    }

    fn request(&self, claims: &Claims, amount: i64) -> Request {
        let context = Context::from_pairs(context(claims, amount, self.now)).expect("context");
        let [principal, action, resource] = self.uids.clone();
        Request::new(principal, action, resource, context, None).expect("request")
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self::new()
    }
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn texts<'a>(all: impl IntoIterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(all.into_iter().map(text))
}

fn context(claims: &Claims, amount: i64, now: i64) -> Vec<(String, RestrictedExpression)> {
    let long = RestrictedExpression::new_long;
    let token = [
        ("tool", text(&claims.tool)),
        ("amount_max", long(claims.amount_max)),
        ("currencies", texts(claims.currencies.iter().map(String::as_str))),
        ("args", texts(claims.args.iter().map(String::as_str))),
        ("exp", long(claims.exp)),
        ("aud", text(&claims.aud)),
        ("depth_max", long(claims.depth_max)),
    ];
    let token = token.map(|(name, value)| (name.to_owned(), value));
    let pairs = [
        ("time", long(now)),
        ("weekday", long(work::WEEKDAY)),
        ("minute_of_day", long(work::MINUTE)),
        ("audience", text(work::AUDIENCE)),
        ("depth", long(3)),
        ("labels", texts(work::LABELS)),
        ("method", text(work::HTTP.0)),
        ("path", text(work::HTTP.1)),
        ("arg_names", texts(work::ARG_NAMES)),
        ("amount", long(amount)),
        ("currency", text(work::CURRENCY)),
        ("charge", text(work::CHARGE)),
        ("note", text(work::NOTE)),
        ("token", RestrictedExpression::new_record(token).expect("record")),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

/// An ed25519 seed as PKCS #8, which is what jsonwebtoken takes (RFC 8410).
fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    [head.as_slice(), seed].concat()
}
