//! Incremental snapshots: the existing rows of a table are read in chunks while its changes are streamed.
//!
//! Before and after a chunk is read, a row is written into the signal table. When the stream of changes reaches the
//! second of these rows, the rows of the chunk are sent, except those with a change between the two rows: the change is
//! newer.

mod chunk;
mod collection;
mod control;
mod fill;
mod java;
mod key;
mod key_column;
mod notifications;
mod progress;
mod read;
mod send;
mod window;

pub(crate) use self::collection::{Request, matches_whole, parse_id};
pub(crate) use self::progress::{Progress, followed_signal};
