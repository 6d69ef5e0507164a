//! One hostile token and request through every step, and what each step takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use biscuit_auth::builder::BlockBuilder;
use biscuit_auth::{Biscuit, UnverifiedBiscuit};
use hardtack::decide::{Decision, Policy, Program, decide};
use hardtack::keys::TrustedRoots;
use hardtack::model::{Args, JsonProfile, Reason, Request};
use hardtack::token::UnverifiedToken;
use hardtack::verify::{DangerUnrevoked, authenticate};

use crate::support::{judge_with, now, root, token};

/// What an attacker chooses: blocks for a token that allows the call, and the arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attack {
    /// Datalog, one text a block.
    pub(crate) blocks: Vec<String>,
    /// JSON.
    pub(crate) args: String,
}

/// What deciding it took, the signatures left out, and what was decided.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    /// From bytes to blocks.
    pub(crate) decode: Duration,
    /// What the signature library does beside signatures, and the words of the vocabulary.
    pub(crate) verify: Duration,
    /// Making the program.
    pub(crate) compile: Duration,
    /// The decision itself.
    pub(crate) decide: Duration,
    /// The decisive code, or `allow`.
    pub(crate) code: &'static str,
}

impl Cost {
    /// All of it.
    pub(crate) fn total(&self) -> Duration {
        self.decode + self.verify + self.compile + self.decide
    }
}

/// The token that an attacker makes, if Biscuit's own library writes it.
pub(crate) fn forge(attack: &Attack) -> Option<Vec<u8>> {
    let mut forged = UnverifiedBiscuit::from(token(r#"[{"tool": "crm/get"}]"#).as_bytes()).ok()?;
    for block in &attack.blocks {
        forged = forged.append(BlockBuilder::new().code(block).ok()?).ok()?;
    }
    forged.to_vec().ok()
}

/// The call that it is shown with.
pub(crate) fn call(args: &str) -> Option<Request> {
    Some(Request {
        tool: "crm/get".parse().ok()?,
        args: Args::parse(args, JsonProfile::Interoperable).ok()?,
        labels: Default::default(),
        audience: "gw".to_owned(),
        time: now().plus_secs(60),
        http: None,
    })
}

/// Measures an attack, each step as the fastest of `times` runs; `None` where it never gets as far
/// as a program: its shape is refused.
pub(crate) fn measure(attack: &Attack, policy: &Policy, times: usize) -> Option<Cost> {
    let bytes = forge(attack)?;
    let request = call(&attack.args)?;
    let roots = TrustedRoots::one(root().public());
    let key = root().public().to_biscuit().ok()?;
    let token = UnverifiedToken::from_bytes(bytes.clone()).ok()?;
    let authentic = Arc::new(authenticate(token.clone(), &roots).ok()?);
    let decode = fastest(times, || UnverifiedToken::from_bytes(bytes.clone()));
    let whole = fastest(times, || authenticate(token.clone(), &roots));
    let library = fastest(times, || Biscuit::from(&bytes, key));
    let verify = whole.saturating_sub(library);
    let compile = fastest(times, || Program::new(&authentic, policy));
    let (decide, code) = match Program::new(&authentic, policy) {
        Err(reason) => (Duration::ZERO, reason.code.as_str()),
        Ok(program) => {
            let verified = authentic.admit(&DangerUnrevoked, request.time).ok()?;
            let took = fastest(times, || decide(&verified, &program, &request));
            let code = crate::support::code(&decide(&verified, &program, &request));
            (took, code)
        }
    };
    Some(Cost { decode, verify, compile, decide, code })
}

/// The outcome alone.
pub(crate) fn outcome(attack: &Attack, policy: &Policy) -> Decision {
    let request = call(&attack.args).unwrap();
    match UnverifiedToken::from_bytes(forge(attack).unwrap()) {
        Ok(token) => judge_with(token, &request, policy, &DangerUnrevoked),
        Err(error) => Decision::deny(Reason::new(error.code, error.message)),
    }
}

fn fastest<T>(times: usize, mut run: impl FnMut() -> T) -> Duration {
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        let took = start.elapsed();
        drop(result);
        took
    };
    (0..times).map(|_| timed()).min().unwrap_or_default()
}
