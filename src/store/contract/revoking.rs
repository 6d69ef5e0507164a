//! What revoking hits beyond one task, and what a restart leaves.

use super::*;
use crate::feed::{Entry, Subject};
use crate::keys::{HolderKey, RootKey, RootState, TrustedRoot};

fn key(seed: u64) -> VerifyingKey {
    HolderKey::generate(&mut StdRng::seed_from_u64(seed)).public()
}

fn root(seed: u64) -> TrustedRoot {
    let key = RootKey::generate(&mut StdRng::seed_from_u64(100 + seed)).public();
    TrustedRoot { id: key.id(), key, state: RootState::Active }
}

/// A task that one revocation each can hit: by its number it was issued at that second.
fn task_of(client: &str, number: u64, agent: &str, holder: u64, by: u64) -> NewTask {
    let (agent, holder) = (Some(agent.to_owned()), Some(key(holder)));
    let task = TaskRecord { agent, holder, root: root(by).id, ..new_task(client, number) };
    NewTask { root: root(by).key, ..plain(task) }
}

/// Five tasks at seconds 1 to 5, and one that ended by itself.
async fn filled(store: &impl Store) -> String {
    let client = add(store, 1, "one").await;
    for (number, agent, holder, by) in
        [(1, "a", 1, 1), (2, "b", 1, 1), (3, "a", 2, 1), (4, "b", 2, 2), (5, "c", 3, 1)]
    {
        let task = task_of(&client, number, agent, holder, by);
        assert_eq!(store.add_task(task).await, Ok(TaskAdded::Added));
    }
    let mut over = task_of(&client, 0, "a", 1, 1);
    over.task.expires = at(9);
    assert_eq!(store.add_task(over).await, Ok(TaskAdded::Added));
    client
}

/// The seconds at which the tasks were issued that are in a state.
async fn in_state(store: &impl Store, state: TaskState, now: Timestamp) -> Vec<u64> {
    let filter = TaskFilter { client: None, state: Some(state), now };
    let page = store.tasks(filter, PageRequest::default()).await.unwrap();
    page.items.iter().rev().map(|task| task.created.secs() - at(0).secs()).collect()
}

async fn done(store: &impl Store, revocation: NewRevocation) -> (RevocationEntry, u64) {
    match store.revoke(revocation).await.unwrap() {
        Revoked::Entry { entry, live_tasks } => (entry, live_tasks),
        Revoked::TooMany => panic!("too many"),
    }
}

async fn foreseen(store: &impl Store, revocation: NewRevocation) -> (Option<u64>, u64) {
    match store.foresee(revocation).await.unwrap() {
        Foreseen::Entry { known, live_tasks } => (known.map(|entry| entry.seq), live_tasks),
        Foreseen::TooMany => panic!("too many"),
    }
}

/// Each kind, the key it is under, and the tasks of [`filled`] that it ends at second 10.
fn kinds() -> [(NewRevocation, Key16, Vec<u64>); 4] {
    let (holder, root) = (key(1), root(1));
    let moment = Key16(u128::from(at(3).secs()).to_be_bytes());
    [
        (NewRevocation::of_agent("a".to_owned(), at(10)), Key16::of(b"a"), vec![1, 3]),
        (NewRevocation::of_holder(holder, at(10)), Key16::of(&holder.to_bytes()), vec![1, 2]),
        (NewRevocation::of_root(&root, at(10)), Key16::of(&root.key.to_bytes()), vec![1, 2, 3, 5]),
        (NewRevocation::of_before(at(3), at(10)), moment, vec![1, 2]),
    ]
}

/// What is foreseen is what comes, and foreseeing changes nothing.
pub(super) async fn each_kind_ends_the_live_tasks_it_hits<S: Store, F: Future<Output = S>>(
    empty: &impl Fn() -> F,
) {
    for (revocation, key16, hit) in kinds() {
        let store = &empty().await;
        filled(store).await;
        let count = hit.len() as u64;
        for _ in 0..2 {
            assert_eq!(foreseen(store, revocation.clone()).await, (None, count));
        }
        assert_eq!(
            (store.revocation_seq().await, in_state(store, TaskState::Revoked, at(10)).await),
            (Ok(0), vec![])
        );
        let (entry, live_tasks) = done(store, revocation.clone()).await;
        assert_eq!((entry.seq, entry.kind, entry.key16), (1, revocation.kind, key16));
        assert_eq!(live_tasks, count);
        assert_eq!(in_state(store, TaskState::Revoked, at(10)).await, hit);
        assert_eq!(in_state(store, TaskState::Expired, at(10)).await, [0]);
        // Once more there is nothing left to end.
        assert_eq!(foreseen(store, revocation.clone()).await, (Some(1), 0));
        let again = done(store, revocation).await;
        assert_eq!((again.0.seq, again.1), (1, 0));
        let listed = store.revocations(at(10)).await.unwrap();
        assert_eq!((listed.seq, listed.entries), (1, vec![entry.clone()]));
        let logged = store.log_after(0, 10).await.unwrap().entries;
        let subject = Subject::of(entry.kind, key16).unwrap();
        assert_eq!(logged.iter().map(Entry::subject).collect::<Vec<_>>(), [subject]);
    }
}

/// How long each kind matters.
pub(super) async fn kinds_end_when_nothing_is_left_to_hit(store: &impl Store) {
    let day = limits::TOKEN_TTL_SECS_MAX;
    for (revocation, _, _) in kinds() {
        let (entry, _) = done(store, revocation).await;
        match entry.kind {
            RevocationKind::Root => assert_eq!(entry.not_after.secs(), u64::from(u32::MAX)),
            _ => assert_eq!(entry.not_after, at(10 + day)),
        }
    }
    let ends: Vec<u32> =
        store.log_after(2, 1).await.unwrap().entries.iter().map(Entry::ends).collect();
    assert_eq!(ends, [u32::MAX]);
    // A moment to come, with a fraction: what is issued until then ends a day after it.
    let moment = Timestamp::from_millis(at(13).millis() + 1);
    let (entry, _) = done(store, NewRevocation::of_before(moment, at(10))).await;
    assert_eq!(entry.key16, Key16(u128::from(at(14).secs()).to_be_bytes()));
    assert_eq!(entry.not_after, at(14 + day));
}

/// An entry that cannot be written ends nothing.
pub(super) async fn an_entry_and_what_it_ends_are_one_change(store: &impl Store) {
    filled(store).await;
    let bad = NewRevocation {
        reason: Some("two\nlines".to_owned()),
        ..NewRevocation::of_agent("a".to_owned(), at(10))
    };
    assert_eq!(store.revoke(bad).await, Err(StoreError::Malformed("reason")));
    let moment = NewRevocation { key16: Key16([7; 16]), ..NewRevocation::of_before(at(9), at(10)) };
    assert_eq!(store.revoke(moment).await, Err(StoreError::Malformed("key16")));
    assert_eq!(store.revocation_seq().await, Ok(0));
    assert_eq!(in_state(store, TaskState::Revoked, at(10)).await, [0_u64; 0]);
}

/// No task begins whose token every verifier would refuse; and a later one does.
pub(super) async fn no_task_begins_that_is_revoked(store: &impl Store) {
    let client = add(store, 1, "one").await;
    let day = limits::TOKEN_TTL_SECS_MAX;
    for (revocation, _, _) in kinds().into_iter().take(2) {
        done(store, revocation).await;
    }
    done(store, NewRevocation::of_root(&root(9), at(10))).await;
    done(store, NewRevocation::of_before(at(12), at(10))).await;
    let last = 10 + day + limits::CLOCK_SKEW_SECS;
    let (agent, holder) = (RevocationKind::Agent, RevocationKind::Holder);
    for (number, agent, holder, by, expected) in [
        (11, "c", 3, 1, Some(RevocationKind::Before)),
        (12, "c", 3, 1, None),
        (13, "a", 3, 1, Some(agent)),
        (14, "c", 1, 1, Some(holder)),
        (15, "c", 3, 9, Some(RevocationKind::Root)),
        (last, "a", 3, 1, Some(agent)),
        (last, "c", 1, 1, Some(holder)),
        (last + 1, "a", 1, 1, None),
        (last + 2, "c", 3, 9, Some(RevocationKind::Root)),
    ] {
        let task = task_of(&client, number, agent, holder, by);
        let (id, proof) = (task.task.id.clone(), SpentProof { key: [1; 32], closes: at(20) });
        // The request that is refused does not spend what the next one comes with.
        let proof = (number == 11 || number == 12).then_some(proof);
        let added = store.add_task(NewTask { proof, ..task }).await;
        assert_eq!(added, Ok(expected.map_or(TaskAdded::Added, TaskAdded::Revoked)), "{number}");
        assert_eq!(store.task(&id).await.unwrap().is_some(), expected.is_none());
    }
}

/// A new log begins with all of before, and goes on with what hits later tokens too.
pub(super) async fn a_log_that_lost_entries_begins_anew(store: &impl Store) {
    let client = filled(store).await;
    let old = store.log_after(0, 1).await.unwrap().epoch;
    let day = limits::TOKEN_TTL_SECS_MAX;
    seq(store, block(1, at(100))).await;
    done(store, NewRevocation::of_agent("x".to_owned(), at(8))).await;
    done(store, NewRevocation::of_root(&root(2), at(8))).await;
    let by = Some("client:1".to_owned());
    done(store, NewRevocation { by, ..NewRevocation::of_agent("x".to_owned(), at(9)) }).await;
    done(store, NewRevocation::of_before(at(1), at(9))).await;
    let ended = NewRevocation { not_after: at(2), ..NewRevocation::of_holder(key(7), at(1)) };
    done(store, ended).await;
    let now = Timestamp::from_millis(at(10).millis() + 1);
    let epoch = now.secs().max(old + 1);
    let expected = Restart { epoch, entries: 6, carried: 2, live_tasks: 4 };
    for _ in 0..2 {
        assert_eq!(store.foresee_restart(now).await, Ok(expected));
    }
    assert_eq!(store.revocation_seq().await, Ok(6));
    assert_eq!(store.restart_log("operator".to_owned(), now).await, Ok(expected));
    let part = store.log_after(0, 10).await.unwrap();
    let start = LogHash::start(epoch);
    let hash = part.entries.iter().fold(start, |hash, entry| hash.then(entry));
    assert_eq!((part.epoch, part.seq, part.hash), (epoch, 3, hash));
    let subjects: Vec<_> = part.entries.iter().map(|e| (e.subject(), e.ends(), e.by())).collect();
    let secs = |at: Timestamp| at.secs() as u32;
    assert_eq!(
        subjects,
        [
            (Subject::Before(at(11)), secs(at(11 + day)), Some("operator")),
            (Subject::Agent(Key16::of(b"x")), secs(at(9 + day)), Some("client:1")),
            (Subject::Root(Key16::of(&root(2).key.to_bytes())), u32::MAX, None),
        ]
    );
    assert_eq!(store.log_hash(4).await, Ok(None));
    assert_eq!(in_state(store, TaskState::Active, at(10)).await, [0_u64; 0]);
    let added =
        async |number, agent| store.add_task(task_of(&client, number, agent, 3, 1)).await.unwrap();
    assert_eq!(added(12, "x").await, TaskAdded::Revoked(RevocationKind::Agent));
    assert_eq!(added(12, "c").await, TaskAdded::Added);
    // It is a log like any other: it goes on, and can begin anew itself.
    assert_eq!(seq(store, block(1, at(100))).await, 4);
    let again = store.restart_log("operator".to_owned(), at(13)).await.unwrap();
    let epoch = at(13).secs().max(epoch + 1);
    assert_eq!(again, Restart { epoch, entries: 4, carried: 2, live_tasks: 1 });
}
