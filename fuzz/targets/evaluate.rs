//! Random programs, written by the fuzzer's bytes in place of random numbers: compiling and
//! evaluating is bounded, and the answer is the same whenever it is asked for and in whatever order
//! facts come.

#![no_main]

#[path = "../../tests/it/engine_programs/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub)]
mod engine_programs;

use biscuit_auth::builder::Fact;
use engine_programs::Generated;
use hardtack::decide::engine::Program;
use hardtack::model::limits::EVALUATION_STEPS_MAX;
use libfuzzer_sys::fuzz_target;
use rand::{Error, RngCore};

/// Bytes in place of random numbers; when they are used up, zeros.
struct Bytes<'a>(&'a [u8]);

impl RngCore for Bytes<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        // One byte a choice, so that one byte changed is one choice changed.
        self.fill_bytes(&mut bytes[3..]);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) << 32
    }

    fn fill_bytes(&mut self, into: &mut [u8]) {
        let (now, later) = self.0.split_at(into.len().min(self.0.len()));
        into.fill(0);
        into[..now.len()].copy_from_slice(now);
        self.0 = later;
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(into);
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let generated = Generated::of(Bytes(data));
    let Ok(program) = Program::compile(&generated.blocks, &generated.policy) else { return };
    let judge = |facts: &[Fact]| {
        program.evaluate(facts, EVALUATION_STEPS_MAX).map(|evaluation| {
            assert!(evaluation.steps() <= EVALUATION_STEPS_MAX);
            let derived = evaluation.visible("path", 2);
            (evaluation.steps(), evaluation.policy(), evaluation.failed_checks().to_vec(), derived)
        })
    };
    let answer = judge(&generated.facts);
    assert_eq!(judge(&generated.facts), answer);
    let reversed: Vec<Fact> = generated.facts.iter().rev().cloned().collect();
    assert_eq!(judge(&reversed), answer);
});
