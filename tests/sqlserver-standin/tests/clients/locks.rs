//! Sessions that are in each other's way.

use std::time::{Duration, Instant};

use crate::connection::{another, count, number, run, shop};

/// As a snapshot with `snapshot.isolation.mode` repeatable_read locks a table.
const WHOLE_TABLE: &str = "BEGIN TRAN; SELECT TOP (0) * FROM dbo.t WITH (TABLOCKX)";

#[tokio::test]
async fn who_waits_for_a_table_gives_up_after_the_lock_timeout() {
    let (standin, mut first) = shop().await;
    let mut second = another(&standin).await;
    run(&mut first, WHOLE_TABLE).await.unwrap();
    run(&mut second, "SET LOCK_TIMEOUT 200").await.unwrap();
    let began = Instant::now();
    assert_eq!(number(run(&mut second, "SELECT COUNT(*) FROM dbo.t").await), 1222);
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    assert_eq!(number(run(&mut second, "INSERT INTO dbo.t VALUES (4)").await), 1222);
    assert_eq!(number(run(&mut second, "SELECT COUNT(*) FROM dbo.t WITH (HOLDLOCK, NOWAIT)").await), 1222);
    assert_eq!(count(&mut second, "SELECT COUNT(*) FROM dbo.t WITH (NOLOCK)").await, 3);
    run(&mut first, "ROLLBACK").await.unwrap();
    assert_eq!(count(&mut second, "SELECT COUNT(*) FROM dbo.t").await, 3);
}

#[tokio::test]
async fn who_waits_goes_on_when_the_lock_is_released() {
    let (standin, mut first) = shop().await;
    let mut second = another(&standin).await;
    run(&mut first, WHOLE_TABLE).await.unwrap();
    let (seen, committed) = tokio::join!(
        count(&mut second, "SELECT COUNT(*) FROM dbo.t"),
        run(&mut first, "INSERT INTO dbo.t VALUES (4); COMMIT"),
    );
    assert!(committed.is_ok());
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn of_two_that_wait_for_each_other_one_is_the_victim() {
    let (standin, mut first) = shop().await;
    run(&mut first, "CREATE TABLE dbo.u (id int NOT NULL)").await.unwrap();
    let mut second = another(&standin).await;
    run(&mut first, WHOLE_TABLE).await.unwrap();
    run(&mut second, "BEGIN TRAN; SELECT TOP (0) * FROM dbo.u WITH (TABLOCKX)").await.unwrap();
    let (one, other) = tokio::join!(run(&mut first, "SELECT * FROM dbo.u"), run(&mut second, "SELECT * FROM dbo.t"));
    let (victim, survivor) = if one.is_err() { (one, other) } else { (other, one) };
    assert_eq!(number(victim), 1205);
    assert!(survivor.is_ok(), "only one is the victim");
    // The victim's transaction is gone, and its locks.
    let open = count(&mut first, "SELECT @@TRANCOUNT").await + count(&mut second, "SELECT @@TRANCOUNT").await;
    assert_eq!(open, 1);
}

#[tokio::test]
async fn a_snapshot_sees_what_was_there_and_conflicts_with_later_changes() {
    let (standin, mut first) = shop().await;
    assert_eq!(
        number(run(&mut first, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT * FROM dbo.t").await),
        3952,
        "the database does not allow it"
    );
    run(&mut first, "ALTER DATABASE shop SET ALLOW_SNAPSHOT_ISOLATION ON").await.unwrap();
    let mut second = another(&standin).await;
    run(&mut second, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN").await.unwrap();
    assert_eq!(count(&mut second, "SELECT COUNT(*) FROM dbo.t").await, 3);
    run(&mut first, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; DELETE FROM dbo.t WHERE id = 1").await.unwrap();
    assert_eq!(count(&mut second, "SELECT COUNT(*) FROM dbo.t").await, 3);
    assert_eq!(number(run(&mut second, "UPDATE dbo.t SET id = 9 WHERE id = 1").await), 3960);
    assert_eq!(count(&mut second, "SELECT COUNT(*) FROM dbo.t").await, 2);
}

/// Neither can be attached as usual once the first one is written or read in the transaction.
#[tokio::test]
async fn a_transaction_goes_on_in_a_second_database() {
    let (standin, mut first) = shop().await;
    run(&mut first, "CREATE DATABASE other").await.unwrap();
    run(&mut first, "CREATE TABLE other.dbo.t (id int NOT NULL)").await.unwrap();
    for database in ["shop", "other"] {
        run(&mut first, &format!("ALTER DATABASE {database} SET ALLOW_SNAPSHOT_ISOLATION ON")).await.unwrap();
    }
    let mut second = another(&standin).await;
    run(&mut second, "BEGIN TRAN; INSERT INTO dbo.t VALUES (4)").await.unwrap();
    run(&mut second, "INSERT INTO other.dbo.t VALUES (1); COMMIT").await.unwrap();
    assert_eq!(count(&mut first, "SELECT COUNT(*) FROM dbo.t").await, 4);
    assert_eq!(count(&mut first, "SELECT COUNT(*) FROM other.dbo.t").await, 1);
    let mut third = another(&standin).await;
    run(&mut third, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN").await.unwrap();
    assert_eq!(count(&mut third, "SELECT COUNT(*) FROM dbo.t").await, 4);
    assert_eq!(count(&mut third, "SELECT COUNT(*) FROM other.dbo.t").await, 1);
    run(&mut first, "DELETE FROM dbo.t; DELETE FROM other.dbo.t").await.unwrap();
    assert_eq!(count(&mut third, "SELECT COUNT(*) FROM dbo.t").await, 4);
    assert_eq!(count(&mut third, "SELECT COUNT(*) FROM other.dbo.t").await, 1);
}

#[tokio::test]
async fn a_session_that_is_killed_is_gone_with_its_transaction() {
    let (standin, mut first) = shop().await;
    let mut second = another(&standin).await;
    run(&mut second, "BEGIN TRAN; INSERT INTO dbo.t VALUES (4)").await.unwrap();
    let spid = run(&mut second, "SELECT CAST(@@SPID AS int)").await.unwrap()[0][0].get::<i32, _>(0).unwrap();
    run(&mut first, &format!("KILL {spid}")).await.unwrap();
    assert!(run(&mut second, "SELECT 1").await.is_err());
    assert_eq!(count(&mut first, "SELECT COUNT(*) FROM dbo.t").await, 3);
    assert_eq!(number(run(&mut first, "KILL 32000").await), 6106);
}

#[tokio::test]
async fn a_cancelled_statement_leaves_nothing_and_the_session_goes_on() {
    let (_standin, mut client) = shop().await;
    let endless = "INSERT INTO dbo.t SELECT 10 + a.value + 1000 * b.value + 1000000 * c.value FROM GENERATE_SERIES(0, 999) a \
                   CROSS JOIN GENERATE_SERIES(0, 999) b CROSS JOIN GENERATE_SERIES(0, 999) c";
    run(&mut client, "BEGIN TRAN; DELETE FROM dbo.t WHERE id = 1").await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_millis(200), run(&mut client, endless)).await;
    assert!(stopped.is_err(), "it takes longer than that");
    client.cancel_query().await.unwrap();
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, 2);
    assert_eq!(count(&mut client, "SELECT @@TRANCOUNT").await, 1);
    run(&mut client, "ROLLBACK").await.unwrap();
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, 3);
}
