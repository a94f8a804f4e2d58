//! The contract battery, on the stand-in for SQL Server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

#[path = "standin/server.rs"]
mod server;

use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tributary_api::{Plugin, Props, Record, async_trait};
use tributary_testkit::battery::{self, SourceSubject, Violation};

use self::server::{DATABASE, PASSWORD, Server, USER};

/// A table that is captured.
struct Table(Server);

impl Table {
    fn new() -> Self {
        let columns = ("items", "id int IDENTITY PRIMARY KEY, item nvarchar(100) NOT NULL");
        Self(block_in_place(|| Handle::current().block_on(Server::start(&[columns]))))
    }
}

#[async_trait]
impl SourceSubject for Table {
    fn plugin(&self) -> Plugin {
        tributary_sqlserver::plugins().into_iter().next().unwrap()
    }

    fn props(&self) -> Props {
        let port = self.0.port.to_string();
        let settings = [
            ("database.hostname", "127.0.0.1"),
            ("database.port", &port),
            ("database.user", USER),
            ("database.password", PASSWORD),
            ("database.names", DATABASE),
            ("driver.encrypt", "false"),
            ("topic.prefix", "server"),
            ("poll.interval.ms", "5"),
        ];
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    async fn feed(&mut self, items: &[String]) {
        let rows: Vec<String> = items.iter().map(|item| format!("(N'{}')", item.replace('\'', "''"))).collect();
        self.0.change(&[&format!("INSERT INTO dbo.items (item) VALUES {}", rows.join(", "))]).await;
    }

    fn item(&self, record: &Record) -> Option<String> {
        record.value.value.path("after.item")?.as_str().map(str::to_owned)
    }

    /// A snapshot that was broken off begins anew, as Debezium's does. Restarts have tests of their own beside this one.
    fn replays(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_keeps_the_contract() {
    assert_eq!(battery::source(Table::new).await, Vec::<Violation>::new());
}
