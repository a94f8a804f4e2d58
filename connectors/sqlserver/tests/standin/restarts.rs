//! Restarts with other settings within a transaction.

use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, briefs};

/// Within a statement that moves keys the number of rows tells what was sent. Of other tables, or in another order, it is that
/// of other rows: all of the transaction comes again, and none is left out.
#[tokio::test]
async fn other_tables_or_another_order_within_a_bulk_change_of_keys_bring_all_of_it_again() {
    let columns = "id int NOT NULL PRIMARY KEY";
    let mut server = Server::start(&[("t", columns), ("u", columns)]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1), (2), (3)"]).await;
    let host = FakeSourceHost::new();
    let settings = [("tombstones.on.delete", "false")];
    let mut task = Task::first(&server, &host, &settings).await;
    server
        .change(&["BEGIN TRANSACTION; INSERT INTO dbo.u VALUES (1); UPDATE dbo.t SET id = id + 10; \
                   INSERT INTO dbo.u VALUES (2); COMMIT"])
        .await;
    let records = task.take(8).await;
    task.stop().await;
    let mut all = briefs(&records);
    // Behind the second of the three inserts.
    host.acknowledge(&records[5]);

    let mut task = Task::start(&server, &host, &[settings[0], ("table.include.list", "dbo.t")]).await;
    assert_eq!(briefs(&task.take(6).await), all[1..7]);
    task.stop().await;

    let mut task = Task::start(&server, &host, &[settings[0], ("data.query.mode", "function")]).await;
    let mut again = briefs(&task.take(8).await);
    task.stop().await;
    all.sort();
    again.sort();
    assert_eq!(again, all);
}
