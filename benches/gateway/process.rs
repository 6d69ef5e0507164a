//! Processes that are measured, ended by their own ids.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A process, ended when dropped.
pub(super) struct Running(Child);

impl Running {
    /// Starts a command, and waits for a line on stderr that holds this; gives what comes after it.
    pub(super) fn start(mut command: Command, says: &str) -> (Self, String) {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
        let mut heard = Vec::new();
        let said = lines.find_map(|line| {
            let line = line.ok()?;
            let said = line.split_once(says).map(|(_, after)| after.trim().to_owned());
            heard.push(line);
            said
        });
        std::thread::spawn(move || lines.for_each(drop));
        let said = said.unwrap_or_else(|| panic!("never said `{says}`: {heard:?}"));
        (Self(child), said)
    }

    /// Starts a command that says nothing.
    pub(super) fn silent(mut command: Command) -> Self {
        Self(command.spawn().expect("a process"))
    }

    /// Memory of the process and its children, in bytes.
    pub(super) fn memory(&self) -> u64 {
        let id = self.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        let ids = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(id).chain(ids).map(resident).sum()
    }
}

fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked, not when it is killed.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}
