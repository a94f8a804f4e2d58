//! A cleanup that removes changes before they were read causes an error or a new snapshot, never a gap.

use std::time::Duration;

use tokio::time::timeout;
use tributary_api::ErrorKind;
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, WAIT_LIMIT, briefs, offset};

const TABLE: [(&str, &str); 1] = [("t", "id int NOT NULL PRIMARY KEY")];

/// Removes what is before the change of this row.
async fn clean_up(server: &mut Server, id: i32) {
    clean_up_to(server, &format!("SELECT __$start_lsn FROM cdc.dbo_t_CT WHERE id = {id}")).await;
}

/// Removes what is before the position that a query returns.
async fn clean_up_to(server: &mut Server, query: &str) {
    let mark = server.bytes(query).await;
    let mark: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
    server
        .sql(&format!("EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'dbo_t', @low_water_mark = 0x{mark}"))
        .await;
}

async fn stopped_reader(server: &mut Server) -> std::sync::Arc<FakeSourceHost> {
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(server, &host, &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    let records = task.take(1).await;
    host.acknowledge(&records[0]);
    task.stop().await;
    host
}

#[tokio::test]
async fn what_was_removed_while_the_task_was_stopped_fails_it() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    clean_up(&mut server, 3).await;
    let error = Task::start(&server, &host, &[]).await.failure().await;
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("snapshot.mode=when_needed"), "{error}");
}

#[tokio::test]
async fn when_needed_reads_the_tables_anew() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    clean_up(&mut server, 3).await;
    let mut task = Task::start(&server, &host, &[("snapshot.mode", "when_needed")]).await;
    let rows = briefs(&task.take(4).await);
    assert_eq!(rows, [0, 1, 2, 3].map(|id| format!("r null {{\"id\":{id}}}")));
    server.change(&["INSERT INTO dbo.t VALUES (4)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":4}"#]);
    task.stop().await;
}

#[tokio::test]
async fn what_was_read_may_be_removed() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    clean_up(&mut server, 1).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":2}"#]);
    // The same while the task runs.
    clean_up(&mut server, 2).await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":3}"#]);
    task.stop().await;
}

/// Lets the log get an idle entry, as it does when nothing happens for some minutes, and cleans up to it.
async fn clean_up_in_an_idle_time(server: &mut Server) {
    server.sql("EXEC standin.clock @advance_ms = 301000").await;
    server.scan().await;
    // The reader polls in the meantime.
    tokio::time::sleep(Duration::from_secs(1)).await;
    clean_up_to(server, "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping WHERE tran_id = 0x00").await;
}

/// The log also grows while nothing is captured. A cleanup can then go beyond the last change without removing a change
/// that was not read.
#[tokio::test]
async fn a_cleanup_while_nothing_happens_is_no_loss() {
    let mut server = Server::start(&TABLE).await;
    let host = FakeSourceHost::new();
    let mut task = Task::first(&server, &host, &[]).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":1}"#]);
    clean_up_in_an_idle_time(&mut server).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":2}"#]);
    // The same for a reader that starts again after an error.
    clean_up_in_an_idle_time(&mut server).await;
    server.sql("EXEC standin.fault @on = 'statement', @action = 'error', @number = 1205, @times = 1, @application = 'reader'").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":3}"#]);
    task.stop().await;
}

/// The function refuses a position that a cleanup has removed since the poll's statement. The fifth statement is the
/// first page.
#[tokio::test]
async fn a_cleanup_just_before_the_function_is_asked_is_a_loss_as_any_other() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.sql("EXEC standin.fault @on = 'statement', @action = 'error', @number = 313, @skip = 4, @times = 1, @application = 'reader'").await;
    let settings = [("snapshot.mode", "when_needed"), ("data.query.mode", "function")];
    let mut task = Task::start(&server, &host, &settings).await;
    assert_eq!(briefs(&task.take(3).await), [0, 1, 2].map(|id| format!("r null {{\"id\":{id}}}")));
    task.stop().await;
}

/// A table that was captured later also has a later first position, but has lost nothing.
#[tokio::test]
async fn a_new_capture_instance_is_no_loss() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    server.sql("CREATE TABLE dbo.later (id int NOT NULL PRIMARY KEY)").await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.capture("later", "dbo_later").await;
    server.change(&["INSERT INTO dbo.later VALUES (7)"]).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(2).await), [r#"c null {"id":2}"#, r#"c null {"id":7}"#]);
    task.stop().await;
}

/// Until it has committed, the transaction that captures a table lets others commit: they are before its beginning.
#[tokio::test]
async fn a_transaction_that_ends_while_a_table_is_enabled_is_no_loss() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    server.sql("CREATE TABLE dbo.later (id int NOT NULL PRIMARY KEY)").await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.capture("later", "dbo_later").await;
    let began = "UPDATE cdc.change_tables SET create_date = DATEADD(second, -20, create_date) WHERE capture_instance = 'dbo_later'";
    server.sql(began).await;
    server.change(&["INSERT INTO dbo.later VALUES (7)"]).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(2).await), [r#"c null {"id":2}"#, r#"c null {"id":7}"#]);
    task.stop().await;
}

/// It began before the instance was made, as the one that made it.
#[tokio::test]
async fn a_cleanup_up_to_a_transaction_that_was_open_when_the_table_was_enabled_is_a_loss() {
    let mut server = Server::start(&TABLE).await;
    let host = stopped_reader(&mut server).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    clean_up(&mut server, 3).await;
    server.sql("UPDATE cdc.change_tables SET create_date = DATEADD(minute, -5, create_date)").await;
    server.sql("UPDATE cdc.lsn_time_mapping SET tran_begin_time = DATEADD(hour, -1, tran_begin_time)").await;
    let error = Task::start(&server, &host, &[]).await.failure().await;
    assert!(error.to_string().contains("heartbeat.interval.ms"), "{error}");
}

/// Nothing happens for longer than changes are kept: heartbeats store how far the log was seen to be empty.
#[tokio::test]
async fn a_start_after_an_idle_time_that_a_cleanup_went_through_is_no_loss() {
    let mut server = Server::start(&TABLE).await;
    let host = FakeSourceHost::new();
    let settings = [("heartbeat.interval.ms", "1")];
    let mut task = Task::first(&server, &host, &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    let position = server.pass_idle_time().await;
    let stored = async {
        loop {
            let records = task.poll().await.unwrap();
            records.iter().for_each(|record| host.acknowledge(record));
            if records.iter().any(|record| offset(record).contains(&position)) {
                return;
            }
        }
    };
    timeout(WAIT_LIMIT, stored).await.expect("a heartbeat with the position up to which the log is empty");
    task.stop().await;
    clean_up_to(&mut server, Server::IDLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(1).await), [r#"c null {"id":2}"#]);
    task.stop().await;
}
