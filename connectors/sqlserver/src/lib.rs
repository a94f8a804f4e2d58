//! Change data capture from SQL Server, with the properties, topics, records and offsets of Debezium's connector.
//!
//! Guarantee: at least once, and in commit order within a table. If a cleanup removes changes before they were read,
//! the task fails or takes a new snapshot; changes are never skipped silently.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod catalog;
mod clock;
mod columns;
mod config;
mod connector;
mod failure;
mod history;
mod incremental;
mod lsn;
mod metrics;
mod notification;
mod offset;
mod reader;
mod record;
mod signal;
mod snapshot;
mod sql;
mod stream;
mod table;
mod task;
mod transaction;
mod transforms;
mod types;

use tributary_api::Plugin;

use self::connector::SqlServerConnector;
use self::task::SqlServerTask;

const CLASS: &str = "io.debezium.connector.sqlserver.SqlServerConnector";

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    let connector = Plugin::source(
        CLASS,
        env!("CARGO_PKG_VERSION"),
        config::definition(),
        || SqlServerConnector,
        SqlServerTask::start,
    );
    let connector = connector.doc(
        "Sends the rows of SQL Server tables, and then their changes, to Kafka, by SQL Server's change data capture.",
    );
    std::iter::once(connector).chain(transforms::plugins()).collect()
}
