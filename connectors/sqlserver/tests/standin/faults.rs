//! What befalls the server, the network and the login while changes are read. In the end all changes were sent in order, or
//! the task has failed with advice; never is something missing without an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tributary_api::{ErrorKind, Record};
use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, briefs};

const TABLE: [(&str, &str); 1] = [("t", "id int NOT NULL PRIMARY KEY")];

fn created(ids: impl IntoIterator<Item = i32>) -> Vec<String> {
    ids.into_iter().map(|id| format!("c null {{\"id\":{id}}}")).collect()
}

async fn reading(server: &mut Server, settings: &[(&str, &str)]) -> Task {
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(server, &FakeSourceHost::new(), settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (1)"]).await;
    assert_eq!(briefs(&task.take(1).await), created([1]));
    task
}

/// Ends the reader's connections, and lets what it logs in with meet a fault.
async fn log_in_again(server: &mut Server, fault: &str) {
    for fault in [
        format!("EXEC standin.fault @on = 'login', {fault}, @application = 'reader'"),
        "EXEC standin.fault @on = 'statement', @action = 'reset', @times = 1, @application = 'reader'".to_owned(),
    ] {
        server.sql(&fault).await;
    }
}

/// Nothing is captured meanwhile. What was committed is captured afterwards.
#[tokio::test]
async fn reading_waits_while_the_agent_is_stopped() {
    let mut server = Server::start(&TABLE).await;
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[("heartbeat.interval.ms", "1")]).await;
    let is_heartbeat = |record: &Record| record.topic.starts_with("__debezium-heartbeat");
    server.sql("INSERT INTO dbo.t VALUES (1)").await;
    // Heartbeats show that the log is polled.
    for _ in 0..10 {
        let records = task.poll().await.unwrap();
        assert!(records.iter().all(is_heartbeat), "{:?}", briefs(&records));
    }
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    let mut changes = Vec::new();
    while changes.len() < 2 {
        changes.extend(task.poll().await.unwrap().into_iter().filter(|record| !is_heartbeat(record)));
    }
    assert_eq!(briefs(&changes), created([1, 2]));
    task.stop().await;
}

/// An error that stays retriable would make the worker call the task again, where nobody reads any more.
#[tokio::test]
async fn errors_that_may_pass_fail_the_task_when_no_retry_is_left() {
    let mut server = Server::start(&TABLE).await;
    let mut task = reading(&mut server, &[("errors.max.retries", "2")]).await;
    server
        .sql("EXEC standin.fault @on = 'statement', @action = 'error', @number = 1205, @times = 100, @application = 'reader'")
        .await;
    let error = task.failure().await;
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
    assert!(error.to_string().contains("errors.max.retries") && error.to_string().contains("1205"), "{error}");
    task.stop().await;
}

/// The changes that were not read are dropped with it. Other tables are read on, now and after a restart.
#[tokio::test]
async fn a_dropped_table_does_not_affect_others() {
    let columns = "id int NOT NULL PRIMARY KEY";
    let mut server = Server::start(&[("t", columns), ("dropped", columns)]).await;
    let host = FakeSourceHost::new();
    server.change(&["INSERT INTO dbo.t VALUES (0)"]).await;
    let mut task = Task::first(&server, &host, &[]).await;
    server.change(&["INSERT INTO dbo.dropped VALUES (1)"]).await;
    assert_eq!(briefs(&task.take(1).await), created([1]));
    server.sql("DROP TABLE dbo.dropped").await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    let records = task.take(1).await;
    assert_eq!(briefs(&records), created([2]));
    host.acknowledge(&records[0]);
    task.stop().await;

    server.sql("CREATE TABLE dbo.other (id int NOT NULL PRIMARY KEY)").await;
    server.capture("other", "dbo_other").await;
    server.change(&["INSERT INTO dbo.other VALUES (3)"]).await;
    server.sql("DROP TABLE dbo.other").await;
    server.change(&["INSERT INTO dbo.t VALUES (4)"]).await;
    let mut task = Task::start(&server, &host, &[]).await;
    assert_eq!(briefs(&task.take(1).await), created([4]));
    task.stop().await;
}

/// Forwards connections, and counts them. Ends with the set.
async fn forward_to(port: u16) -> (u16, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (own, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let (counted, mut forwarding) = (Arc::clone(&count), JoinSet::new());
    forwarding.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            connections.spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (own, count, forwarding)
}

#[tokio::test]
async fn after_a_failover_changes_come_from_where_the_server_sends_its_clients() {
    let mut server = Server::start(&TABLE).await;
    let mut task = reading(&mut server, &[]).await;
    let (port, forwarded, _forwarding) = forward_to(server.port).await;
    // The old primary goes, and one or the other replica does not accept logins yet.
    log_in_again(&mut server, "@action = 'error', @number = 983, @times = 2").await;
    log_in_again(&mut server, &format!("@action = 'route', @host = '127.0.0.1', @port = {port}, @times = 1")).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)", "INSERT INTO dbo.t VALUES (3)"]).await;
    assert_eq!(briefs(&task.take(2).await), created([2, 3]));
    server.change(&["INSERT INTO dbo.t VALUES (4)"]).await;
    assert_eq!(briefs(&task.take(1).await), created([4]));
    assert!(forwarded.load(Ordering::Relaxed) > 0, "no connection went where the server sent it");
    task.stop().await;
}

/// The database is gone, the password is another, the login is locked: no attempt helps.
#[tokio::test]
async fn a_login_that_is_refused_while_changes_are_read_fails_the_task() {
    for (number, advice) in [(4060, "database.names"), (18456, "database.password"), (18486, "database.password")] {
        let mut server = Server::start(&TABLE).await;
        let mut task = reading(&mut server, &[]).await;
        log_in_again(&mut server, &format!("@action = 'error', @number = {number}, @times = 100")).await;
        let error = task.failure().await;
        assert_eq!(error.kind(), ErrorKind::Fatal, "{number}: {error}");
        assert!(error.to_string().contains(advice), "{number}: {error}");
    }
}

/// A login that is throttled is tried again.
#[tokio::test]
async fn a_throttled_login_is_tried_again() {
    let mut server = Server::start(&TABLE).await;
    let mut task = reading(&mut server, &[]).await;
    log_in_again(&mut server, "@action = 'error', @number = 40501, @times = 3").await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    assert_eq!(briefs(&task.take(1).await), created([2]));
    task.stop().await;
}

/// The rights that the README names are enough; without one of them the task fails, and does not take it for an empty table.
#[tokio::test]
async fn a_permission_that_is_withdrawn_fails_the_task() {
    let mut server = Server::start(&TABLE).await;
    let settings = server.reader_login().await;
    let mut task = reading(&mut server, &settings).await;
    server.change(&["INSERT INTO dbo.t VALUES (2)"]).await;
    assert_eq!(briefs(&task.take(1).await), created([2]));
    server.sql("REVOKE SELECT ON SCHEMA::cdc FROM least").await;
    server.change(&["INSERT INTO dbo.t VALUES (3)"]).await;
    let error = task.failure().await;
    assert_eq!(error.kind(), ErrorKind::Fatal, "{error}");
    assert!(error.to_string().contains("grant database.user"), "{error}");
}

/// The reader waits for whoever takes its records, and is overtaken. What was read before comes; then the task fails.
#[tokio::test]
async fn a_cleanup_that_overtakes_a_running_reader_fails_the_task() {
    for mode in ["direct", "function"] {
        let mut server = Server::start(&TABLE).await;
        let settings = [
            ("max.batch.size", "5"),
            ("max.queue.size", "10"),
            ("streaming.fetch.size", "5"),
            ("max.iteration.transactions", "0"),
            ("data.query.mode", mode),
        ];
        let mut task = reading(&mut server, &settings).await;
        for id in 2..200 {
            server.sql(&format!("INSERT INTO dbo.t VALUES ({id})")).await;
        }
        server.scan().await;
        let mut read = task.poll().await.unwrap();
        let mark = server.bytes("SELECT MAX(__$start_lsn) FROM cdc.dbo_t_CT").await;
        let mark: String = mark.iter().map(|byte| format!("{byte:02x}")).collect();
        server
            .sql(&format!(
                "EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'dbo_t', @low_water_mark = 0x{mark}"
            ))
            .await;
        let error = loop {
            match task.poll().await {
                Ok(more) => read.extend(more),
                Err(error) => break error,
            }
        };
        let last = i32::try_from(read.len()).unwrap() + 2;
        assert!(last < 199, "the cleanup did not overtake the reader");
        assert_eq!(briefs(&read), created(2..last), "{mode}");
        assert!(error.to_string().contains("snapshot.mode=when_needed"), "{mode}: {error}");
    }
}
