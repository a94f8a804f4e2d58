//! Many captured tables of which few change.

use std::time::Duration;

use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, brief};

/// What each poll asks first.
const POLL: &str = "MAX(start_lsn)";
const CHANGES: u32 = 10;

async fn with_tables(count: u32) -> Server {
    let names: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
    let tables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "id int NOT NULL PRIMARY KEY")).collect();
    Server::start(&tables).await
}

#[tokio::test]
async fn a_poll_of_three_hundred_tables_of_which_one_changes_takes_at_most_three_round_trips() {
    let mut server = with_tables(300).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[]).await;
    // With the first change the instances are listed.
    server.change(&["INSERT INTO dbo.t7 VALUES (0)"]).await;
    task.take(1).await;
    server.sql("EXEC standin.count_requests").await;
    for number in 1..=CHANGES {
        server.change(&[&format!("INSERT INTO dbo.t7 VALUES ({number})")]).await;
        assert_eq!(brief(&task.take(1).await[0]), format!(r#"c null {{"id":{number}}}"#));
    }
    let asked = server.requests("reader").await;
    task.stop().await;
    let (polls, others): (Vec<_>, Vec<_>) = asked.iter().partition(|(text, _)| text.contains(POLL));
    let count = |asked: &[&(String, i64)]| asked.iter().map(|(_, count)| count).sum::<i64>();
    assert!(count(&polls) >= CHANGES.into(), "{polls:?}");
    // A poll that finds nothing is one; each change makes one poll that finds something.
    assert!(count(&others) <= 2 * i64::from(CHANGES), "{others:?}");
}

#[tokio::test]
async fn polls_of_a_log_that_stands_still_ask_for_nothing_but_its_end() {
    let mut server = with_tables(3).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[]).await;
    server.change(&["INSERT INTO dbo.t1 VALUES (0)"]).await;
    task.take(1).await;
    // A poll or two may still take account of what was found.
    let asked = idle_polls(&mut server, 3).await;
    assert!(asked.iter().any(|(text, _)| text.contains(POLL)), "{asked:?}");
    let asked = idle_polls(&mut server, 5).await;
    assert!(asked.iter().all(|(text, _)| text.contains(POLL) && !text.contains("change_tables")), "{asked:?}");
    // What is captured then is found.
    server.change(&["INSERT INTO dbo.t2 VALUES (7)"]).await;
    assert_eq!(brief(&task.take(1).await[0]), r#"c null {"id":7}"#);
    task.stop().await;
}

/// Counts anew, and returns what was asked when there were so many requests.
async fn idle_polls(server: &mut Server, polls: i64) -> Vec<(String, i64)> {
    server.sql("EXEC standin.count_requests").await;
    let asked = async {
        loop {
            let asked = server.requests("reader").await;
            if asked.iter().map(|(_, count)| count).sum::<i64>() >= polls {
                return asked;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap()
}

/// More than one statement of the stand-in has room for, which is 500.
#[tokio::test]
async fn changes_of_all_of_some_hundred_tables_come_in_their_order() {
    const TABLES: u32 = 510;
    let mut server = with_tables(TABLES).await;
    let mut task = Task::first(&server, &FakeSourceHost::new(), &[]).await;
    let numbers = || (0..TABLES).rev();
    let inserts: Vec<String> = numbers().map(|number| format!("INSERT INTO dbo.t{number} VALUES ({number})")).collect();
    server.change(&[&inserts.join("; ")]).await;
    let came: Vec<String> = task.take(TABLES as usize).await.iter().map(brief).collect();
    let expected: Vec<String> = numbers().map(|number| format!(r#"c null {{"id":{number}}}"#)).collect();
    assert_eq!(came, expected);
    task.stop().await;
}
