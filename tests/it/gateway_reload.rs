//! Settings that change while a gateway runs: all of them, or none.

use std::path::Path;
use std::sync::Arc;

use hardtack::config::SystemClock;
use hardtack::config::gateway::{GatewaySettings, Listen};
use hardtack::feed::{Bundle, Certificate, Delta, Entry, Head, LogHash, Subject};
use hardtack::gateway::service::Gateway;
use hardtack::keys::{HolderKey, RootKey};
use hardtack::mint::{self, Task};
use hardtack::model::{Clock, Timestamp};
use hardtack::record::MemorySink;
use hardtack::vocabulary::grant::grants_from_json;

use crate::gateway_service::{ALL, World, bearer, full, server};
use crate::raw_http::{RawServer, ok};
use crate::support::rng;
use crate::support_guard::{client, root, serve};

const ISSUER: &str = "https://authority.example";

#[tokio::test]
async fn nothing_is_taken_of_settings_of_which_one_file_is_bad() {
    let upstream = RawServer::answering(ok("yes")).await;
    let a = server("a", &upstream.base);
    let world = World::new(&a, Listen::default()).await;
    let write = |name: &str, text: &str| std::fs::write(world.dir.path().join(name), text).unwrap();
    write("own.datalog", "allow if false;");
    write("approved.json", "nonsense");
    write("long.datalog", &format!("allow if true;//{}", "x".repeat(1 << 20)));
    let policy = |name: &str| format!("[policy]\nfiles = [\"{name}\"]\n");
    for (settings, says) in [
        (format!("approved = \"approved.json\"\n{a}{}", policy("own.datalog")), "approved.json"),
        (format!("{a}{a}{}", policy("own.datalog")), "two servers"),
        (format!("{a}{}{}", server("b", "x:"), policy("own.datalog")), "url"),
        (format!("{a}{}", policy("long.datalog")), "longer than 1 mib"),
    ] {
        world.write(&settings);
        let error = world.gateway.reload().await.unwrap_err().to_string().to_lowercase();
        assert!(error.contains(says), "{error}");
        assert_eq!(world.call("/a/1", &bearer(ALL, 1)).await, 200, "{says}");
    }
}

#[tokio::test]
async fn calls_go_where_the_settings_of_the_moment_say() {
    let (one, two) = (RawServer::answering(ok("1")).await, RawServer::answering(ok("2")).await);
    let world = World::new(&server("a", &one.base), Listen::default()).await;
    assert_eq!(world.call("/a/1", &bearer(ALL, 1)).await, 200);
    world.write(&server("a", &two.base));
    world.gateway.reload().await.unwrap();
    assert_eq!(world.call("/a/1", &bearer(ALL, 1)).await, 200);
    assert_eq!((one.asked().len(), two.asked().len()), (1, 1));
}

#[tokio::test]
async fn what_belongs_to_the_process_stays() {
    let a = server("a", "http://127.0.0.1:1");
    let world = World::new(&a, Listen::default()).await;
    let good = full(&a);
    let listen = |line: &str| full(&format!("[listen]\n{line}\n{a}"));
    let other = other();
    for (field, text) in [
        ("gateway", good.replace("\"tools\"", "\"other\"")),
        ("public_uri", full(&format!("public_uri = \"http://x.example/\"\n{a}"))),
        ("listen.address", listen("address = \"127.0.0.1:1\"")),
        ("listen.operations", listen("operations = \"127.0.0.1:1\"")),
        ("listen.connections_max", listen("connections_max = 5")),
        ("listen.head_timeout_secs", listen("head_timeout_secs = 5")),
        ("listen.body_timeout_secs", listen("body_timeout_secs = 5")),
        ("listen.body_bytes_max", listen("body_bytes_max = 5000")),
        ("listen.drain_secs", listen("drain_secs = 5")),
        ("authority.sources", good.replace("127.0.0.1:9", "127.0.0.1:8")),
        ("authority.issuer", format!("{good}issuer = \"{ISSUER}\"\n")),
        ("authority.saved", format!("{good}saved = \"s\"\n")),
        ("authority.bundle_age_secs", format!("{good}bundle_age_secs = 5\n")),
        ("authority.age_millis_max", format!("{good}age_millis_max = {{ read = 5 }}\n")),
        ("doors", full(&format!("[doors]\nhttp = \"127.0.0.1:1\"\n{a}"))),
        ("records", full(&format!("[records]\narguments = true\n{a}"))),
        ("proofs", full(&format!("[proofs]\nnonces = true\n{a}"))),
        ("authority.roots", good.replace("roots = [", &format!("roots = [\"{other}\", "))),
    ] {
        std::fs::write(world.path(), text).unwrap();
        let error = world.gateway.reload().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{field}` cannot change")), "{field}: {error}");
    }
    std::fs::write(world.path(), good).unwrap();
    world.gateway.reload().await.unwrap();
}

/// A file of revocations of that time, with these.
fn bundle(time: Timestamp, subjects: &[Subject]) -> Vec<u8> {
    let feed = HolderKey::generate(&mut rng(7));
    let entry = |subject: &Subject| Entry::new(*subject, time.plus_secs(3600), None, None).unwrap();
    let entries: Vec<Entry> = subjects.iter().map(entry).collect();
    let hash = entries.iter().fold(LogHash::start(4), |hash, entry| hash.then(entry));
    let head = Head {
        issuer: ISSUER.to_owned(),
        epoch: 4,
        seq: entries.len() as u64,
        hash,
        time,
        not_after: time.plus_secs(60),
        snapshot: None,
        nonce: None,
    };
    let until = time.plus_secs(86_400);
    let certificate =
        Certificate { issuer: ISSUER.to_owned(), key: feed.public(), from: time, until };
    let bundle = Bundle {
        keys: vec![certificate.signed(&root()).unwrap()],
        head: head.signed(feed.public(), |bytes| feed.sign(bytes)).unwrap(),
        snapshot: Vec::new(),
        delta: Delta::new(0, entries),
    };
    bundle.to_bytes().unwrap()
}

/// A gateway that knows revocations from a file.
struct Bundled {
    dir: tempfile::TempDir,
    gateway: Gateway,
    base: String,
    settings: String,
}

impl Bundled {
    async fn new(more: &str, file: &[u8]) -> Self {
        let upstream = RawServer::answering(ok("yes")).await;
        let a = server("a", &upstream.base).replacen("kind", "labels = [\"read\"]\nkind", 1);
        let settings = full(&a).replace("sources = [\"http://127.0.0.1:9\"]", "bundle = \"b\"");
        let settings = format!("{settings}{more}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b"), file).unwrap();
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, &settings).unwrap();
        let read = GatewaySettings::read(&path).unwrap();
        let gateway = Gateway::of(read, Arc::<MemorySink>::default(), &path, true).unwrap();
        let base = serve(gateway.router()).await;
        Self { dir, gateway, base, settings }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(Path::new(self.dir.path()).join(name), bytes).unwrap();
    }

    async fn call(&self) -> u16 {
        self.call_with(&bearer(ALL, 1)).await
    }

    async fn call_with(&self, bearer: &str) -> u16 {
        let sent = client().get(format!("{}/a/1", self.base)).header("authorization", bearer);
        sent.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_file_of_revocations_is_read_again_with_the_settings() {
    let now = SystemClock.now();
    let bundled = Bundled::new("", &bundle(now, &[])).await;
    assert_eq!(bundled.call().await, 200);
    // All that was issued up to now and a little ahead.
    bundled.write("b", bundle(now, &[Subject::Before(now.plus_secs(60))]));
    bundled.gateway.reload().await.unwrap();
    assert_eq!(bundled.call().await, 401);
    bundled.write("b", "nonsense");
    assert!(bundled.gateway.reload().await.is_err());
    bundled.write("c", bundle(now, &[]));
    bundled.write("gateway.toml", bundled.settings.replace("bundle = \"b\"", "bundle = \"c\""));
    let error = bundled.gateway.reload().await.unwrap_err().to_string();
    assert!(error.starts_with("`authority.bundle` cannot change"), "{error}");
    assert_eq!(bundled.call().await, 401);
}

#[tokio::test]
async fn roots_change_where_revocations_come_from_a_file() {
    let bundled = Bundled::new("", &bundle(SystemClock.now(), &[])).await;
    assert_eq!(bundled.call().await, 200);
    let task = Task::new(grants_from_json(ALL.as_bytes()).unwrap(), None);
    let key: RootKey = "22".repeat(32).parse().unwrap();
    let minted = mint::mint(&task, &key, SystemClock.now(), &mut rng(3)).unwrap();
    let foreign = format!("Bearer {}", minted.token.to_text());
    assert_eq!(bundled.call_with(&foreign).await, 401);
    let own = root().public().to_string();
    let both = bundled.settings.replace("roots = [", &format!("roots = [\"{}\", ", other()));
    bundled.write("gateway.toml", &both);
    bundled.gateway.reload().await.unwrap();
    assert_eq!((bundled.call().await, bundled.call_with(&foreign).await), (200, 200));
    // A root that vouches for no log of revocations any more: nothing changes.
    bundled.write("gateway.toml", bundled.settings.replace(&own, &other()));
    assert!(bundled.gateway.reload().await.is_err());
    assert_eq!(bundled.call().await, 200);
}

fn other() -> String {
    let key: RootKey = "22".repeat(32).parse().unwrap();
    key.public().to_string()
}

#[tokio::test]
async fn a_file_of_revocations_is_as_old_as_settings_allow() {
    let old = Timestamp::from_secs(SystemClock.now().secs() - 100);
    for (more, status) in
        [("", 200), ("bundle_age_secs = 50\n", 503), ("bundle_age_secs = 200\n", 200)]
    {
        assert_eq!(Bundled::new(more, &bundle(old, &[])).await.call().await, status, "{more}");
    }
}
