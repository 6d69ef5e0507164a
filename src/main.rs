//! The `hardtack` command.

fn main() -> std::process::ExitCode {
    hardtack::cli::main()
}
