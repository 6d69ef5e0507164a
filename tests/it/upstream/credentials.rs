//! A credential takes the place of whatever the caller put there, and is seen nowhere else.

use hardtack::gateway::CredentialError;

use super::*;
use crate::logged::Logged;

/// What the upstream gets for a request with this credential.
async fn arrived(request: Request<Body>, shown: &Shown) -> Result<String, UpstreamError> {
    let server = RawServer::answering(ok("done")).await;
    upstream(&server).send(request, Some(&shown.credential)).await?;
    Ok(server.only())
}

async fn why(shown: &Shown) -> CredentialError {
    shown.credential.check().await.unwrap_err()
}

#[tokio::test]
async fn each_kind_goes_to_its_place() {
    let basic = "Basic YWdlbnQ6czNjcjN0L2tleSt3aXRoPW9kZA==";
    for (kind, name, value) in [
        ("bearer = SECRET", "authorization", "Bearer s3cr3t/key+with=odd"),
        ("basic = { user = \"agent\", password = SECRET }", "authorization", basic),
        ("header = { name = \"X-Key\", value = SECRET }", "x-key", SECRET),
        ("header = { name = \"Authorization\", value = SECRET }", "authorization", SECRET),
    ] {
        let request = Request::get("/a?b")
            .header(name, "of the caller")
            .header(name, "of the caller, again")
            .header(name.replace('-', "_"), "as CGI reads it")
            .header("connection", name)
            .body(Body::empty());
        let asked = arrived(request.unwrap(), &shown(kind)).await.unwrap();
        assert_eq!(header(&asked, name).as_deref(), Some(value), "{kind}");
        assert!(!asked.contains("of the caller") && !asked.contains("as CGI"), "{asked}");
        assert!(asked.starts_with("GET /a?b HTTP/1.1\r\n"), "{asked}");
    }
}

#[tokio::test]
async fn a_parameter_of_the_query_is_the_gateways_alone() {
    let shown = shown("query = { name = \"api key\", value = SECRET }");
    let sent = "api%20key=s3cr3t%2Fkey%2Bwith%3Dodd";
    for (path, target) in [
        ("/a", format!("/a?{sent}")),
        ("/a?", format!("/a?{sent}")),
        ("/a?b=%41&&c", format!("/a?b=%41&&c&{sent}")),
        ("/a?api-key=1", format!("/a?api-key=1&{sent}")),
    ] {
        let asked = arrived(get(path), &shown).await.unwrap();
        assert_eq!(asked.lines().next().unwrap(), format!("GET {target} HTTP/1.1"));
    }
    for path in ["/?api+key=1", "/?x&api%20key", "/?%41PI%20key=1", "/?x;api+key=1"] {
        let refused = arrived(get(path), &shown).await.unwrap_err();
        assert_eq!(refused, UpstreamError::Parameter("api key".to_owned()), "{path}");
        assert_eq!(refused.status(), 400);
    }
}

#[tokio::test]
async fn secrets_are_found_where_settings_say() {
    for text in ["eight888\n", "eight888\r\n", "eight888"] {
        let asked = arrived(get("/"), &shown_with("bearer = SECRET", text)).await.unwrap();
        assert_eq!(header(&asked, "authorization").as_deref(), Some("Bearer eight888"));
    }
    let of = |text: &str| Credential::new(config(text).unwrap(), "crm").unwrap();
    let directory = env!("CARGO_MANIFEST_DIR");
    for (kind, secret) in [
        ("bearer = { env = \"CARGO_MANIFEST_DIR\" }", directory),
        ("bearer = { command = [\"printf\", \"%s\\n\", \"a b$HOME;c\"] }", "a b$HOME;c"),
    ] {
        let server = RawServer::answering(ok("done")).await;
        upstream(&server).send(get("/"), Some(&of(kind))).await.unwrap();
        let sent = header(&server.only(), "authorization");
        assert_eq!(sent, Some(format!("Bearer {secret}")));
    }
    for (kind, says) in [
        (
            "bearer = { env = \"NO_SUCH_VARIABLE\" }",
            "the environment variable `NO_SUCH_VARIABLE` is not set",
        ),
        (
            "bearer = { file = \"/no/such\" }",
            "the file `/no/such` could not be read: no such file or directory",
        ),
        (
            "bearer = { file = \"/dev/zero\" }",
            "the file `/dev/zero` could not be read: it is no regular file",
        ),
        (
            "bearer = { command = [\"/no/such\", \"hunter2hunter2\"] }",
            "the command `/no/such` could not be run: no such file or directory",
        ),
        (
            "bearer = { command = [\"false\", \"hunter2hunter2\"] }",
            "the command `false` ended with status 1",
        ),
        ("bearer = { command = [\"true\"] }", "the command `true` gives an empty secret"),
        (
            "bearer = { command = [\"cat\", \"/dev/zero\"] }",
            "the command `cat` gives more than 65536 bytes",
        ),
        (
            "bearer = { command = [\"printf\", \"\\\\377\\\\377\"] }",
            "the command `printf` gives no text in UTF-8",
        ),
    ] {
        assert_eq!(of(kind).check().await.unwrap_err().to_string(), says);
    }
}

#[tokio::test]
async fn what_no_header_carries_or_chance_repeats_is_no_credential() {
    for kind in [
        "bearer = SECRET",
        "basic = { user = \"agent\", password = SECRET }",
        "header = { name = \"x-key\", value = SECRET }",
        "query = { name = \"key\", value = SECRET }",
    ] {
        assert_eq!(why(&shown_with(kind, "seven77\n")).await, CredentialError::TooShort);
        for secret in ["eight888\nx: y", "eight888\0", "eight8\u{e9}8", "eight888 "] {
            assert_eq!(why(&shown_with(kind, secret)).await, CredentialError::NotPrintable);
        }
        let shown = shown_with(kind, "short");
        let refused = arrived(get("/"), &shown).await.unwrap_err();
        assert_eq!((refused.status().as_u16(), refused.code()), (502, "credential-unavailable"));
    }
}

#[tokio::test]
async fn a_file_is_read_anew() {
    let shown = bearer();
    let server = RawServer::answering(ok("done")).await;
    let upstream = upstream(&server);
    let sent = async |after: u64| {
        shown.later(after);
        let sent = upstream.send(get("/"), Some(&shown.credential)).await;
        sent.map(|_| header(&server.asked().pop().unwrap(), "authorization").unwrap())
    };
    assert_eq!(sent(0).await.unwrap(), format!("Bearer {SECRET}"));
    std::fs::write(shown.file.path(), "another-secret").unwrap();
    assert_eq!(sent(1).await.unwrap(), format!("Bearer {SECRET}"), "not looked at so soon");
    // Whoever finds it old has it read, and need not wait.
    let mut tries = 0;
    while sent(if tries == 0 { 5 } else { 0 }).await.unwrap() != "Bearer another-secret" {
        tries += 1;
        assert!(tries < 100, "the file was not read again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Gone for a moment is not gone; gone for long is.
    std::fs::remove_file(shown.file.path()).unwrap();
    assert_eq!(sent(6).await.unwrap(), "Bearer another-secret");
    assert_eq!(sent(60).await.unwrap_err().code(), "credential-unavailable");
}

#[tokio::test]
async fn a_credential_that_is_not_taken_is_not_the_callers_fault() {
    let refusing = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer realm=\"crm\"\r\n\
        content-length: 0\r\n\r\n";
    let server = RawServer::answering(vec![send(refusing)]).await;
    let refused = upstream(&server).send(get("/"), Some(&bearer().credential)).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (502, "credential-refused"));
    let answer = upstream(&server).send(get("/"), None).await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn nothing_shows_it() {
    let logged = Logged::start();
    let mut told = String::new();
    for kind in [
        "bearer = SECRET",
        "basic = { user = \"agent\", password = SECRET }",
        "header = { name = \"x-key\", value = SECRET }",
        "query = { name = \"key\", value = SECRET }",
    ] {
        let shown = shown(kind);
        let (good, bad) =
            (RawServer::answering(ok("done")).await, RawServer::answering(ok(SECRET)).await);
        let gone = Upstream::new("crm", "http://127.0.0.1:1", UpstreamOptions::default()).unwrap();
        for upstream in [upstream(&good), upstream(&bad), gone] {
            let sent = upstream.send(get("/?a=b"), Some(&shown.credential)).await;
            told += &format!("{upstream:?} {:?} {sent:?}", shown.credential);
            if let Err(error) = sent {
                let response = error.response();
                told += &format!("{error} {response:?}");
                told += &text(response).await.unwrap();
            }
        }
    }
    for bad in ["hidden-secret\n\n", "hidden\0secret"] {
        let shown = shown_with("bearer = SECRET", bad);
        let error = why(&shown).await;
        told += &format!("{error} {error:?}");
    }
    told += &logged.text();
    for part in ["s3cr3t", "YWdlbnQ6", "hidden"] {
        assert!(!told.contains(part), "{part} in {told}");
    }
    assert!(logged.text().contains("credential-echoed"), "{told}");
    assert!(told.contains("Credential { name: \"crm\""), "{told}");
}

#[cfg(target_os = "linux")]
/// A command that gives no secret is given up after ten seconds, and does not go on.
#[tokio::test]
async fn a_command_without_an_end_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("echo $$ > {}/pid; exec sleep 1000", dir.path().display());
    let secret: hardtack::config::gateway::Secret =
        serde_json::from_value(serde_json::json!({ "command": ["sh", "-c", script] })).unwrap();
    let read = tokio::time::timeout(std::time::Duration::from_secs(60), secret.read()).await;
    let error = read.unwrap().unwrap_err().to_string();
    assert!(error.contains("did not give a secret within 10 s"), "{error}");
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap();
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    for _ in 0..200 {
        if !lives() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it goes on");
}
