//! Paths: is this one in that directory?

use super::readings::readings;

/// Whether a path is one of the directories or in one of them, in every reading.
pub(super) fn is_under(value: &str, directories: &[&str]) -> bool {
    readings(value).is_some_and(|readings| {
        directories.iter().any(|directory| {
            check_directory(directory).is_ok()
                && readings.iter().all(|reading| is_inside(reading, directory))
        })
    })
}

/// A directory is absolute, or relative to where the tool runs (`.` is that place), and is
/// written in its canonical form.
pub(super) fn check_directory(directory: &str) -> Result<(), String> {
    let fail = |why: &str| Err(why.to_owned());
    if directory.is_empty() {
        return fail("an empty path is no directory");
    }
    if is_foreign(directory) {
        return fail("a directory starts with `/` or a plain name, not with `~`, `//` or a scheme");
    }
    match readings(directory).as_deref() {
        Some([only]) if only == directory => {}
        _ => return fail("it has encoded, control or look-alike characters or a backslash"),
    }
    let relative = directory.strip_prefix('/').unwrap_or(directory);
    let is_plain = relative.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if is_plain || matches!(directory, "/" | ".") {
        Ok(())
    } else {
        fail("it is not canonical: no `.`, no `..`, no doubled or last slash")
    }
}

/// Paths that some shell or library does not take for a plain one: home directories, network
/// shares, URLs and drives.
fn is_foreign(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    path.starts_with('~') || path.starts_with("//") || first.contains([':', '\u{ff1a}', '\u{fe55}'])
}

fn is_inside(path: &str, directory: &str) -> bool {
    if path.is_empty() || is_foreign(path) || path.starts_with('/') != directory.starts_with('/') {
        return false;
    }
    match (resolve(path), resolve(directory)) {
        (Some(path), Some(directory)) => path.starts_with(&directory),
        _ => false,
    }
}

/// The names on the way to a path; `None` if it climbs above where it starts.
fn resolve(path: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name),
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path, PathBuf};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_inside_hold() {
        let cases = [
            ("/data", "/data"),
            ("/data/", "/data"),
            ("/data/x/y.txt", "/data"),
            ("/data//x/./y", "/data"),
            ("/data/x/../y", "/data"),
            ("/tmp/../data/y", "/data"),
            ("/data/%C3%A9", "/data"),
            ("/data/50%", "/data"),
            ("/data/.hidden", "/data"),
            ("/data/a..b/..c", "/data"),
            ("/data/a\\b", "/data"),
            ("/data/a:b", "/data"),
            ("/anything", "/"),
            ("/", "/"),
            ("data/x", "data"),
            ("./data/x", "data"),
            ("x", "."),
            (".", "."),
            ("/data/日本/é", "/data"),
        ];
        for (value, directory) in cases {
            assert!(is_under(value, &[directory]), "{value} {directory}");
        }
        assert!(is_under("/b/x", &["/a", "/b"]));
    }

    #[test]
    fn paths_that_leave_in_any_reading_do_not_hold() {
        let cases = [
            "",
            "/",
            "/dat",
            "/database",
            "/Data/x",
            "data/x",
            "./data/x",
            "/data/..",
            "/data/../etc",
            "/data/x/../../etc/passwd",
            "/../data/x",
            "/data/../../data/x",
            "//data/x",
            "///data",
            "/data/%2e%2e/etc",
            "/data/%2E%2e%2fetc",
            "/data/..%2fetc",
            "/data/%252e%252e/etc",
            "/data/%25252e%25252e/etc",
            "/data/%2525252e%2525252e/x",
            "/data/..\\..\\etc",
            "/data\\..\\etc",
            "/data/%5c..%5c..%5cetc",
            "/data/..%5c..",
            "\\data\\x",
            "/data/x\0",
            "/data/x%00.txt",
            "/data/x%2500",
            "/data/%c0%ae%c0%ae/etc",
            "/data/..%c0%afetc",
            "/data/\u{ff0e}\u{ff0e}/etc",
            "/data/\u{2025}/etc",
            "/data/..\u{2215}etc",
            "/data/..\u{ff0f}etc",
            "/data/%ef%bc%8e%ef%bc%8e/etc",
            "/data/%u002e%u002e/etc",
            "/data/.. /etc",
            "/data/.\u{200b}./etc",
            "/data/...",
            "~/data",
            "~root/data",
            "file:///data/x",
            "file:/data/x",
            "C:\\data\\x",
            "C:/data/x",
            "C\u{ff1a}/x",
            "\\\\host\\data",
            " /data/x",
            "/data/x\n",
            "/data/\u{7f}",
            "http://h/data",
            "%2fdata/x",
            "/%64ata/x",
            "/data%2fx",
        ];
        for value in cases {
            assert!(!is_under(value, &["/data"]), "{}", value.escape_debug());
        }
        let relative = [
            "/data/x",
            "data/../x",
            "../data/x",
            "data/../../data/x",
            "~",
            "c:data",
            "c\u{ff1a}data",
            "",
        ];
        for value in relative {
            assert!(!is_under(value, &["data"]), "{value}");
        }
        assert!(!is_under("..", &["."]) && !is_under("a/../..", &["."]) && !is_under("a", &["/"]));
    }

    #[test]
    fn directories_are_canonical() {
        for good in ["/", ".", "/data", "/data/a b", "data", "data/x", "/.git", "/é"] {
            assert_eq!(check_directory(good), Ok(()), "{good}");
        }
        let bad = [
            "",
            "/data/",
            "//data",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "..",
            "./a",
            "a/..",
            "~",
            "~/a",
            "C:/x",
            "file:///x",
            "\\x",
            "/a\\b",
            "/%41",
            "/a\0",
            "/\u{ff0e}",
            "/...",
        ];
        for bad in bad {
            assert!(check_directory(bad).is_err(), "{bad}");
        }
    }

    /// The standard library's view of a path, resolved by hand.
    fn std_path(path: &str) -> PathBuf {
        let mut resolved = PathBuf::new();
        for component in Path::new(path).components() {
            match component {
                Component::ParentDir => drop(resolved.pop()),
                Component::CurDir => {}
                other => resolved.push(other),
            }
        }
        resolved
    }

    proptest! {
        #[test]
        fn what_holds_is_inside_for_the_standard_library(
            value in r"/?((data|a|b|\.|\.\.|%2e|%2f|%5c|\\|é)(/|\\|%2f|%252f|)){0,8}",
        ) {
            for directory in ["/data", "/data/a", "data", "/"] {
                if is_under(&value, &[directory]) {
                    prop_assert!(std_path(&value).starts_with(directory));
                    let decoded = value.replace("%25", "%").replace("%2f", "/");
                    let decoded = decoded.replace("%2e", ".").replace("%5c", "\\");
                    prop_assert!(std_path(&decoded).starts_with(directory));
                    prop_assert!(std_path(&decoded.replace('\\', "/")).starts_with(directory));
                }
            }
        }

        #[test]
        fn plain_paths_inside_hold(names in prop::collection::vec("[a-zA-Z0-9_.-]{0,6}[a-z]", 0..6)) {
            let path = format!("/data/{}", names.join("/"));
            prop_assert!(is_under(&path, &["/data"]));
        }
    }
}
