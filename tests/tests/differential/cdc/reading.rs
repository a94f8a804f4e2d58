//! The two connectors with a signal table each, and what is compared of their snapshots.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tributary_tests::{Message, RestClient, SqlClient, consume_all};

use super::masks::masked;
use super::sides::{LIMIT, Side};

pub(super) const DATABASE: &str = "shop";
/// What notifications are of. Those of blocking snapshots are told as those of initial ones.
pub(super) const INCREMENTAL: &str = "Incremental Snapshot";
pub(super) const INITIAL: &str = "Initial Snapshot";
const TABLES: &str = "data_collections";
const SIGNAL_COLUMNS: &str = "id varchar(64) NOT NULL PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048) NULL";

/// A connector with its signal table.
pub(super) struct Reading {
    pub(super) side: Side,
    kind: &'static str,
    bootstrap: String,
}

/// Tables of these names, columns and rows, captured and scanned, and the connectors' signal tables.
pub(super) async fn create_tables(client: &mut SqlClient, tables: &[(&str, &str, &str)]) -> Result<()> {
    for (table, columns, rows) in tables {
        client.run(&format!("CREATE TABLE dbo.{table} ({columns})")).await?;
        client.capture(table, &format!("dbo_{table}")).await?;
        if !rows.is_empty() {
            client.run(&format!("INSERT INTO dbo.{table} VALUES {rows}")).await?;
        }
    }
    create_signal_tables(client).await?;
    client.scan().await?;
    Ok(())
}

/// One for each connector.
pub(super) async fn create_signal_tables(client: &mut SqlClient) -> Result<()> {
    for side in ["java", "ours"] {
        client.run(&format!("CREATE TABLE dbo.signals_{side} ({SIGNAL_COLUMNS})")).await?;
        client.capture(&format!("signals_{side}"), &format!("dbo_signals_{side}")).await?;
    }
    Ok(())
}

impl Reading {
    /// Their names have the same length, and so have what contains them.
    pub(super) fn new(rest: RestClient, kind: &'static str, name: &str, bootstrap: String) -> Self {
        Self { side: Side { rest, name: format!("{kind}{name}") }, kind, bootstrap }
    }

    /// The same connector in another worker.
    pub(super) fn moved(self, rest: RestClient) -> Self {
        Self { side: Side { rest, ..self.side }, ..self }
    }

    pub(super) async fn post(&self, port: u16, tables: &[&str], settings: &[(&str, &str)]) -> Result<()> {
        let tables: Vec<String> = tables.iter().map(|table| format!("dbo.{table}")).collect();
        let (signals, told) = (format!("{DATABASE}.dbo.signals_{}", self.kind), self.told());
        let usual = [
            ("table.include.list", &*tables.join(",")),
            ("signal.data.collection", &signals),
            ("notification.enabled.channels", "sink,log"),
            ("notification.sink.topic.name", &told),
            ("schema.history.internal.store.only.captured.tables.ddl", "true"),
        ];
        let settings = [&usual[..], settings].concat();
        let config = self.side.config(&self.bootstrap, port, &[DATABASE.to_owned()], &settings);
        self.side.rest.put_connector(&self.side.name, &config).await?;
        self.side.wait_running().await
    }

    fn told(&self) -> String {
        format!("told.{}", self.side.name)
    }

    pub(super) async fn signal(&self, client: &mut SqlClient, id: &str, kind: &str, data: &str) -> Result<()> {
        client.run(&format!("INSERT INTO dbo.signals_{} VALUES ('{id}', '{kind}', '{data}')", self.kind)).await
    }

    /// Captures all that is committed again and again until it is so.
    pub(super) async fn wait(
        &self,
        what: &str,
        client: &mut SqlClient,
        is_so: impl AsyncFn(&Self) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            client.scan().await?;
            if is_so(self).await {
                return Ok(());
            }
            ensure!(Instant::now() < end, "{} did not come to {what}", self.side.name);
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn messages(&self, topic: &str) -> Result<Vec<Message>> {
        consume_all(&self.bootstrap, topic, false).await
    }

    /// The rows that were read of a table, as they are compared, without the positions at which they were sent.
    pub(super) async fn rows(&self, table: &str) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        for message in self.messages(&self.side.topic(DATABASE, table)).await? {
            let mut value: Value = serde_json::from_str(&message.text())?;
            if value["payload"]["op"] != "r" {
                continue;
            }
            for position in ["change_lsn", "commit_lsn", "event_serial_no"] {
                let member = &mut value["payload"]["source"][position];
                *member = json!(if member.is_null() { "none" } else { "some" });
            }
            let message = Message { value: Some(value.to_string().into_bytes()), ..message };
            rows.push(masked(&message, &self.side.name).text);
        }
        Ok(rows)
    }

    /// How many snapshots were told to be complete.
    pub(super) async fn completed(&self, aggregate: &str) -> Result<usize> {
        let told = self.notifications(aggregate).await?;
        Ok(told.iter().filter(|notice| notice["type"] == "COMPLETED").count())
    }

    /// What was told of snapshots of a kind.
    pub(super) async fn notifications(&self, aggregate: &str) -> Result<Vec<Value>> {
        let mut told = Vec::new();
        for message in self.messages(&self.told()).await? {
            let text = message.text().replace(&self.side.name, "NAME");
            let mut value: Value = serde_json::from_str(&text)?;
            let schema = value["schema"].take();
            let payload = value["payload"].as_object_mut().context("a notification has a payload")?;
            if payload["aggregate_type"] == aggregate {
                let mut key = message.key_text().replace(&self.side.name, "NAME");
                if aggregate == INITIAL {
                    // No signal gives these an id.
                    let id = payload["id"].as_str().context("a notification has an id")?.to_owned();
                    key = key.replace(&id, "ID");
                    payload.insert("id".to_owned(), json!("ID"));
                }
                // Debezium lists them in no order.
                if let Some(Value::String(tables)) =
                    payload.get_mut("additional_data").and_then(|data| data.get_mut(TABLES))
                {
                    let mut names: Vec<&str> = tables.split(',').collect();
                    names.sort_unstable();
                    *tables = names.join(",");
                }
                payload.insert("timestamp".to_owned(), json!(payload["timestamp"].is_i64()));
                payload.insert("schema".to_owned(), schema);
                payload.insert("key".to_owned(), json!(key));
                told.push(value["payload"].take());
            }
        }
        Ok(told)
    }
}
