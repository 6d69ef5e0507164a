use std::path::Path;

use crate::config::gateway::ArgumentKind;
use crate::model::Json;
use crate::vocabulary::grant::{ArgPath, Found, Place};
use crate::vocabulary::oracle::Oracle;

/// Whether every value that a path leads to is what it should be.
///
/// *Errors*: a sentence without the value.
pub(super) fn check(path: &ArgPath, kind: ArgumentKind, args: &Json) -> Result<(), String> {
    let Found::Places(places) = path.find(args) else {
        return Err(format!("`{path}` leads through a value that has no inside"));
    };
    for place in places {
        let Place::Value(value) = place else { continue };
        let is = match value {
            Json::String(text) => is_of(kind, text),
            _ => false,
        };
        if !is {
            return Err(format!("`{path}` {}", wanted(kind)));
        }
    }
    Ok(())
}

fn is_of(kind: ArgumentKind, text: &str) -> bool {
    let is_path = |text| Oracle::Under.check_constant(text).is_ok();
    match kind {
        ArgumentKind::Path => is_path(text),
        ArgumentKind::LocalPath => is_path(text) && is_direct(Path::new(text)),
        ArgumentKind::Url => Oracle::Scheme.holds(text, &["http", "https"], false),
        ArgumentKind::PublicUrl => {
            Oracle::Scheme.holds(text, &["http", "https"], false)
                && Oracle::PublicHost.holds(text, &[], false)
        }
    }
}

fn wanted(kind: ArgumentKind) -> &'static str {
    match kind {
        ArgumentKind::Path => "is no path in its one canonical form",
        ArgumentKind::LocalPath => "is no absolute path that goes through no symbolic link",
        ArgumentKind::Url => "is no absolute URL of `http` or `https` without a user",
        ArgumentKind::PublicUrl => "is no URL of a host that is reached in public",
    }
}

/// Whether an absolute path is where it says it is: what of it exists, from the top on, are
/// directories and files of these names, none of them a link.
fn is_direct(path: &Path) -> bool {
    if !path.is_absolute() {
        return false;
    }
    path.ancestors().all(|at| match std::fs::symlink_metadata(at) {
        Ok(found) => !found.is_symlink(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JsonProfile;

    fn of(kind: ArgumentKind, path: &str, args: &str) -> bool {
        let args = Json::parse(args.as_bytes(), JsonProfile::default()).unwrap();
        check(&path.parse().unwrap(), kind, &args).is_ok()
    }

    #[test]
    fn paths_have_one_form() {
        for good in ["/data/a", "a/b", "/data/x y", "."] {
            assert!(of(ArgumentKind::Path, "path", &format!(r#"{{"path":"{good}"}}"#)), "{good}");
        }
        for bad in [
            "",
            "~/a",
            "../a",
            "a/../b",
            "/a/",
            "a//b",
            "/a\\\\b",
            "/a/%2e%2e/b",
            "c:/x",
            "/a\\u0000",
            "//host/x",
        ] {
            assert!(!of(ArgumentKind::Path, "path", &format!(r#"{{"path":"{bad}"}}"#)), "{bad}");
        }
        assert!(of(ArgumentKind::Path, "paths/*", r#"{"paths":["/a","/b"]}"#));
        assert!(!of(ArgumentKind::Path, "paths/*", r#"{"paths":["/a","~"]}"#));
        assert!(!of(ArgumentKind::Path, "path", r#"{"path":1}"#));
        assert!(of(ArgumentKind::Path, "path", r#"{"other":1}"#));
    }

    #[test]
    fn urls_have_one_host() {
        let of = |kind, url: &str| of(kind, "url", &format!(r#"{{"url":"{url}"}}"#));
        assert!(of(ArgumentKind::Url, "http://10.0.0.1/x"));
        assert!(!of(ArgumentKind::Url, "http://a@b/x") && !of(ArgumentKind::Url, "file:///x"));
        assert!(of(ArgumentKind::PublicUrl, "https://example.com/x"));
        for bad in ["http://10.0.0.1/", "http://localhost/", "http://0x7f.1/", "ftp://example.com"]
        {
            assert!(!of(ArgumentKind::PublicUrl, bad), "{bad}");
        }
    }

    #[test]
    fn a_local_path_goes_through_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("in")).unwrap();
        std::fs::write(root.join("in/file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", root.join("in/out")).unwrap();
        std::os::unix::fs::symlink("missing", root.join("in/dangling")).unwrap();
        let is = |path: &str| {
            let text = root.join(path).to_str().unwrap().to_owned();
            of(ArgumentKind::LocalPath, "path", &format!(r#"{{"path":"{text}"}}"#))
        };
        for good in ["in", "in/file", "in/new", "in/new/deeper"] {
            assert!(is(good), "{good}");
        }
        for bad in ["in/out", "in/out/passwd", "in/dangling", "in/dangling/x", "in/../in/file/x"] {
            assert!(!is(bad), "{bad}");
        }
        assert!(!of(ArgumentKind::LocalPath, "path", r#"{"path":"in/file"}"#));
    }
}
