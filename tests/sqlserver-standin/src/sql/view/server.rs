//! The server's own services.

use super::Definition;
use super::view_columns::{Kind, NULL, SET, int, text};
use crate::data::Datum;
use crate::sql::function::Metadata;

pub(super) const VIEWS: &[Definition] = &[Definition {
    schema: "sys",
    name: "dm_server_services",
    columns: &[
        ("servicename", Kind::Text(256), SET),
        ("startup_type", Kind::Int, NULL),
        ("startup_type_desc", Kind::Text(256), SET),
        ("status", Kind::Int, NULL),
        ("status_desc", Kind::Text(256), SET),
        ("process_id", Kind::Int, NULL),
        ("service_account", Kind::Text(256), SET),
        ("filename", Kind::Text(256), SET),
        ("is_clustered", Kind::Text(1), SET),
        ("cluster_nodename", Kind::Text(256), NULL),
        ("instant_file_initialization_enabled", Kind::Text(1), SET),
    ],
    rows: services,
}];

/// The server and its agent: both run as long as this process does.
fn services(metadata: &Metadata) -> Vec<Vec<Datum>> {
    let process = std::process::id().try_into().map_or(Datum::Null, int);
    let row = |name: &str| {
        vec![
            text(name),
            int(2),
            text("Automatic"),
            int(4),
            text("Running"),
            process.clone(),
            text("mssql"),
            text(""),
            text("N"),
            Datum::Null,
            text("Y"),
        ]
    };
    if metadata.databases.is_empty() {
        return Vec::new();
    }
    vec![row("SQL Server (MSSQLSERVER)"), row("SQL Server Agent (MSSQLSERVER)")]
}
