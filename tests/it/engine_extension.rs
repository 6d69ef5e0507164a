//! A program made block by block is the one made of all blocks at once.

use std::fmt::Debug;

use hardtack::decide::engine::{CompileError, PolicyCode, Program};
use hardtack::model::Block;

use crate::engine_programs::Generated;
use crate::engine_support::{STEPS, block_of_code};

const PROGRAMS: u64 = 2_500;

/// What a program says, in every respect that can be seen; `None` is the answer to no extension.
fn says(
    program: &Result<Program, CompileError>,
    generated: &Generated,
) -> Result<impl Debug + PartialEq + use<>, CompileError> {
    let program = program.as_ref().map_err(Clone::clone)?;
    let evaluation = program.evaluate(&generated.facts, STEPS);
    Ok(evaluation.map(|it| {
        let seen: Vec<_> = [("path", 2), ("arg", 2), ("name", 1), ("int", 1)]
            .iter()
            .map(|(name, arity)| (it.visible(name, *arity), it.authority_only(name, *arity)))
            .collect();
        (it.steps(), it.policy(), it.failed_checks().to_vec(), seen)
    }))
}

/// The program of some more blocks; from scratch where it cannot be made otherwise.
fn grown(
    parent: &Program,
    blocks: &[Block],
    policy: &PolicyCode,
    anew: &mut usize,
) -> Result<Program, CompileError> {
    let extended = parent.extended(&blocks[parent.blocks()..])?;
    extended.map(Ok).unwrap_or_else(|| {
        *anew += 1;
        Program::compile(blocks, policy)
    })
}

#[test]
fn a_program_made_block_by_block_says_the_same() {
    let (mut steps, mut anew, mut refused) = (0, 0, 0);
    for seed in 0..PROGRAMS {
        let mut generated = Generated::new(seed);
        if seed % 5 == 0 {
            let broken = block_of_code("f(1); check if f($x), $x > 0;");
            let mut broken = Block { external_key: None, ..broken };
            broken.checks[0].queries[0].body.clear();
            let at = seed as usize % (generated.blocks.len() + 1);
            generated.blocks.insert(at, broken);
        }
        let (blocks, policy) = (&generated.blocks, &generated.policy);
        let mut program = Program::of_policy(policy).unwrap();
        for count in 1..=blocks.len() {
            let next = grown(&program, &blocks[..count], policy, &mut anew);
            let whole = Program::compile(&blocks[..count], policy);
            assert_eq!(says(&next, &generated), says(&whole, &generated), "seed {seed} {count}");
            steps += 1;
            let Ok(next) = next else {
                refused += 1;
                break;
            };
            program = next;
        }
        // All at once, onto the policy alone.
        let base = Program::of_policy(policy).unwrap();
        let whole = Program::compile(blocks, policy);
        let next = grown(&base, blocks, policy, &mut anew);
        assert_eq!(says(&next, &generated), says(&whole, &generated), "seed {seed}");
    }
    println!("{steps} steps, {anew} of them from scratch, {refused} refused");
    assert!(anew > 100 && anew * 4 < steps && refused > 100);
}
