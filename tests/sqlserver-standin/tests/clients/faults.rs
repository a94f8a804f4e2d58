//! What `EXEC standin.fault` asks for happens.

use std::time::{Duration, Instant};

use tiberius::error::Error;

use crate::connection::{Caller, another, count, number, run, shop};

#[tokio::test]
async fn an_error_strikes_the_statement_that_was_meant() {
    let (standin, mut client) = shop().await;
    let fault = "EXEC standin.fault @on = 'statement', @action = 'error', @number = 1205, @skip = 1, @times = 2, \
                 @application = 'reader'";
    run(&mut client, fault).await.unwrap();
    let reader = Caller { application: "reader", ..Caller::administrator(&standin) };
    let mut reader = reader.connect(&standin).await.unwrap();
    assert!(run(&mut reader, "SELECT 1").await.is_ok());
    assert_eq!(number(run(&mut reader, "SELECT 1").await), 1205);
    assert_eq!(number(run(&mut reader, "SELECT 1").await), 1205);
    assert!(run(&mut reader, "SELECT 1").await.is_ok());
    assert!(run(&mut client, "SELECT 1").await.is_ok(), "another application is not meant");
}

#[tokio::test]
async fn a_connection_breaks_between_two_rows() {
    let (standin, mut client) = shop().await;
    run(&mut client, "EXEC standin.fault @on = 'row', @action = 'reset', @skip = 2").await.unwrap();
    assert!(!matches!(run(&mut client, "SELECT id FROM dbo.t").await, Ok(_) | Err(Error::Server(_))));
    let mut client = another(&standin).await;
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, 3);
}

#[tokio::test]
async fn a_commit_is_lost_before_it_and_kept_after_it() {
    let (standin, mut client) = shop().await;
    for (on, rows) in [("commit", 3), ("committed", 4)] {
        run(&mut client, &format!("EXEC standin.fault @on = '{on}', @action = 'reset'")).await.unwrap();
        run(&mut client, "BEGIN TRAN; INSERT INTO dbo.t VALUES (4)").await.unwrap();
        assert!(run(&mut client, "COMMIT").await.is_err());
        client = another(&standin).await;
        assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, rows, "{on}");
    }
}

#[tokio::test]
async fn a_stall_takes_its_time_and_nothing_else() {
    let (_standin, mut client) = shop().await;
    run(&mut client, "EXEC standin.fault @on = 'statement', @action = 'stall', @milliseconds = 300").await.unwrap();
    let began = Instant::now();
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, 3);
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[tokio::test]
async fn logins_are_refused_throttled_and_sent_elsewhere() {
    let (standin, mut client) = shop().await;
    let administrator = Caller::administrator(&standin);
    let wrong = Caller { password: "no", ..Caller::administrator(&standin) };
    assert_eq!(number(wrong.connect(&standin).await), 18456);
    let nowhere = Caller { database: "nowhere", ..Caller::administrator(&standin) };
    assert_eq!(number(nowhere.connect(&standin).await), 4060);
    run(&mut client, "EXEC standin.fault @on = 'login', @action = 'error', @number = 40501").await.unwrap();
    assert_eq!(number(administrator.connect(&standin).await), 40501);
    run(&mut client, "EXEC standin.fault @on = 'login', @action = 'route', @host = 'second.test', @port = 14330")
        .await
        .unwrap();
    match administrator.connect(&standin).await {
        Err(Error::Routing { host, port }) => assert_eq!((host.as_str(), port), ("second.test", 14330)),
        Err(other) => panic!("not sent elsewhere: {other}"),
        Ok(_) => panic!("not sent elsewhere"),
    }
    assert!(administrator.connect(&standin).await.is_ok());
}

#[tokio::test]
async fn a_secondary_only_reads() {
    let (_standin, mut client) = shop().await;
    run(&mut client, "EXEC standin.read_only @database = 'shop', @on = 1").await.unwrap();
    assert_eq!(number(run(&mut client, "INSERT INTO dbo.t VALUES (4)").await), 3906);
    assert_eq!(number(run(&mut client, "CREATE TABLE dbo.u (id int)").await), 3906);
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM dbo.t").await, 3);
    run(&mut client, "EXEC standin.clear_faults").await.unwrap();
    assert!(run(&mut client, "INSERT INTO dbo.t VALUES (4)").await.is_ok());
}
