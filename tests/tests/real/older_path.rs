//! The same records on both ways to MongoDB: over objects, SNS, SQS and a function, and straight to that function. One
//! Tributary worker has all the connectors; moto is S3, SNS and SQS; the front is Lambda.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lambda_front::{Fault, Function, Functions, LambdaFront, beside};
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use tributary_tests::{
    Kafka, Mongo, Moto, Queue, RestClient, Tier, Tributary, WorkerOptions, create_topic, produce, require, unique,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(180);
const BUCKET: &str = "raw";
const DATABASE: &str = "shop";
const EVENTS: u64 = 3_000;
/// The ways, each with a function and a collection of its own name.
const WAYS: [&str; 3] = ["objects", "array", "partitions"];

#[tokio::test]
async fn objects_over_sqs_and_the_connector_leave_the_same_documents() -> Result<()> {
    if !require(Tier::RealKafka)? || !require(Tier::Moto)? || !require(Tier::Mongo)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let (moto, mongo) = (Moto::start().await?, Mongo::start().await?);
    let (queue, dead_letters) = notifications(&moto).await?;
    let front = LambdaFront::start(functions(&moto, &mongo)?).await?;
    let topic = unique("clicks");
    create_topic(&kafka.bootstrap(), &topic, 3).await?;
    produce(&kafka.bootstrap(), &topic, (0..EVENTS).map(event)).await?;
    let worker = Tributary::start(WorkerOptions::on_kafka(kafka, &unique("older"))).await?;
    let mapping = Mapping { moto: &moto, queue: &queue, front: &front, function: "objects" };

    // Neither way is spared: calls are refused, functions die with their work done and undone, or hang.
    let faults = front.faults();
    faults.throttle(2);
    for fault in [Fault::CrashAfter, Fault::TimeOut, Fault::CrashBefore, Fault::CrashAfter, Fault::Unavailable] {
        faults.add(fault);
    }
    // What is no JSON goes to the dead letters, and holds up nothing.
    moto.s3().sdk().put_object().bucket(BUCKET).key("topics/bad+0+0.json").body(b"{".to_vec().into()).send().await?;
    connect(&worker.rest(), "to-s3", s3_sink(&moto, &topic)).await?;
    connect(&worker.rest(), "to-array", lambda_sink(&front, &topic, "array", "confluent")).await?;
    connect(&worker.rest(), "to-partitions", lambda_sink(&front, &topic, "partitions", "esm")).await?;

    mapping
        .run_until("the documents of all ways", || async {
            let mut all = true;
            for way in WAYS {
                all &= mongo.count(DATABASE, way).await? == EVENTS;
            }
            Ok(all)
        })
        .await?;
    mapping.run_until("an empty queue", || async { Ok(moto.messages(&queue).await? == 0) }).await?;

    assert_eq!(faults.waiting(), 0);
    let expected: Vec<Document> = (0..EVENTS).map(document).collect();
    for way in WAYS {
        let documents = mongo.documents(DATABASE, way).await?;
        let other = documents.iter().zip(&expected).find(|(document, expected)| document != expected);
        assert_eq!((other, documents.len()), (None, expected.len()), "by {way}");
    }
    let letters = moto.receive(&dead_letters).await?;
    assert_eq!(letters.len(), 1);
    assert!(letters[0]["Body"].as_str().is_some_and(|body| body.contains("bad%2B0%2B0.json")), "{letters:?}");

    // Migrating from the one path to the other reads the topic from its start once more, into the same collection.
    let before = mongo.documents(DATABASE, "objects").await?;
    connect(&worker.rest(), "moved", lambda_sink(&front, &topic, "moved", "confluent")).await?;
    wait_until(LIMIT, "the move", || async { records_of(&front, "moved") >= EVENTS }).await?;
    assert_eq!(mongo.documents(DATABASE, "objects").await?, before);
    Ok(())
}

/// The bucket notifies a topic of SNS, to which a queue with a dead letter queue is subscribed.
async fn notifications(moto: &Moto) -> Result<(Queue, Queue)> {
    moto.create_bucket(BUCKET).await?;
    let topic = moto.create_topic("raw-objects").await?;
    let dead_letters = moto.create_queue("upsert-dead", &[]).await?;
    let redrive = json!({"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": 10}).to_string();
    let attributes = [("VisibilityTimeout", "1"), ("RedrivePolicy", &redrive)];
    let queue = moto.create_queue("upsert", &attributes).await?;
    moto.subscribe(&topic, &queue, false).await?;
    moto.notify(BUCKET, "topics/", &topic).await?;
    Ok((queue, dead_letters))
}

fn functions(moto: &Moto, mongo: &Mongo) -> Result<Functions> {
    let program = beside("lambda-upsert")?;
    let function = |collection: &str| {
        Function::process(&program)
            .timeout(Duration::from_secs(10))
            .reserved_concurrency(3)
            .env("MONGODB_URI", mongo.uri())
            .env("MONGODB_DATABASE", DATABASE)
            .env("MONGODB_COLLECTION", collection)
            .env("AWS_ENDPOINT_URL", moto.endpoint())
            .env("AWS_ACCESS_KEY_ID", Moto::ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", Moto::SECRET_KEY)
            .env("AWS_REGION", Moto::REGION)
            .env("S3_PATH_STYLE", "true")
    };
    let all = WAYS.into_iter().fold(Functions::new(), |all, way| all.with(way, function(way)));
    Ok(all.with("moved", function("objects")))
}

fn s3_sink(moto: &Moto, topic: &str) -> Value {
    json!({
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "topics": topic,
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "s3.compression.type": "gzip",
        "store.url": moto.endpoint(),
        "s3.region": Moto::REGION,
        "s3.bucket.name": BUCKET,
        "aws.access.key.id": Moto::ACCESS_KEY,
        "aws.secret.access.key": Moto::SECRET_KEY,
        "flush.size": "250",
        // What is left over is written, too.
        "rotate.schedule.interval.ms": "1000",
        "timezone": "UTC",
    })
}

fn lambda_sink(front: &LambdaFront, topic: &str, function: &str, format: &str) -> Value {
    json!({
        "connector.class": "io.confluent.connect.aws.lambda.AwsLambdaSinkConnector",
        "topics": topic,
        "aws.lambda.function.name": function,
        "aws.lambda.region": "us-east-1",
        "aws.lambda.endpoint.url": front.url(),
        "aws.access.key.id": "key",
        "aws.secret.access.key": "secret",
        "aws.lambda.batch.size": "100",
        "aws.lambda.payload.format": format,
        "aws.lambda.function.retries": "10",
        "aws.lambda.retry.backoff.ms": "50",
        "reporter.result.topic.name": "",
        "reporter.error.topic.name": "",
    })
}

/// Posts a sink of schemaless JSON.
async fn connect(rest: &RestClient, name: &str, mut config: Value) -> Result<()> {
    config["tasks.max"] = json!("1");
    config["key.converter"] = json!("org.apache.kafka.connect.storage.StringConverter");
    config["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
    config["value.converter.schemas.enable"] = json!("false");
    config["consumer.override.auto.offset.reset"] = json!("earliest");
    rest.put_connector(name, &config).await?;
    rest.wait_running(name, 1, LIMIT).await
}

/// What Lambda's event source mapping does for a queue: it invokes a function with up to ten messages, and deletes those
/// that the function does not name as failed. A call that fails leaves all of them.
struct Mapping<'a> {
    moto: &'a Moto,
    queue: &'a Queue,
    front: &'a LambdaFront,
    function: &'a str,
}

impl Mapping<'_> {
    async fn run_until<F>(&self, what: &str, mut done: impl FnMut() -> F) -> Result<()>
    where
        F: Future<Output = Result<bool>>,
    {
        let begun = Instant::now();
        while !done().await? {
            ensure!(begun.elapsed() < LIMIT, "{what} did not happen within {LIMIT:?}");
            let messages = self.moto.receive(self.queue).await?;
            if !messages.is_empty() {
                self.invoke(&messages).await?;
            }
        }
        Ok(())
    }

    async fn invoke(&self, messages: &[Value]) -> Result<()> {
        let records: Vec<Value> = messages.iter().map(|message| self.record(message)).collect();
        let url = format!("{}/2015-03-31/functions/{}/invocations", self.front.url(), self.function);
        let request = reqwest::Client::new().post(url).header("authorization", "AWS4-HMAC-SHA256 Credential=mapping");
        let response = request.body(json!({"Records": records}).to_string()).send().await?;
        if response.status() != 200 || response.headers().contains_key("x-amz-function-error") {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(&response.bytes().await?)?;
        let failures = answer["batchItemFailures"].as_array().context("the function names no failures")?;
        let failed: Vec<&Value> = failures.iter().map(|failure| &failure["itemIdentifier"]).collect();
        for message in messages.iter().filter(|message| !failed.contains(&&message["MessageId"])) {
            let receipt = message["ReceiptHandle"].as_str().context("a message has no receipt")?;
            self.moto.delete(self.queue, receipt).await?;
        }
        Ok(())
    }

    fn record(&self, message: &Value) -> Value {
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue.arn,
            "awsRegion": Moto::REGION,
        })
    }
}

/// How many records a function was successfully invoked with, in Confluent's array.
fn records_of(front: &LambdaFront, function: &str) -> u64 {
    let all = front.invocations();
    let done = all
        .iter()
        .filter(|one| one.function == function)
        .filter(|one| one.outcome.as_ref().is_some_and(lambda_front::Outcome::is_success));
    done.map(|one| serde_json::from_slice::<Vec<Value>>(&one.payload).map_or(0, |rows| rows.len() as u64)).sum()
}

fn id(number: u64) -> String {
    format!("event-{number:06}")
}

fn fields(number: u64) -> Value {
    json!({
        "event_id": id(number),
        "type": (["view", "click", "buy"][number as usize % 3]),
        "visitor": format!("Zoë {}", number % 50),
        "price": number as f64 / 8.0,
        "count": number << 33,
        "nothing": null,
        "items": [{"sku": number}, {"sku": "ß", "gift": number.is_multiple_of(2)}],
    })
}

fn event(number: u64) -> (Option<Vec<u8>>, Vec<u8>) {
    (Some(format!("visitor-{}", number % 50).into_bytes()), fields(number).to_string().into_bytes())
}

/// What [`fields`] are in MongoDB.
fn document(number: u64) -> Document {
    let whole = |number: u64| i64::try_from(number).unwrap();
    let kind = ["view", "click", "buy"][number as usize % 3];
    doc! {
        "_id": id(number),
        "event_id": id(number),
        "type": kind,
        "visitor": format!("Zoë {}", number % 50),
        "price": number as f64 / 8.0,
        "count": whole(number << 33),
        "nothing": null,
        "items": [{"sku": whole(number)}, {"sku": "ß", "gift": number.is_multiple_of(2)}],
    }
}
