//! A worker with its own plugins and those of Tributary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let plugins = tributary::plugins().into_iter().chain({{crate_name}}::plugins());
    tributary::Program::new("{{project-name}}", env!("CARGO_PKG_VERSION")).main(plugins)
}
