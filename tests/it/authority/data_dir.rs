//! The data directory: made whole, opened with care.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

async fn made() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let now = Timestamp::from_secs(1_800_000_000);
    DataDir::init(&path, &InitOptions::default(), &mut OsRng, now).await.unwrap();
    (dir, path)
}

#[tokio::test]
async fn it_is_for_its_owner_alone_and_never_overwritten() {
    let (dir, path) = made().await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in ["root.key", "hardtack.toml", "hardtack.db"] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
    let key = fs::read(path.join("root.key")).unwrap();
    let options = InitOptions::default();
    let again = DataDir::init(&path, &options, &mut OsRng, Timestamp::default()).await;
    let error = again.unwrap_err().to_string();
    assert!(error.ends_with("exists and is not empty: nothing in it was touched"), "{error}");
    assert_eq!(fs::read(path.join("root.key")).unwrap(), key);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_it_is_said() {
    type Spoil = fn(&std::path::Path);
    let cases: [(Spoil, &str); 6] = [
        (|dir| fs::remove_file(dir.join("root.key")).unwrap(), "is missing"),
        (|dir| fs::remove_file(dir.join("hardtack.toml")).unwrap(), "is missing"),
        (|dir| fs::remove_file(dir.join("hardtack.db")).unwrap(), "is missing"),
        (
            |dir| {
                fs::set_permissions(dir.join("root.key"), Permissions::from_mode(0o640)).unwrap();
            },
            "can be read by others (mode 640): run `chmod 600` on it",
        ),
        (
            |dir| fs::write(dir.join("root.key"), "x").unwrap(),
            "a private key is `ed25519-private/`",
        ),
        (
            |dir| fs::write(dir.join("hardtack.toml"), "ttl_max = 3").unwrap(),
            "line 1, `ttl_max = 3`: unknown field `ttl_max`",
        ),
    ];
    for (spoil, says) in cases {
        let (_dir, path) = made().await;
        spoil(&path);
        let error = DataDir::open(&path).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_first_client_without_a_ceiling_gets_no_task() {
    let (_dir, path) = made().await;
    let opened = DataDir::open(&path).unwrap();
    assert_eq!(opened.settings, hardtack::config::Settings::default());
    let store = opened.open_store().await.unwrap();
    use hardtack::store::{Clients, PageRequest};
    let clients = store.clients(PageRequest::default()).await.unwrap().items;
    assert_eq!(clients.len(), 1);
    assert!(clients[0].is_admin && clients[0].limits.ceiling.is_empty());
}
