//! A front with functions that remember what they were given, and a task as the worker would drive it.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_front::{Event, Function, Functions, LambdaFront, Reply};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;
use tributary_api::{Datum, Factory, Offsets, Origin, Plugin, Props, Record, Result, SinkTask, TopicPartition, Value};
use tributary_testkit::FakeSinkHost;

pub(crate) const FUNCTION: &str = "upsert";
pub(crate) const TOPIC: &str = "clicks";
/// The limit for every wait.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What a function decides about an event.
pub(crate) type Decide = dyn Fn(&Event) -> Option<Reply> + Send + Sync;

/// A front with the function `upsert`, which answers with a payload for each record.
pub(crate) struct Setup {
    pub(crate) front: LambdaFront,
    seen: Arc<Mutex<Vec<Event>>>,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::with(|_| None).await
    }

    /// The function replies as configured, and otherwise with a payload for each record.
    pub(crate) async fn with(decide: impl Fn(&Event) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::set_up(decide, |function| function, |functions| functions).await
    }

    pub(crate) async fn set_up(
        decide: impl Fn(&Event) -> Option<Reply> + Send + Sync + 'static,
        function: impl FnOnce(Function) -> Function,
        functions: impl FnOnce(Functions) -> Functions,
    ) -> Self {
        let seen = Arc::<Mutex<Vec<Event>>>::default();
        let own = function(remembering(&seen, Arc::new(decide)));
        let all = functions(Functions::new().account_concurrency(1000).with(FUNCTION, own));
        Self { front: LambdaFront::start(all).await.unwrap(), seen }
    }

    /// The events that functions were given, in order.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.seen.lock().unwrap().clone()
    }

    /// The offsets in each event of the default format.
    pub(crate) fn batches(&self) -> Vec<Vec<i64>> {
        self.events().iter().map(offsets).collect()
    }

    pub(crate) fn props(&self, more: &[(&str, &str)]) -> Props {
        let url = self.front.url();
        let base = [
            ("aws.lambda.function.name", FUNCTION),
            ("aws.lambda.region", "us-east-1"),
            ("aws.access.key.id", "key"),
            ("aws.secret.access.key", "a-secret-key"),
            ("aws.lambda.endpoint.url", &url),
            ("aws.lambda.retry.backoff.ms", "1"),
        ];
        base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// A function that keeps what it is given, also of attempts that fail.
pub(crate) fn remembering(seen: &Arc<Mutex<Vec<Event>>>, decide: Arc<Decide>) -> Function {
    let seen = Arc::clone(seen);
    Function::inline(move |event| {
        seen.lock().unwrap().push(event.clone());
        let reply = decide(&event);
        async move { reply.unwrap_or_else(|| echo(&event)) }
    })
    .timeout(TEST_TIMEOUT)
}

/// `[{"payload":..},..]`: for each record its offset and value.
pub(crate) fn echo(event: &Event) -> Reply {
    let payload =
        |record: &Json| json!({"payload": {"offset": record["payload"]["offset"], "was": record["payload"]["value"]}});
    match event.json() {
        Json::Array(records) => Reply::json(&records.iter().map(payload).collect()),
        other => Reply::json(&other),
    }
}

/// The offsets in an event of Confluent's format.
pub(crate) fn offsets(event: &Event) -> Vec<i64> {
    let json = event.json();
    json.as_array().unwrap().iter().map(|record| record["payload"]["offset"].as_i64().unwrap()).collect()
}

pub(crate) struct Task {
    pub(crate) task: Box<dyn SinkTask>,
    pub(crate) host: Arc<FakeSinkHost>,
    pub(crate) stopping: CancellationToken,
}

impl Task {
    pub(crate) async fn start(props: &Props) -> Self {
        Self::start_with(props, FakeSinkHost::new()).await
    }

    pub(crate) async fn start_with(props: &Props, host: Arc<FakeSinkHost>) -> Self {
        Self::try_start(&plugin(), props, host).await.unwrap()
    }

    pub(crate) async fn try_start(plugin: &Plugin, props: &Props, host: Arc<FakeSinkHost>) -> Result<Self> {
        let Factory::Sink(factory) = &plugin.factory else { panic!("not a sink") };
        let (mut task, stopping) = ((factory.task)(), CancellationToken::new());
        task.start(host.context(&stopping), props).await?;
        task.open(&[partition(0)]).await?;
        Ok(Self { task, host, stopping })
    }

    /// Puts records of these offsets of partition 0.
    pub(crate) async fn put(&mut self, offsets: Range<i64>) -> Result<()> {
        self.task.put(&offsets.map(|offset| record(0, offset)).collect::<Vec<_>>()).await
    }

    /// What of partition 0 may be committed, when records up to an offset were put.
    pub(crate) async fn safe(&mut self, consumed: i64) -> i64 {
        let safe = self.task.pre_commit(&Offsets::from([(partition(0), consumed)])).await.unwrap();
        safe[&partition(0)]
    }

    /// Calls `put` as the worker does until all up to an offset is safe.
    pub(crate) async fn wait_until_safe(&mut self, offset: i64) -> Result<()> {
        let begun = tokio::time::Instant::now();
        while self.safe(offset).await != offset {
            assert!(begun.elapsed() < TEST_TIMEOUT, "{offset} does not become safe");
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.task.put(&[]).await?;
        }
        Ok(())
    }

    /// Calls `put` until it fails.
    pub(crate) async fn wait_until_failed(&mut self) -> tributary_api::Error {
        let begun = tokio::time::Instant::now();
        loop {
            if let Err(error) = self.task.put(&[]).await {
                return error;
            }
            assert!(begun.elapsed() < TEST_TIMEOUT, "the task does not fail");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(crate) fn plugin() -> Plugin {
    tributary_lambda::plugins().remove(0)
}

pub(crate) fn nordstrom() -> Plugin {
    tributary_lambda::plugins().remove(1)
}

pub(crate) fn partition(partition: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, partition)
}

pub(crate) fn record(partition: i32, offset: i64) -> Record {
    record_of(TOPIC, partition, offset, Value::map([("n", Value::Int64(offset))]))
}

pub(crate) fn record_of(topic: &str, partition: i32, offset: i64, value: Value) -> Record {
    let mut record = Record::new(topic, Datum::schemaless(value)).at(1_700_000_000_000 + offset);
    record.key = Datum::schemaless(format!("k{offset}"));
    record.origin = Origin::Kafka { topic: Arc::from(topic), partition, offset };
    record
}

/// Serves on a free port for as long as the test's runtime lives; answers with the URL.
pub(crate) async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

/// What Lambda is asked: the headers of each request, all of which are answered with null.
pub(crate) async fn listener() -> (String, Arc<Mutex<Vec<axum::http::HeaderMap>>>) {
    let heard = Arc::<Mutex<Vec<axum::http::HeaderMap>>>::default();
    let seen = Arc::clone(&heard);
    let answer = move |headers: axum::http::HeaderMap| {
        seen.lock().unwrap().push(headers);
        async { "null" }
    };
    (serve(axum::Router::new().fallback(axum::routing::post(answer))).await, heard)
}
