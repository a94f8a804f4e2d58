//! The schema history: a topic that keeps the structure that each table had at which position, in Debezium's format. A
//! reader that continues from a position uses the structure of that position, and not the current one.

mod change;
mod json;
mod position;
mod record;
mod topic;

pub(crate) use self::change::TableChange;
pub(crate) use self::json::quoted_id;
pub(crate) use self::record::{Change, Entry};
pub(crate) use self::topic::{HistoryTopic, Known, read};
