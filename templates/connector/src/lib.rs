//! A source, a sink and a transform to start from: `docs/writing-a-connector.md` walks through them.
//!
//! The source sends the files of a folder to a topic, the sink writes the records of topics as files of a folder, and
//! the transform changes what is written.
#![forbid(unsafe_code)]

mod sink;
mod source;
mod transform;

use tributary_api::Plugin;

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    vec![source::plugin(), sink::plugin(), transform::plugin()]
}
