//! Incremental snapshots: the rows that a table has are read in chunks while its changes stream.
//!
//! Each chunk is read between two rows that are written into the signal table. When the stream comes to the second of them,
//! the rows of the chunk are sent, without those that have changed since the stream came to the first: of these the change
//! is newer.

mod chunk;
mod collection;
mod java;
mod key;
mod notices;
mod progress;
mod read;
mod send;
mod steer;
mod window;

pub(crate) use self::collection::{Request, matches_whole, parse_id};
pub(crate) use self::progress::Progress;
