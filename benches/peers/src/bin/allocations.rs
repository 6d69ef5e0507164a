//! Counts the allocations of one decision, for everybody.
//!
//! A process of its own: counting replaces the allocator, which would slow down what is timed, and
//! most of all whoever allocates most. One line each: name, tab, count, tab, bytes.

use peers::biscuits::Authorizing;
use peers::jwt_cedar;
use peers::ours::Issuer;
use peers::rows::Fixture;
use peers::warrants::Chain;

const DEPTH: usize = 3;

fn count(name: &str, mut f: impl FnMut() -> bool) {
    assert!(f(), "{name}");
    let mut held = false;
    let info = allocation_counter::measure(|| held = f());
    assert!(held, "{name}");
    println!("{name}\t{}\t{}", info.count_total, info.bytes_total);
}

fn main() {
    let mut issuer = Issuer::new();
    let fixture = Fixture::new(&mut issuer, DEPTH);
    let text = fixture.token.to_text();
    count("Hardtack, warm", || fixture.gateway.decide(&text));
    let authorizing = Authorizing::new(issuer.biscuit_key(), DEPTH);
    let biscuit = authorizing.verify(fixture.token.as_bytes()).expect("biscuit");
    count("biscuit-auth, warm", || authorizing.warm(&biscuit));
    let chain = Chain::new(DEPTH);
    let proof = chain.prove();
    count("tenuo, whole request", || chain.whole(&proof));
    count("tenuo, kept decoded", || chain.decoded(&proof));
    count("tenuo, chain remembered", || chain.remembered(&proof));
    let jwt = jwt_cedar::Gateway::new();
    count("Cedar, warm", || jwt.warm());
    let ready = jwt.ready();
    count("Cedar, request ready", || jwt.decide(&ready));
}
