//! Signals that say which structure a table has.

use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::signals::{A, FIVE, SETTINGS, SIGNALS, changes, execute, is_complete, signal};
use crate::task::Task;

const HISTORY: (&str, &str) = ("schema.history.internal.kafka.topic", "history");

/// A list of changes of a table with the column `id` as its key, and these columns behind it.
fn structure(kind: &str, table: &str, columns: &[(&str, i32, &str)]) -> String {
    let id = ("id", 4, "int");
    let column = |(position, (name, jdbc, type_name)): (usize, &(&str, i32, &str))| {
        format!(
            r#"{{"name": "{name}", "jdbcType": {jdbc}, "typeName": "{type_name}", "length": 10, "position": {}, "optional": {}}}"#,
            position + 1,
            position > 0
        )
    };
    let columns: Vec<String> = [&id].into_iter().chain(columns).enumerate().map(column).collect();
    let columns = columns.join(",");
    format!(
        r#"{{"database": "shop", "schema": "dbo", "changes": [{{"type": "{kind}", "id": "\"shop\".\"dbo\".\"{table}\"",
            "table": {{"primaryKeyColumnNames": ["id"], "columns": [{columns}]}}}}]}}"#
    )
}

#[tokio::test]
async fn a_signal_changes_the_structure_that_changes_and_rows_have() {
    let mut server = Server::start(&[A, SIGNALS]).await;
    server.change(&[FIVE]).await;
    let host = FakeSourceHost::new();
    let settings = [&SETTINGS[..], &[HISTORY]].concat();
    let mut task = Task::first(&server, &host, &settings).await;
    let before = host.written().len();
    // What cannot be followed changes nothing, and stops nothing.
    signal(&mut server, "c1", "schema-changes", &structure("DROP", "a", &[])).await;
    signal(&mut server, "c2", "schema-changes", &structure("ALTER", "a", &[]).replace("shop", "other")).await;
    signal(&mut server, "c3", "schema-changes", &structure("ALTER", "a", &[]).replace(r#"["id"]"#, r#"["x"]"#)).await;
    server.change(&["INSERT INTO dbo.a VALUES (6, N'6')"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":6,"name":"6"}"#]);
    assert_eq!(host.written().len(), before);

    signal(&mut server, "c4", "schema-changes", &structure("ALTER", "a", &[])).await;
    server.change(&["INSERT INTO dbo.a VALUES (7, N'7')"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":7}"#]);
    let recorded = host.written();
    assert_eq!(recorded.len(), before + 1);
    let entry: serde_json::Value = serde_json::from_slice(recorded[before].value.as_ref().unwrap()).unwrap();
    assert_eq!((entry["databaseName"].as_str(), entry.get("ddl")), (Some("shop"), None));
    assert_eq!(entry["tableChanges"][0]["type"], "ALTER");
    assert_eq!(entry["tableChanges"][0]["table"]["columns"].as_array().unwrap().len(), 1);
    assert!(entry["position"]["change_lsn"].as_str().is_some_and(|lsn| lsn != "NULL"), "{entry}");

    // An incremental snapshot has it, too, and a start from the stored position.
    execute(&mut server, r#""shop.dbo.a""#).await;
    let records = task.take_until(&mut server, is_complete).await;
    assert_eq!(changes(&records)[0], r#"r null {"id":1}"#);
    host.acknowledge(records.last().unwrap());
    task.stop().await;
    let mut task = Task::start(&server, &host, &settings).await;
    signal(&mut server, "c5", "schema-changes", &structure("ALTER", "a", &[("name", -9, "nvarchar")])).await;
    server.change(&["INSERT INTO dbo.a VALUES (8, N'8')"]).await;
    let records = task.take_until(&mut server, |records| !changes(records).is_empty()).await;
    assert_eq!(changes(&records), [r#"c null {"id":8,"name":"8"}"#]);
    task.stop().await;
}
