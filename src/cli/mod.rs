//! The `hardtack` command, one file per subcommand.
//!
//! Tokens go to stdout alone, words to stderr. Exit codes: 0 done or allowed, 1 failure, 2 usage,
//! 3 denied. On top of everything; nothing imports it.

mod api;
mod attenuate;
mod audit;
mod call;
mod completions;
mod delegate;
pub mod demo;
mod duration;
mod gateway;
mod holder;
mod init;
mod input;
mod inspect;
mod key;
mod listen;
mod mcp;
mod mint;
mod output;
mod policy;
mod relay;
mod revocations;
mod revoke;
mod roots;
mod serve;
mod task;
mod text;
mod usage;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::output::Output;
use self::usage::Usage;

/// Delegation tokens for AI agents: one task, one token, every tool call decided on its own.
#[derive(Debug, Parser)]
#[command(name = "hardtack", version, max_term_width = 80, after_help = EXAMPLE)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLE: &str = "\
Example, all offline:
  hardtack key new root.key >root.pub
  echo '{\"tool\":\"stripe/refund\", \"args\":{\"amount\":{\"max\":50}}}' >grants.json
  hardtack mint --key root.key --grants grants.json >task.token
  hardtack attenuate - --tool stripe/refund --arg 'amount<=20' \\
    <task.token >sub.token
  hardtack inspect - --root root.pub <sub.token
  echo '{\"tool\":\"stripe/refund\", \"args\":{\"amount\":15}}' >request.json
  hardtack verify - --root root.pub --request request.json <sub.token

Exit codes: 0 done or allowed, 1 failure, 2 usage, 3 denied.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell a support case by real calls: an authority, three gateways, some agents and a thief.
    Demo(demo::Args),
    /// Make a root key or a holder's key, or show the public half of one.
    #[command(subcommand)]
    Key(key::Command),
    /// Mint the token of a task from grants, with a root key at hand.
    Mint(mint::Args),
    /// Narrow a token before handing it on: offline, without any key.
    Attenuate(attenuate::Args),
    /// Hand a bound token on to the next holder, narrowed or not: offline, with your own key.
    Delegate(delegate::Args),
    /// Make the headers of one call, with the holder's proof; or make the call.
    Call(call::Args),
    /// Show what a token permits, block by block.
    Inspect(inspect::Args),
    /// Decide a request, or many, as a gateway would.
    Verify(verify::Args),
    /// Make the data directory of an authority.
    Init(init::Args),
    /// Run an authority.
    Serve(serve::Args),
    /// Run a gateway: a proxy in front of tools that decides every call.
    Gateway(gateway::Args),
    /// Wrap a server that an agent starts itself.
    #[command(subcommand)]
    Mcp(mcp::Command),
    /// Ask an authority for tasks, and end them.
    #[command(subcommand)]
    Task(task::Command),
    /// Revoke a task, a block, an agent, a key, or all that is older than a moment.
    Revoke(revoke::Args),
    /// Serve an authority's revocation log onward, for gateways to follow.
    Relay(relay::Args),
    /// Follow, fetch or restart an authority's revocation log.
    #[command(subcommand)]
    Revocations(revocations::Command),
    /// Check and show the records of decisions.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Test gateway policies.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// How a command ended, as the shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Done, or allowed.
    Done = 0,
    /// Something failed.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The call is denied.
    Denied = 3,
}

impl Command {
    fn run(self, out: &mut Output) -> anyhow::Result<Exit> {
        match self {
            Self::Demo(args) => args.run(out),
            Self::Key(command) => command.run(out),
            Self::Mint(args) => args.run(out),
            Self::Attenuate(args) => args.run(out),
            Self::Delegate(args) => args.run(out),
            Self::Call(args) => args.run(out),
            Self::Inspect(args) => args.run(out),
            Self::Verify(args) => args.run(out),
            Self::Init(args) => args.run(out),
            Self::Serve(args) => args.run(out),
            Self::Gateway(args) => args.run(out),
            Self::Mcp(command) => command.run(out),
            Self::Task(command) => command.run(out),
            Self::Revoke(args) => args.run(out),
            Self::Relay(args) => args.run(out),
            Self::Revocations(command) => command.run(out),
            Self::Audit(command) => command.run(out),
            Self::Policy(command) => command.run(out),
            Self::Completions(args) => args.run(out),
        }
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let mut out = Output::new();
    let ran = match Cli::try_parse() {
        Ok(cli) => cli.command.run(&mut out),
        Err(error) => usage::answer(&error, &mut out),
    };
    let ended = ran.and_then(|exit| out.flush().map(|()| exit));
    let exit = ended.unwrap_or_else(|error| {
        out.say(&format!("{error:#}"));
        if error.is::<Usage>() { Exit::Usage } else { Exit::Failure }
    });
    ExitCode::from(exit as u8)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
