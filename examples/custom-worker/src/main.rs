//! A worker with plugins of its own beside those of Tributary.

use std::process::ExitCode;

fn main() -> ExitCode {
    tributary::main(tributary::plugins().into_iter().chain(custom_worker::plugins()))
}
