//! The protocol of the feed as a small state machine: an authority that appends, signs, rotates its
//! key and loses its log; a carrier that keeps, repeats, drops, swaps, changes and forges; a follower,
//! the real one, that asks, fetches, saves and crashes.
//!
//! Safety, after every step: a view never goes back (it may begin anew, and is not fresh then), holds
//! all that it claims to and nothing else, and is never called fresh without everything that was
//! acknowledged before. Liveness: after the last fault it gets to where the authority is.

mod world;

use std::collections::HashSet;

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use self::world::{ACTIONS, Action, World};

/// Every state that so few steps lead to.
#[test]
fn every_short_history_is_safe_and_ends_well() {
    let depth = std::env::var("HARDTACK_MODEL_DEPTH").ok().and_then(|text| text.parse().ok());
    let (mut known, mut edge) = (HashSet::new(), vec![World::new()]);
    for _ in 0..depth.unwrap_or(5) {
        let mut next = Vec::new();
        for world in &edge {
            for action in ACTIONS {
                let mut world = world.clone();
                let _ = world.step(action);
                world.check();
                if known.insert(world.essence()) {
                    world.clone().settle();
                    next.push(world);
                }
            }
        }
        edge = next;
    }
    println!("{} states", known.len());
    assert!(known.len() > 1000);
}

/// What the authority has done: all that a history of any length is held against.
struct Authority;

impl ReferenceStateMachine for Authority {
    type State = usize;
    type Transition = Action;

    fn init_state() -> BoxedStrategy<usize> {
        Just(0).boxed()
    }

    fn transitions(_: &usize) -> BoxedStrategy<Action> {
        prop_oneof![
            3 => Just(Action::Append),
            3 => Just(Action::Sign),
            6 => proptest::sample::select(ACTIONS.to_vec()),
        ]
        .boxed()
    }

    fn apply(appended: usize, action: &Action) -> usize {
        appended + usize::from(*action == Action::Append)
    }
}

struct Histories;

impl StateMachineTest for Histories {
    type SystemUnderTest = World;
    type Reference = Authority;

    fn init_test(_: &usize) -> World {
        World::new()
    }

    fn apply(mut world: World, _: &usize, action: Action) -> World {
        let _ = world.step(action);
        world.check();
        world
    }

    fn check_invariants(world: &World, appended: &usize) {
        assert!(world.appended() >= *appended);
    }

    fn teardown(mut world: World, _: usize) {
        world.settle();
    }
}

prop_state_machine! {
    #![proptest_config(crate::generators::cases_up_to(60, 1000))]

    #[test]
    fn any_history_is_safe_and_ends_well(sequential 1..60 => Histories);
}
