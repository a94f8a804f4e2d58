//! Configuration providers: where the values of `${provider:path:key}` come from.

mod allowed_paths;
mod directory;
mod env;
mod file;

use tributary_api::Plugin;

/// The longest file that is read for its values.
const MAX_BYTES: u64 = 1 << 20;

pub(crate) fn plugins() -> [Plugin; 3] {
    [file::plugin(), directory::plugin(), env::plugin()]
}
