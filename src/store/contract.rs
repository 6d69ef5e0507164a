//! What every store has to do. A new one calls [`check_all`] with a way to make an empty store.

mod revoking;

use std::future::Future;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::keys::{RootKey, VerifyingKey};
use crate::model::{Key16, limits};
use crate::verify::{RevocationEntry, RevocationKind};
use crate::vocabulary::grant::grants_from_json;

const GRANT: &[u8] = br#"[{"tool": "stripe/refund", "args": {"amount": {"max": 12.5}}},
    {"server": "crm", "labels": ["read"]}]"#;

/// Runs the whole contract, each part on an empty store.
pub(super) async fn check_all<S: Store, F: Future<Output = S>>(empty: impl Fn() -> F) {
    clients_come_back_as_they_were_added(&empty().await).await;
    client_names_are_unique_and_disabling_lasts(&empty().await).await;
    tasks_come_back_as_they_were_added(&empty().await).await;
    tasks_are_listed_in_pages_newest_first(&empty().await).await;
    repeated_requests_add_nothing(&empty().await).await;
    a_proof_makes_one_task(&empty().await).await;
    completing_revokes_once(&empty().await).await;
    the_log_counts_without_gaps(&empty().await).await;
    the_log_has_one_hash_at_every_place(&empty().await).await;
    the_log_keeps_the_later_end(&empty().await).await;
    entries_of_one_task_are_bounded(&empty().await).await;
    revoking::each_kind_ends_the_live_tasks_it_hits(&empty).await;
    revoking::kinds_end_when_nothing_is_left_to_hit(&empty().await).await;
    revoking::an_entry_and_what_it_ends_are_one_change(&empty().await).await;
    revoking::no_task_begins_that_is_revoked(&empty().await).await;
    revoking::a_log_that_lost_entries_begins_anew(&empty().await).await;
    a_bad_write_harms_no_other(&empty().await).await;
    a_closed_store_takes_no_writes(&empty().await).await;
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + secs)
}

fn new_client(seed: u64, name: &str) -> NewClient {
    let key = ClientKey::generate(&mut StdRng::seed_from_u64(seed));
    let limits = ClientLimits {
        ceiling: grants_from_json(GRANT).unwrap(),
        audience: Some(["gateway".to_owned()].into()),
        ttl_secs_max: Some(600),
        depth_max: None,
        bearer: true,
    };
    let (id, name) = (key.id().to_owned(), name.to_owned());
    let client = Client { id, name, is_admin: false, limits, created: at(0), disabled: None };
    NewClient { client, key: key.digest() }
}

fn new_task(client: &str, number: u64) -> TaskRecord {
    TaskRecord {
        id: format!("00000000-0000-7000-8000-{number:012}"),
        client: client.to_owned(),
        principal: "user:alice".to_owned(),
        agent: Some("agent:\u{1f980} \"quoted\"".to_owned()),
        holder: None,
        intent: None,
        audience: ["b".to_owned(), "a".to_owned()].into(),
        grants: grants_from_json(GRANT).unwrap(),
        depth: 3,
        root: u32::MAX,
        revocation_id: revocation_id(number),
        created: at(number),
        expires: at(number + 900),
        ended: None,
    }
}

fn plain(task: TaskRecord) -> NewTask {
    let root = RootKey::generate(&mut StdRng::seed_from_u64(0)).public();
    NewTask { task, root, idempotency: None, proof: None }
}

fn repeatable(task: TaskRecord, idempotency: Option<Idempotency>) -> NewTask {
    NewTask { idempotency, ..plain(task) }
}

fn revocation_id(number: u64) -> RevocationId {
    RevocationId::new([number.to_be_bytes(); 8].concat())
}

fn block(number: u64, not_after: Timestamp) -> NewRevocation {
    let (kind, key) = (RevocationKind::Block, Key16::of(&number.to_be_bytes()));
    let reason = Some("lost".to_owned());
    NewRevocation { reason, ..NewRevocation::new(kind, key, not_after, at(0)) }
}

fn whole(task: &str, revocation: NewRevocation) -> NewRevocation {
    let ends = Ends::Task(task.to_owned());
    NewRevocation { task: Some(task.to_owned()), ends, ..revocation }
}

async fn add(store: &impl Store, seed: u64, name: &str) -> String {
    let new = new_client(seed, name);
    let id = new.client.id.clone();
    assert_eq!(store.add_client(new).await, Ok(ClientAdded::Added));
    id
}

async fn seq(store: &impl Store, revocation: NewRevocation) -> u64 {
    match store.revoke(revocation).await.unwrap() {
        Revoked::Entry { entry, .. } => entry.seq,
        Revoked::TooMany => panic!("too many"),
    }
}

async fn clients_come_back_as_they_were_added(store: &impl Store) {
    let mut plain = new_client(1, "plain");
    plain.client.limits = ClientLimits::default();
    plain.client.is_admin = true;
    for new in [plain, new_client(2, "limited")] {
        let (client, key) = (new.client.clone(), new.key);
        assert_eq!(store.add_client(new).await, Ok(ClientAdded::Added));
        assert_eq!(store.client(&client.id).await, Ok(Some((client, key))));
    }
    assert_eq!(store.client("0000000000000000").await, Ok(None));
}

async fn client_names_are_unique_and_disabling_lasts(store: &impl Store) {
    let first = add(store, 1, "one").await;
    let second = add(store, 2, "two").await;
    assert_eq!(store.add_client(new_client(3, "one")).await, Ok(ClientAdded::NameTaken));
    let listed = store.clients(PageRequest::default()).await.unwrap();
    let ids: Vec<_> = listed.items.iter().map(|client| client.id.as_str()).collect();
    assert_eq!((ids, listed.next), (vec![second.as_str(), first.as_str()], None));
    for now in [5, 9] {
        let client = store.disable_client(first.clone(), at(now)).await.unwrap().unwrap();
        assert_eq!(client.disabled, Some(at(5)));
    }
    assert_eq!(store.disable_client("none".to_owned(), at(9)).await, Ok(None));
}

async fn tasks_come_back_as_they_were_added(store: &impl Store) {
    let client = add(store, 1, "one").await;
    let task = new_task(&client, 1);
    assert_eq!(store.add_task(plain(task.clone())).await, Ok(TaskAdded::Added));
    assert_eq!(store.task(&task.id).await, Ok(Some(task.clone())));
    assert_eq!(store.task_of_block(&task.revocation_id).await, Ok(Some(task)));
    assert_eq!(store.task("none").await, Ok(None));
    assert_eq!(store.task_of_block(&revocation_id(2)).await, Ok(None));
}

async fn tasks_are_listed_in_pages_newest_first(store: &impl Store) {
    let (one, two) = (add(store, 1, "one").await, add(store, 2, "two").await);
    for number in 1..=6 {
        let client = if number % 2 == 0 { &two } else { &one };
        store.add_task(plain(new_task(client, number))).await.unwrap();
    }
    let list = async |client: Option<&String>, state, secs, limit| {
        let (mut after, mut pages) = (None, Vec::new());
        loop {
            let filter = TaskFilter { client: client.cloned(), state, now: at(secs) };
            let page = store.tasks(filter, PageRequest { after, limit }).await.unwrap();
            let numbers = page.items.iter().map(|t| t.created.secs() - at(0).secs());
            pages.push(numbers.collect::<Vec<_>>());
            after = page.next.map(|next| next.to_string().parse().unwrap());
            if after.is_none() {
                return pages;
            }
        }
    };
    assert_eq!(list(None, None, 0, 4).await, [vec![6, 5, 4, 3], vec![2, 1]]);
    assert_eq!(list(None, None, 0, 3).await, [vec![6, 5, 4], vec![3, 2, 1]]);
    assert_eq!(list(Some(&one), None, 0, 2).await, [vec![5, 3], vec![1]]);
    store.complete_task(new_task(&one, 5).id, "client:1".to_owned(), at(7)).await.unwrap();
    assert_eq!(list(None, Some(TaskState::Completed), 7, 9).await, [[5]]);
    assert_eq!(list(None, Some(TaskState::Expired), 902, 9).await, [[2, 1]]);
    assert_eq!(list(None, Some(TaskState::Active), 902, 9).await, [[6, 4, 3]]);
    assert_eq!(list(Some(&two), Some(TaskState::Revoked), 7, 9).await, [[0u64; 0]]);
}

async fn repeated_requests_add_nothing(store: &impl Store) {
    let (one, two) = (add(store, 1, "one").await, add(store, 2, "two").await);
    let key = |body| Some(Idempotency { key: "k".to_owned(), body: [body; 32] });
    let first = new_task(&one, 1);
    assert_eq!(store.add_task(repeatable(first.clone(), key(1))).await, Ok(TaskAdded::Added));
    let again = store.add_task(repeatable(new_task(&one, 2), key(1))).await;
    assert_eq!(again, Ok(TaskAdded::Repeated(first.id)));
    assert_eq!(
        store.add_task(repeatable(new_task(&one, 2), key(2))).await,
        Ok(TaskAdded::KeyReused)
    );
    assert_eq!(store.task(&new_task(&one, 2).id).await, Ok(None));
    assert_eq!(store.add_task(repeatable(new_task(&two, 3), key(2))).await, Ok(TaskAdded::Added));
    let day_later = new_task(&one, 2 + IDEMPOTENCY_SECS);
    assert_eq!(store.add_task(repeatable(day_later, key(2))).await, Ok(TaskAdded::Added));
}

async fn a_proof_makes_one_task(store: &impl Store) {
    let client = add(store, 1, "one").await;
    let proof = |key: u8| Some(SpentProof { key: [key; 32], closes: at(70) });
    let task = |number, key| NewTask { proof: proof(key), ..plain(new_task(&client, number)) };
    assert_eq!(store.add_task(task(1, 1)).await, Ok(TaskAdded::Added));
    for number in [2, 70] {
        assert_eq!(store.add_task(task(number, 1)).await, Ok(TaskAdded::ProofUsed));
        assert_eq!(store.task(&new_task(&client, number).id).await, Ok(None));
    }
    assert_eq!(store.add_task(task(3, 2)).await, Ok(TaskAdded::Added));
    // Nobody accepts it any more, so nobody has to remember it.
    assert_eq!(store.add_task(task(71, 1)).await, Ok(TaskAdded::Added));
}

async fn completing_revokes_once(store: &impl Store) {
    let client = add(store, 1, "one").await;
    let task = new_task(&client, 1);
    store.add_task(plain(task.clone())).await.unwrap();
    let ended = Some(Ended { at: at(5), state: TaskState::Completed });
    for secs in [5, 6] {
        let done = store
            .complete_task(task.id.clone(), "client:1".to_owned(), at(secs))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(done.ended, ended);
    }
    let listed = store.revocations(at(5)).await.unwrap();
    assert_eq!((listed.seq, listed.entries.len()), (1, 1));
    let entry = &listed.entries[0];
    assert_eq!((entry.key16, entry.not_after), (Key16::of(task.id.as_bytes()), task.expires));
    assert_eq!(entry.kind, RevocationKind::Task);
    assert_eq!(
        store.complete_task("none".to_owned(), "client:1".to_owned(), at(5)).await,
        Ok(None)
    );
    // What is revoked afterwards stays completed.
    assert_eq!(seq(store, whole(&task.id, block(1, at(900)))).await, 2);
    assert_eq!(store.task(&task.id).await.unwrap().unwrap().ended, ended);
}

async fn the_log_counts_without_gaps(store: &impl Store) {
    assert_eq!(store.revocation_seq().await, Ok(0));
    let client = add(store, 1, "one").await;
    for number in 1..=20 {
        store.add_task(plain(new_task(&client, number))).await.unwrap();
    }
    let changes = (1..=20).map(|number| async move {
        if number % 2 == 0 {
            store
                .complete_task(new_task("", number).id, "client:1".to_owned(), at(30))
                .await
                .unwrap();
        } else {
            let id = new_task("", number).id;
            store.revoke(whole(&id, block(number, at(950)))).await.unwrap();
        }
    });
    join_all(changes).await;
    let listed = store.revocations(at(0)).await.unwrap();
    let seqs: Vec<u64> = listed.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!((listed.seq, seqs), (20, (1..=20).collect()));
    let filter = TaskFilter { client: None, state: Some(TaskState::Revoked), now: at(30) };
    let revoked = store.tasks(filter, PageRequest::default()).await.unwrap();
    assert_eq!(revoked.items.len(), 10);
}

/// Whoever follows the log by its parts comes to the hash that the store says, at every place.
async fn the_log_has_one_hash_at_every_place(store: &impl Store) {
    let empty = store.log_after(0, 10).await.unwrap();
    let start = LogHash::start(empty.epoch);
    assert_eq!((empty.seq, empty.hash, empty.entries.len()), (0, start, 0));
    for number in 1..=5 {
        let by = Some(format!("client:{number}"));
        let kind = RevocationKind::ALL[number as usize % 5];
        seq(store, NewRevocation { by, kind, ..block(number, at(60)) }).await;
    }
    let (mut hash, mut place) = (start, 0);
    for limit in [2, 1, 10] {
        let part = store.log_after(place, limit).await.unwrap();
        assert_eq!((part.seq, part.epoch), (5, empty.epoch));
        for entry in &part.entries {
            (hash, place) = (hash.then(entry), place + 1);
            assert_eq!(store.log_hash(place).await, Ok(Some(hash)));
            let by = format!("client:{place}");
            assert_eq!((entry.by(), entry.reason()), (Some(by.as_str()), Some("lost")));
        }
        assert_eq!(part.hash == hash, place == 5);
    }
    assert_eq!((place, store.log_hash(6).await), (5, Ok(None)));
    assert_eq!(store.log_after(5, 10).await.unwrap().entries, []);
}

async fn the_log_keeps_the_later_end(store: &impl Store) {
    assert_eq!(seq(store, block(1, at(100))).await, 1);
    assert_eq!(seq(store, block(1, at(90))).await, 1);
    assert_eq!(seq(store, block(1, at(200))).await, 2);
    assert_eq!(seq(store, block(1, at(100))).await, 1);
    let listed = store.revocations(at(150)).await.unwrap();
    assert_eq!((listed.seq, listed.entries.len()), (2, 1));
    assert_eq!(listed.entries[0].reason.as_deref(), Some("lost"));
    assert_eq!(store.revocations(at(200)).await.unwrap().entries.len(), 1);
    assert_eq!(store.revocations(at(201)).await.unwrap().entries.len(), 0);
    assert_eq!(seq(store, block(2, at(300))).await, 3);
}

/// A task has so many entries and no more, and a part of them is kept at each place for those above.
async fn entries_of_one_task_are_bounded(store: &impl Store) {
    let of = |number, task: &str, place| NewRevocation {
        task: Some(task.to_owned()),
        block: Some(place),
        ..block(number, at(100))
    };
    let mut count = 0;
    for place in [15, 3, 2, 1] {
        let most = u64::from(TASK_REVOCATIONS_MAX - PLACE_REVOCATIONS * (place - 1));
        join_all((count..most).map(|number| store.revoke(of(number, "t", place)))).await;
        assert_eq!(store.revocation_seq().await, Ok(most));
        assert_eq!(store.revoke(of(most, "t", place)).await, Ok(Revoked::TooMany));
        count = most;
    }
    assert_eq!(count, u64::from(TASK_REVOCATIONS_MAX));
    assert_eq!(seq(store, whole("t", of(count, "t", 1))).await, count + 1);
    assert_eq!(store.foresee(of(count + 9, "t", 1)).await, Ok(Foreseen::TooMany));
    assert_eq!(seq(store, of(count + 1, "u", 15)).await, count + 2);
}

async fn a_bad_write_harms_no_other(store: &impl Store) {
    let client = add(store, 1, "one").await;
    let writes = (1..=20).map(|number| {
        // Every fourth names a client that is not there.
        let client = if number % 4 == 0 { "nobody" } else { &client };
        store.add_task(plain(new_task(client, number)))
    });
    let done = join_all(writes).await;
    let failed: Vec<usize> =
        (1..).zip(&done).filter(|(_, done)| done.is_err()).map(|(number, _)| number).collect();
    assert_eq!(failed, [4, 8, 12, 16, 20]);
    assert_eq!(store.check().await, Ok(()));
}

async fn a_closed_store_takes_no_writes(store: &impl Store) {
    assert_eq!(store.check().await, Ok(()));
    store.close().await.unwrap();
    assert!(store.add_client(new_client(1, "one")).await.is_err());
    assert!(store.check().await.is_err());
}

/// All at once, in the order given.
async fn join_all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).map(Some).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (slot, done) in waiting.iter_mut().zip(&mut done) {
            if let Some(future) = slot
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                (*slot, *done) = (None, Some(value));
            }
        }
        match waiting.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
