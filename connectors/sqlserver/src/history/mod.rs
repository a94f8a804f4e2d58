//! Tables' structure as Debezium tells of it, and the topic that keeps it: what a table looked like at the position that
//! a reader goes on from, whatever it looks like now.

mod change;
mod json;
mod position;
mod record;
mod topic;

pub(crate) use self::change::TableChange;
pub(crate) use self::json::quoted_id;
pub(crate) use self::record::Entry;
pub(crate) use self::topic::{HistoryTopic, Known, read};
