//! Metadata of transactions.

use tributary_api::Record;
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, brief, offset, text};

const TABLES: [(&str, &str); 2] =
    [("t", "id int NOT NULL PRIMARY KEY, n int NULL"), ("u", "id int NOT NULL PRIMARY KEY")];
const SETTINGS: [(&str, &str); 1] = [("provide.transaction.metadata", "true")];
const TOPIC: &str = "server.transaction";

/// A line for each record: status and counts of a transaction's own record, the place in its transaction of any other.
/// Ids are replaced by numbers in order of appearance.
fn told(records: &[Record]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut number = |id: String| {
        let known = ids.iter().position(|known| *known == id);
        known.unwrap_or_else(|| {
            ids.push(id);
            ids.len() - 1
        })
    };
    let mut all = Vec::new();
    for record in records {
        let value = &record.value.value;
        let part = |path: &str| value.path(path).map(text).unwrap_or_default();
        all.push(if &*record.topic == TOPIC {
            assert_eq!(text(record.key.value.get("id").unwrap()), part("id"));
            let counts = format!("{} {}", part("event_count"), part("data_collections"));
            format!("{} {} {counts}", part("status").trim_matches('"'), number(part("id")))
        } else if value.is_null() {
            "-".to_owned()
        } else {
            let place = format!("{}/{}", part("transaction.total_order"), part("transaction.data_collection_order"));
            assert_eq!(part("transaction.id"), part("source.commit_lsn"));
            format!("{} {} {place}", part("op").trim_matches('"'), number(part("transaction.id")))
        });
    }
    all
}

/// The two tables are in the order of a Java `HashMap`.
const COUNTS: &str =
    r#"4 [{"data_collection":"shop.dbo.u","event_count":1},{"data_collection":"shop.dbo.t","event_count":3}]"#;

async fn changed(server: &mut Server) {
    server
        .change(&[
            "BEGIN TRANSACTION; INSERT INTO dbo.t VALUES (1, 1); INSERT INTO dbo.u VALUES (1); UPDATE dbo.t SET n = 2; \
             DELETE FROM dbo.t; COMMIT",
            "INSERT INTO dbo.u VALUES (2)",
        ])
        .await;
}

fn expected() -> Vec<String> {
    let all = [
        "BEGIN 0 null null",
        "c 0 1/1",
        "c 0 2/1",
        "u 0 3/2",
        "d 0 4/3",
        "-",
        &format!("END 0 {COUNTS}"),
        "BEGIN 1 null null",
        "c 1 1/1",
        r#"END 1 1 [{"data_collection":"shop.dbo.u","event_count":1}]"#,
    ];
    all.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_transaction_has_a_record_before_its_first_event_and_after_its_last() {
    let mut server = Server::start(&TABLES).await;
    server.change(&["INSERT INTO dbo.u VALUES (0)"]).await;
    let settings = [SETTINGS[0], ("snapshot.mode", "initial")];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    let rows = task.take(1).await;
    assert_eq!(text(rows[0].value.value.get("transaction").unwrap()), "null", "a row is in none");
    changed(&mut server).await;
    assert_eq!(told(&task.take(10).await), expected());
    task.stop().await;
}

/// From whichever acknowledged record the task restarts, it continues with the next one, and counts as if it had not
/// been restarted.
#[tokio::test]
async fn a_restart_goes_on_counting() {
    let mut server = Server::start(&TABLES).await;
    server.change(&["INSERT INTO dbo.u VALUES (0)"]).await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &SETTINGS).await;
    changed(&mut server).await;
    let records = task.take(10).await;
    task.stop().await;
    let all = expected();
    for sent in 1..records.len() {
        host.acknowledge(&records[sent - 1]);
        // A delete is sent again together with its tombstone.
        let from = if sent == 5 { 4 } else { sent };
        let mut task = Task::start(&server, &host, &SETTINGS).await;
        let rest = task.take(10 - from).await;
        let again: Vec<String> = told(&rest).iter().map(|line| line.replace(" 0 ", " x ")).collect();
        // The helper numbers ids from the start again.
        let kinds = |lines: &[String]| -> Vec<String> {
            lines
                .iter()
                .map(|line| {
                    line.splitn(3, ' ')
                        .enumerate()
                        .filter(|(place, _)| *place != 1)
                        .map(|(_, part)| part)
                        .collect::<Vec<_>>()
                        .join(" ")
                })
                .collect()
        };
        assert_eq!(
            kinds(&again),
            kinds(&all[from..]),
            "after {sent}: {:?}",
            rest.iter().map(brief).collect::<Vec<_>>()
        );
        task.stop().await;
    }
    let within = offset(&records[2]);
    assert!(within.contains(r#""transaction_data_collection_order_shop.dbo.t":1"#), "{within}");
    assert!(within.contains(r#""transaction_id":""#), "{within}");
    assert!(!offset(&records[9]).contains("transaction"), "{}", offset(&records[9]));
}

/// Reading a table's structure again within a transaction does not begin the transaction again.
#[tokio::test]
async fn an_altered_table_does_not_break_the_counts_of_its_transaction() {
    let mut server = Server::start(&TABLES).await;
    server.change(&["INSERT INTO dbo.u VALUES (0)"]).await;
    let history = ("schema.history.internal.kafka.topic", "history");
    let settings = [SETTINGS[0], history, ("streaming.fetch.size", "2")];
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (0, 0)"]).await;
    task.take(3).await;
    let before = host.written().len();
    server.sql("ALTER TABLE dbo.t ALTER COLUMN n bigint NULL").await;
    server
        .change(&["BEGIN TRANSACTION; INSERT INTO dbo.t VALUES (1, 1), (2, 2), (3, 5000000000); INSERT INTO dbo.u VALUES (1); \
                   INSERT INTO dbo.t VALUES (4, 4); COMMIT"])
        .await;
    let expected = [
        "BEGIN 0 null null",
        "c 0 1/1",
        "c 0 2/2",
        "c 0 3/3",
        "c 0 4/1",
        "c 0 5/4",
        r#"END 0 5 [{"data_collection":"shop.dbo.u","event_count":1},{"data_collection":"shop.dbo.t","event_count":4}]"#,
    ];
    let records = task.take(7).await;
    assert_eq!(told(&records), expected);
    assert_eq!(brief(&records[3]), r#"c null {"id":3,"n":5000000000}"#);
    assert_eq!(host.written().len(), before + 1, "the history is told of the alteration once");
    task.stop().await;
}
