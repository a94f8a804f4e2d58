//! Columns of alias types.

use tributary_testkit::FakeSourceHost;

use crate::server::Server;
use crate::task::{Task, briefs};

/// The server names the alias, and not the type that it stands for. All digits of money stay.
#[tokio::test]
async fn a_column_of_an_alias_type_is_read_as_the_type_that_it_stands_for() {
    let mut server = Server::start(&[]).await;
    for sql in [
        "CREATE TYPE dbo.price FROM money",
        "CREATE TYPE dbo.fee FROM smallmoney",
        "CREATE TYPE dbo.rate FROM decimal(19, 4)",
        "CREATE TYPE dbo.ident FROM uniqueidentifier NOT NULL",
        "CREATE TYPE dbo.label FROM nvarchar(20)",
        "CREATE TABLE dbo.t (id dbo.ident PRIMARY KEY, p dbo.price NULL, f dbo.fee, r dbo.rate, l dbo.label)",
    ] {
        server.sql(sql).await;
    }
    server.capture("t", "dbo_t").await;
    let insert = |id: char| {
        format!(
            "INSERT INTO dbo.t VALUES ('6f9619ff-8b86-d011-b42d-00c04fc964f{id}', 922337203685477.5807, -214748.3648, \
             922337203685477.5807, N'Žluť')"
        )
    };
    let row = |id: char| {
        format!(
            r#"{{"id":"6F9619FF-8B86-D011-B42D-00C04FC964F{id}","p":"922337203685477.5807","f":"-214748.3648","r":"922337203685477.5807","l":"Žluť"}}"#
        )
    };
    server.change(&[&insert('a')]).await;
    let settings =
        [("snapshot.mode", "initial"), ("decimal.handling.mode", "string"), ("include.schema.changes", "false")];
    let mut task = Task::first(&server, &FakeSourceHost::new(), &settings).await;
    assert_eq!(briefs(&task.take(1).await), [format!("r null {}", row('A'))]);
    server
        .change(&[
            &insert('b'),
            "UPDATE dbo.t SET p = NULL, f = NULL WHERE id = '6f9619ff-8b86-d011-b42d-00c04fc964fb'",
        ])
        .await;
    let records = briefs(&task.take(2).await);
    assert_eq!(records[0], format!("c null {}", row('B')));
    assert!(records[1].starts_with(&format!("u {}", row('B'))), "{}", records[1]);
    task.stop().await;
}
