//! Grants as JSON, a zero byte, and arguments as JSON: what is compiled is read back as the same
//! grants, and a token of them allows exactly what they permit.

#![no_main]

use std::sync::{Arc, LazyLock};

use hardtack::decide::{Policy, Program, decide};
use hardtack::keys::{RootKey, TrustedRoots};
use hardtack::mint::{Task, mint};
use hardtack::model::{Args, Code, JsonProfile, Request, Timestamp, Tool, ToolPattern};
use hardtack::verify::{DangerUnrevoked, authenticate};
use hardtack::vocabulary::grant::grants_from_json;
use hardtack::vocabulary::{Grant, compile, read};
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;

static ROOT: LazyLock<RootKey> = LazyLock::new(|| RootKey::generate(&mut StdRng::seed_from_u64(1)));
static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::standard().expect("is a policy"));
const NOW: u64 = 1_795_341_600;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let Ok(grants) = grants_from_json(parts.next().unwrap_or_default()) else { return };
    if let Ok(check) = compile::check(&grants) {
        let shown = |grants: &[Grant]| grants.iter().map(Grant::to_string).collect::<Vec<_>>();
        if let Some(read) = read::check(&check) {
            let again = compile::check(&read).expect("what is read compiles");
            assert_eq!(shown(&read::check(&again).expect("is read again")), shown(&read));
        }
    }
    let args = parts.next().and_then(|json| std::str::from_utf8(json).ok()).unwrap_or("{}");
    let Ok(args) = Args::parse(args, JsonProfile::Interoperable) else { return };
    let Some(tool) = grants.iter().flat_map(|grant| &grant.tools).find_map(a_tool) else { return };
    let request = Request {
        tool,
        args,
        labels: grants.iter().flat_map(|grant| grant.labels.clone()).collect(),
        audience: "gw".to_owned(),
        time: Timestamp::from_secs(NOW + 60),
        http: None,
    };
    agree(grants, &request);
});

/// A tool that a pattern takes.
fn a_tool(pattern: &ToolPattern) -> Option<Tool> {
    match pattern {
        ToolPattern::One(tool) => Some(tool.clone()),
        ToolPattern::Server(server) => Tool::new(server, "tool").ok(),
    }
}

fn agree(grants: Vec<Grant>, request: &Request) {
    let permitted = grants.iter().any(|grant| grant.permits(request).is_ok());
    let task = Task::new(grants, Some(["gw".to_owned()].into()));
    let now = Timestamp::from_secs(NOW);
    let Ok(minted) = mint(&task, &ROOT, now, &mut StdRng::seed_from_u64(2)) else { return };
    let roots = TrustedRoots::one(ROOT.public());
    let authentic = Arc::new(authenticate(minted.token, &roots).expect("what is minted is genuine"));
    let Ok(program) = Program::new(&authentic, &POLICY) else { return };
    let verified = authentic.admit(&DangerUnrevoked, request.time).expect("is not revoked");
    let decision = decide(&verified, &program, request);
    let too_complex = decision.code() == Some(Code::TokenTooComplex);
    assert!(too_complex || decision.is_allow() == permitted, "{permitted}, {decision:?}");
}
