//! Command lines: one program and plain words.
//!
//! What holds means the same to a shell, to `execvp` of the split words and to a reader. It says
//! nothing about what the program does with its words: a grant of `git` is a grant of every
//! option of git, and one of `env` or `sh` of every program that takes plain words.

/// Whether a command line is one of the programs and plain words.
///
/// *Shape*: words of ASCII letters, digits and `_-./:=,@+%`, split at ASCII spaces; the first one
/// is the program exactly.
pub(super) fn runs(value: &str, programs: &[&str]) -> bool {
    value.bytes().all(|byte| byte == b' ' || is_plain(byte))
        && value
            .split(' ')
            .next()
            .is_some_and(|first| programs.contains(&first) && check_program(first).is_ok())
}

/// A program is a name or a path that no shell takes for anything else.
pub(super) fn check_program(program: &str) -> Result<(), String> {
    let fail = |why: &str| Err(why.to_owned());
    if program.contains(' ') {
        return fail("a program is one word; its arguments are not part of the constant");
    }
    // `=` would make it an assignment, `%` a job, and `.` and `:` alone are shell built-ins.
    if !program.bytes().all(|byte| is_plain(byte) && !matches!(byte, b'=' | b'%')) {
        return fail("a program has letters, digits and `_-./:,@+` only");
    }
    if !program.bytes().any(|byte| byte.is_ascii_alphanumeric()) || program.starts_with('-') {
        return fail("a program has a letter or a digit and does not start with `-`");
    }
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:=,@+%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_and_plain_words_hold() {
        let cases = [
            "git",
            "git status",
            "git  log   --format=%H -n 5",
            "git show HEAD:src/a_b.rs ",
            "git clone user@host:x/y.git",
            "git add ../a+b,c",
        ];
        for value in cases {
            assert!(runs(value, &["git"]), "{value}");
        }
        assert!(runs("/usr/bin/git x", &["ls", "/usr/bin/git"]));
    }

    #[test]
    fn anything_else_does_not_hold() {
        let cases = [
            "",
            " ",
            " git",
            "gitx",
            "Git",
            "git2 status",
            "./git",
            "/usr/bin/git",
            "git;id",
            "git status; id",
            "git status && id",
            "git status || id",
            "git status | sh",
            "git &",
            "git $(id)",
            "git `id`",
            "git $HOME",
            "git ${IFS}id",
            "git > /etc/passwd",
            "git < x",
            "git \"x\"",
            "git 'x'",
            "git a\\ b",
            "git *",
            "git ?",
            "git [a]",
            "git {a,b}",
            "git ~",
            "git #x",
            "git !!",
            "git ^a^b",
            "git (x)",
            "git\tx",
            "git\nid",
            "git\rid",
            "git\0",
            "git x\u{b}y",
            "git\u{a0}x",
            "git é",
            "git \u{ff1b}id",
            "git \u{201c}x\u{201d}",
            "A=b git",
            "git=x",
            "=git",
            "\u{feff}git",
            "git x\u{2028}id",
        ];
        for value in cases {
            assert!(!runs(value, &["git"]), "{}", value.escape_debug());
        }
    }

    #[test]
    fn programs_are_judged() {
        for good in ["git", "/usr/bin/g++", "./run.sh", "python3.12", "a:b"] {
            assert_eq!(check_program(good), Ok(()), "{good}");
        }
        for bad in ["", ".", ":", "..", "-x", "a=b", "%1", "git status", "g;t", "gît", "~/x", "$x"]
        {
            assert!(check_program(bad).is_err(), "{bad}");
            assert!(!runs(bad, &[bad]), "{bad}");
        }
    }
}
