//! The `tributary` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tributary::main(tributary::plugins())
}
