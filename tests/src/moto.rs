use std::path::Path;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, Event, FilterRule, FilterRuleName, NotificationConfiguration,
    NotificationConfigurationFilter, S3KeyFilter, TopicConfiguration,
};
use reqwest::Client;
use serde_json::{Value, json};

use crate::port::free_port;
use crate::process::Usage;
use crate::rig::RigServer;
use crate::s3::S3;

/// moto: S3, SNS and SQS in one process, in memory.
#[derive(Debug)]
pub struct Moto {
    server: RigServer,
    client: Client,
}

impl Moto {
    /// Any keys will do: it checks no signatures.
    pub const ACCESS_KEY: &str = "tributary";
    /// See [`ACCESS_KEY`](Self::ACCESS_KEY).
    pub const SECRET_KEY: &str = "tributary-secret";
    /// The region of all that the methods make.
    pub const REGION: &str = "us-west-2";
    /// The account that has it.
    pub const ACCOUNT: &str = "123456789012";

    /// Starts one that has nothing yet.
    pub async fn start() -> Result<Self> {
        let server = RigServer::start("moto.sh", free_port()?, Vec::new(), Vec::new()).await?;
        Ok(Self { server, client: Client::new() })
    }

    /// The URL of all its services.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// A client of its S3.
    pub fn s3(&self) -> S3 {
        S3::new(&self.endpoint(), Self::ACCESS_KEY, Self::SECRET_KEY, Self::REGION)
    }

    /// Its logs.
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Memory and processor time up to now.
    pub fn usage(&self) -> Result<Usage> {
        self.server.usage()
    }

    /// Makes a bucket.
    pub async fn create_bucket(&self, bucket: &str) -> Result<()> {
        let place = BucketLocationConstraint::from(Self::REGION);
        let place = CreateBucketConfiguration::builder().location_constraint(place).build();
        self.s3().sdk().create_bucket().bucket(bucket).create_bucket_configuration(place).send().await?;
        Ok(())
    }

    /// Makes a bucket notify an SNS topic of each new object whose key has this prefix.
    pub async fn notify(&self, bucket: &str, prefix: &str, topic_arn: &str) -> Result<()> {
        let rule = FilterRule::builder().name(FilterRuleName::Prefix).value(prefix).build();
        let filter = S3KeyFilter::builder().filter_rules(rule).build();
        let topic = TopicConfiguration::builder()
            .topic_arn(topic_arn)
            .events(Event::from("s3:ObjectCreated:*"))
            .filter(NotificationConfigurationFilter::builder().key(filter).build())
            .build()?;
        let all = NotificationConfiguration::builder().topic_configurations(topic).build();
        let client = self.s3();
        client
            .sdk()
            .put_bucket_notification_configuration()
            .bucket(bucket)
            .notification_configuration(all)
            .send()
            .await?;
        Ok(())
    }

    /// Makes an SNS topic; its ARN.
    pub async fn create_topic(&self, name: &str) -> Result<String> {
        self.sns(&[("Action", "CreateTopic"), ("Name", name)]).await?;
        Ok(format!("arn:aws:sns:{}:{}:{name}", Self::REGION, Self::ACCOUNT))
    }

    /// Lets a queue have what is published to an SNS topic, in SNS's envelope or (`raw`) as it is.
    pub async fn subscribe(&self, topic_arn: &str, queue: &Queue, raw: bool) -> Result<()> {
        let raw = raw.to_string();
        let parameters = [
            ("Action", "Subscribe"),
            ("TopicArn", topic_arn),
            ("Protocol", "sqs"),
            ("Endpoint", &queue.arn),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", &raw),
        ];
        self.sns(&parameters).await
    }

    /// Makes an SQS queue with attributes like `("VisibilityTimeout", "2")`.
    pub async fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<Queue> {
        let attributes: Value = attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let answer = self.sqs("CreateQueue", &json!({"QueueName": name, "Attributes": attributes})).await?;
        let url = answer["QueueUrl"].as_str().context("the new queue has no url")?.to_owned();
        Ok(Queue { url, arn: format!("arn:aws:sqs:{}:{}:{name}", Self::REGION, Self::ACCOUNT) })
    }

    /// Up to ten messages of a queue with all their attributes, at once if there are any, else within a second.
    pub async fn receive(&self, queue: &Queue) -> Result<Vec<Value>> {
        let request = json!({
            "QueueUrl": queue.url,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": 1,
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let mut answer = self.sqs("ReceiveMessage", &request).await?;
        Ok(match answer["Messages"].take() {
            Value::Array(messages) => messages,
            _ => Vec::new(),
        })
    }

    /// Removes a message that was received.
    pub async fn delete(&self, queue: &Queue, receipt: &str) -> Result<()> {
        self.sqs("DeleteMessage", &json!({"QueueUrl": queue.url, "ReceiptHandle": receipt})).await?;
        Ok(())
    }

    /// How many messages a queue has, those included that are received and not yet deleted.
    pub async fn messages(&self, queue: &Queue) -> Result<u64> {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let answer = self.sqs("GetQueueAttributes", &json!({"QueueUrl": queue.url, "AttributeNames": names})).await?;
        let count = |name: &str| answer["Attributes"][name].as_str().and_then(|text| text.parse::<u64>().ok());
        names.iter().map(|name| count(name).with_context(|| format!("the queue has no {name}"))).sum()
    }

    /// SNS speaks AWS's query protocol; what it answers is not needed.
    async fn sns(&self, parameters: &[(&str, &str)]) -> Result<()> {
        let response = self.client.post(self.endpoint()).header("authorization", scope("sns")).form(parameters).send();
        let response = response.await?;
        ensure!(response.status().is_success(), "sns {:?}: {}", parameters[0], response.text().await?);
        Ok(())
    }

    /// SQS speaks AWS's JSON protocol.
    async fn sqs(&self, action: &str, request: &Value) -> Result<Value> {
        let post = self.client.post(self.endpoint()).header("authorization", scope("sqs"));
        let post = post.header("x-amz-target", format!("AmazonSQS.{action}"));
        let post = post.header("content-type", "application/x-amz-json-1.0").body(request.to_string());
        let response = post.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "sqs {action}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

/// An SQS queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// By which requests name it.
    pub url: String,
    /// By which other services name it.
    pub arn: String,
}

/// moto identifies the service by the scope of the signature; the signature itself is not checked.
fn scope(service: &str) -> String {
    let (key, region) = (Moto::ACCESS_KEY, Moto::REGION);
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}
