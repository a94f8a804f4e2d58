//! The two connectors.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use tributary_tests::{Kafka, RestClient, SqlServer, consume_all, unique, wait_for, wait_until};

use super::workload::{FENCE, TABLES};

pub(super) const LIMIT: Duration = Duration::from_secs(120);
const CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A connector in its worker.
pub(super) struct Side {
    pub(super) rest: RestClient,
    /// Also the prefix of its topics.
    pub(super) name: String,
}

/// Debezium's and ours.
pub(super) struct Sides {
    pub(super) kafka: &'static Kafka,
    pub(super) java: Side,
    pub(super) ours: Side,
}

impl Sides {
    /// Posts both, and waits until they have read what is there: from then on no change is read as a row.
    pub(super) async fn start(
        kafka: &'static Kafka,
        [java, ours]: [&RestClient; 2],
        port: u16,
        databases: &[String],
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        // Of the same length, so that sizes are the same, and without what names for Avro must not have.
        let name = unique("").replace('-', "");
        let side = |rest: &RestClient, kind: &str| Side { rest: rest.clone(), name: format!("{kind}{name}") };
        let sides = Self { kafka, java: side(java, "java"), ours: side(ours, "ours") };
        for side in sides.both() {
            let config = side.config(&kafka.bootstrap(), port, databases, settings);
            side.rest.put_connector(&side.name, &config).await?;
        }
        for side in sides.both() {
            side.wait_running().await?;
            sides.wait_for_beginning(side, databases, settings).await?;
        }
        Ok(sides)
    }

    pub(super) fn both(&self) -> [&Side; 2] {
        [&self.java, &self.ours]
    }

    async fn wait_for_beginning(&self, side: &Side, databases: &[String], settings: &[(&str, &str)]) -> Result<()> {
        if settings.contains(&("snapshot.mode", "no_data")) {
            let tables = databases.len() * (TABLES.len() + 1);
            return wait_until(LIMIT, "the structure of all tables", || async {
                let messages = consume_all(&self.kafka.bootstrap(), &side.name, false).await;
                messages.is_ok_and(|messages| messages.len() >= tables)
            })
            .await;
        }
        for database in databases {
            let what = format!("the end of {}'s snapshot of {database}", side.name);
            wait_until(LIMIT, &what, || async {
                let offset = side.offset(database).await.unwrap_or_default();
                offset.is_object() && offset["snapshot_completed"] != false
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until both have stored this position of a database, in the same way.
    pub(super) async fn reach(&self, database: &str, position: &str) -> Result<()> {
        let mut stored = Vec::new();
        for side in self.both() {
            let what = format!("{} to reach {position} of {database}", side.name);
            let reached = wait_for(LIMIT, &what, || async {
                if let Some(failure) = side.failure().await {
                    return Some(Err(failure));
                }
                let offset = side.offset(database).await.ok()?;
                (offset["commit_lsn"] == position).then_some(Ok(offset))
            });
            match reached.await? {
                Ok(offset) => stored.push(offset),
                Err(failure) => bail!("{} failed: {failure}", side.name),
            }
        }
        ensure!(stored[0] == stored[1], "offsets of {database}: java {}, ours {}", stored[0], stored[1]);
        Ok(())
    }

    /// Stops both and starts them again.
    pub(super) async fn restart(&self) -> Result<()> {
        let [java, ours] = self.both();
        futures::try_join!(java.stop(), ours.stop())?;
        for side in self.both() {
            side.resume().await?;
        }
        for side in self.both() {
            side.wait_running().await?;
        }
        Ok(())
    }

    pub(super) async fn delete(&self) -> Result<()> {
        for side in self.both() {
            side.rest.delete(&side.path("")).await?.success()?;
        }
        Ok(())
    }
}

impl Side {
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/connectors/{}{rest}", self.name)
    }

    pub(super) fn config(&self, bootstrap: &str, port: u16, databases: &[String], settings: &[(&str, &str)]) -> Value {
        let (port, history) = (port.to_string(), self.history());
        let usual = [
            ("connector.class", "io.debezium.connector.sqlserver.SqlServerConnector"),
            ("tasks.max", "1"),
            ("database.hostname", "127.0.0.1"),
            ("database.port", &port),
            ("database.user", SqlServer::USER),
            ("database.password", SqlServer::PASSWORD),
            ("database.names", &databases.join(",")),
            ("driver.encrypt", "false"),
            ("driver.applicationName", &self.name),
            ("topic.prefix", &self.name),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
            ("schema.history.internal.kafka.bootstrap.servers", bootstrap),
            ("schema.history.internal.kafka.topic", &history),
            ("poll.interval.ms", "50"),
            ("retriable.restart.connector.wait.ms", "500"),
            ("key.converter", CONVERTER),
            ("value.converter", CONVERTER),
        ];
        let all = usual.iter().chain(settings);
        Value::Object(all.map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>())
    }

    pub(super) async fn stop(&self) -> Result<()> {
        self.put("/stop").await?;
        let stopped = || async {
            let status = self.status().await.unwrap_or_default();
            status["connector"]["state"] == "STOPPED" && status["tasks"].as_array().is_some_and(Vec::is_empty)
        };
        wait_until(LIMIT, &format!("{} to stop", self.name), stopped).await
    }

    pub(super) async fn resume(&self) -> Result<()> {
        self.put("/resume").await
    }

    /// Asks again while the worker shares out its work.
    async fn put(&self, path: &str) -> Result<()> {
        let what = format!("{} to take {path}", self.name);
        let answer = wait_for(LIMIT, &what, || async {
            let answer = self.rest.send(reqwest::Method::PUT, &self.path(path), None).await.ok()?;
            (answer.status != 409).then_some(answer)
        });
        answer.await?.success().map(drop)
    }

    /// Asks again while the worker shares out its work.
    pub(super) async fn wait_running(&self) -> Result<()> {
        let what = format!("{} to run", self.name);
        let failure = wait_for(LIMIT, &what, || async {
            let status = self.status().await?;
            let tasks = status["tasks"].as_array()?;
            let failed = tasks.iter().find(|task| task["state"] == "FAILED").map(ToString::to_string);
            let running = !tasks.is_empty() && tasks.iter().all(|task| task["state"] == "RUNNING");
            (running || failed.is_some()).then_some(failed)
        });
        match failure.await? {
            Some(failure) => bail!("{} failed: {failure}", self.name),
            None => Ok(()),
        }
    }

    async fn failure(&self) -> Option<String> {
        let status = self.status().await?;
        let failed = status["tasks"].as_array()?.iter().find(|task| task["state"] == "FAILED");
        failed.map(ToString::to_string)
    }

    async fn status(&self) -> Option<Value> {
        Some(self.rest.get(&self.path("/status")).await.ok()?.json())
    }

    /// What is stored of a database.
    pub(super) async fn offset(&self, database: &str) -> Result<Value> {
        let answer = self.rest.get(&self.path("/offsets")).await?.success()?;
        let offsets = answer["offsets"].as_array().context("no list of offsets")?;
        let offset = offsets.iter().find(|offset| offset["partition"]["database"] == database);
        Ok(offset.map(|offset| offset["offset"].clone()).unwrap_or_default())
    }

    /// The topic of the schema history.
    pub(super) fn history(&self) -> String {
        format!("history.{}", self.name)
    }

    /// The topic of a table.
    pub(super) fn topic(&self, database: &str, table: &str) -> String {
        format!("{}.{database}.dbo.{table}", self.name)
    }
}

/// All tables that are compared.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().chain([&FENCE]).map(|(table, _)| *table)
}
