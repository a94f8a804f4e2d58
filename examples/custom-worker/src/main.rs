//! A worker with plugins of its own beside those of Tributary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let plugins = tributary::plugins().into_iter().chain(custom_worker::plugins());
    tributary::Program::new("custom-worker", env!("CARGO_PKG_VERSION")).main(plugins)
}
