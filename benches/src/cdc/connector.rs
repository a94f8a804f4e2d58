//! A connector in its worker.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tributary_tests::{Kafka, RestClient, SqlServer, create_topic, unique, wait_for, wait_until};

use super::data::{DATABASE, TABLE};
use crate::measure::records;
use crate::peer::Kind;

const LIMIT: Duration = Duration::from_secs(300);
const CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
const HISTORY: &str = "schema.history.internal";

/// What a connector is called, which is the prefix of its topics, too.
#[derive(Clone, Debug)]
pub(super) struct BenchConnector {
    pub(super) kind: Kind,
    pub(super) name: String,
}

impl BenchConnector {
    /// With the topic of the table.
    pub(super) async fn new(kafka: &Kafka, kind: Kind) -> Result<Self> {
        let connector = Self { kind, name: unique("cdc").replace('-', "") };
        create_topic(&kafka.bootstrap(), &connector.topic(), 1).await?;
        Ok(connector)
    }

    pub(super) fn topic(&self) -> String {
        format!("{}.{DATABASE}.dbo.{TABLE}", self.name)
    }

    pub(super) async fn post(
        &self,
        kafka: &Kafka,
        rest: &RestClient,
        server: &SqlServer,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let mut config = json!({
            "connector.class": "io.debezium.connector.sqlserver.SqlServerConnector", "tasks.max": "1",
            "database.hostname": "127.0.0.1", "database.port": server.port().to_string(),
            "database.user": SqlServer::USER, "database.password": SqlServer::PASSWORD, "database.names": DATABASE,
            "driver.encrypt": "false", "driver.applicationName": self.name, "topic.prefix": self.name,
            "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
            "table.exclude.list": "dbo.thousand",
            "key.converter": CONVERTER, "key.converter.schemas.enable": "false",
            "value.converter": CONVERTER, "value.converter.schemas.enable": "false",
        });
        config[format!("{HISTORY}.kafka.bootstrap.servers")] = kafka.bootstrap().into();
        config[format!("{HISTORY}.kafka.topic")] = format!("{}.history", self.name).into();
        config[format!("{HISTORY}.store.only.captured.tables.ddl")] = "true".into();
        let tuning: &[(&str, &str)] = match self.kind {
            Kind::ConnectTuned => &[
                ("max.batch.size", "8192"),
                ("max.queue.size", "32768"),
                ("producer.override.batch.size", "131072"),
                ("producer.override.linger.ms", "5"),
            ],
            _ => &[],
        };
        for (name, value) in settings.iter().chain(tuning) {
            config[*name] = Value::from(*value);
        }
        rest.put_connector(&self.name, &config).await.map(drop)
    }

    /// Waits for so many records in the topic.
    pub(super) async fn wait_for(&self, kafka: &Kafka, rest: &RestClient, count: usize) -> Result<()> {
        let topic = self.topic();
        let what = format!("{count} records in {topic}");
        let reached = wait_for(super::LIMIT, &what, || async {
            if records(kafka, &topic).await.is_ok_and(|there| there >= count) {
                return Some(None);
            }
            self.failure(rest).await.map(Some)
        });
        match reached.await? {
            Some(failure) => bail!("{} failed: {failure}", self.name),
            None => Ok(()),
        }
    }

    /// Waits until a position behind the snapshot is stored, and gives it.
    pub(super) async fn offset(&self, rest: &RestClient) -> Result<Value> {
        let stored = wait_for(LIMIT, "the end of the snapshot", || async {
            let answer = rest.get(&self.path("/offsets")).await.ok()?.success().ok()?;
            let offset = answer["offsets"].get(0)?;
            (offset["offset"]["snapshot_completed"] == true).then(|| offset.clone())
        });
        stored.await
    }

    pub(super) async fn stop(&self, rest: &RestClient) -> Result<()> {
        self.ask(rest, Method::PUT, "/stop", None).await?;
        wait_until(LIMIT, "the connector to stop", || async {
            let Ok(answer) = rest.get(&self.path("/status")).await else { return false };
            let status = answer.json();
            status["connector"]["state"] == "STOPPED" && status["tasks"].as_array().is_some_and(Vec::is_empty)
        })
        .await
    }

    pub(super) async fn resume(&self, rest: &RestClient) -> Result<()> {
        self.ask(rest, Method::PUT, "/resume", None).await
    }

    /// Of one that is stopped.
    pub(super) async fn go_back_to(&self, rest: &RestClient, offset: &Value) -> Result<()> {
        self.ask(rest, Method::PATCH, "/offsets", Some(json!({"offsets": [offset]}).to_string())).await
    }

    /// Asks again while the worker shares out its work.
    async fn ask(&self, rest: &RestClient, method: Method, path: &str, body: Option<String>) -> Result<()> {
        let what = format!("{} to take {path}", self.name);
        let answer = wait_for(LIMIT, &what, || async {
            let answer = rest.send(method.clone(), &self.path(path), body.clone()).await.ok()?;
            (answer.status < 400).then_some(Ok(())).or_else(|| {
                let why = || format!("{path}: {} {}", answer.status, answer.text);
                (answer.status != 409 && answer.status != 404).then(|| Err(why()))
            })
        });
        answer.await?.map_err(anyhow::Error::msg).context("ask the worker")
    }

    async fn failure(&self, rest: &RestClient) -> Option<String> {
        let status = rest.get(&self.path("/status")).await.ok()?.json();
        let failed = status["tasks"].as_array()?.iter().find(|task| task["state"] == "FAILED");
        failed.map(ToString::to_string)
    }

    fn path(&self, rest: &str) -> String {
        format!("/connectors/{}{rest}", self.name)
    }
}
