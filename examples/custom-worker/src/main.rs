//! A worker with its own plugins and those of Tributary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let plugins = tributary::plugins().into_iter().chain(custom_worker::plugins());
    tributary::Program::new("custom-worker", env!("CARGO_PKG_VERSION")).main(plugins)
}
