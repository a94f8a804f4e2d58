//! A producer that several source tasks send through fails for good.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tributary_tests::{
    KafkaProxy, RunFolder, Tier, Tributary, WorkerOptions, consume_all, create_topic, require, unique, wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
/// Kafka's `OUT_OF_ORDER_SEQUENCE_NUMBER`: to the first request on its way it means that the broker has lost what the
/// producer wrote, or the producer what it is to write. librdkafka's ends then.
const OUT_OF_ORDER: i16 = 45;
/// The name that all tasks' producers have: equal settings are what lets them share.
const CLIENT: &str = "shared";

/// One failure costs no task anything. When each new producer fails as well, a task fails in the end, and is started again if
/// its connector says so, or else when somebody asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_failed_for_good_is_made_anew_for_each_task_that_shared_it() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let rig = Rig::start().await?;
    let all: Vec<usize> = (0..rig.names.len()).collect();
    let (healing, others): (Vec<_>, Vec<_>) = all.iter().partition(|number| rig.is_healing(**number));
    rig.arrived("first", &all).await?;

    rig.proxy.refuse_once(CLIENT, OUT_OF_ORDER);
    rig.append("refused once")?;
    wait_until(LIMIT, "the end of all producers", || async { rig.proxy.refused() >= rig.producers }).await?;
    rig.proxy.let_through();
    rig.append("second")?;
    rig.arrived("second", &all).await?;
    for number in &others {
        assert_eq!(rig.state(*number).await?, "RUNNING", "it would not have been started again");
    }

    rig.proxy.refuse(CLIENT, OUT_OF_ORDER);
    for number in &others {
        wait_until(LIMIT, "each task's end", || async {
            // A task without records to send does not notice that its producer has failed.
            rig.append("refused again and again").is_ok()
                && rig.state(*number).await.is_ok_and(|state| state == "FAILED")
        })
        .await?;
    }
    rig.proxy.let_through();
    rig.append("third")?;
    rig.arrived("third", &healing).await?;
    for number in &others {
        assert_eq!(rig.state(*number).await?, "FAILED", "it was not to be started again");
        let restart = format!("/connectors/{}/tasks/0/restart", rig.names[*number]);
        rig.worker.rest().post(&restart, &Value::Null).await?.success()?;
    }
    rig.arrived("third", &all).await
}

/// As many producers as cores, each with two tasks that are to be started again and two that are not.
struct Rig {
    proxy: KafkaProxy,
    worker: Tributary,
    folder: RunFolder,
    topic: String,
    names: Vec<String>,
    producers: usize,
}

impl Rig {
    async fn start() -> Result<Self> {
        let (proxy, folder, topic) = (KafkaProxy::start().await?, RunFolder::new("shared")?, unique("shared"));
        let bootstrap = proxy.kafka().bootstrap();
        create_topic(&bootstrap, &topic, 1).await?;
        let options = WorkerOptions::on(&bootstrap, &unique("shared")).set("offset.flush.interval.ms", "500");
        let worker = Tributary::start(options).await?;
        let producers = std::thread::available_parallelism()?.get();
        let names = (0..4 * producers).map(|number| format!("lines-{number}")).collect();
        let rig = Self { proxy, worker, folder, topic, names, producers };
        rig.append("first")?;
        for (number, name) in rig.names.iter().enumerate() {
            let attempts = if rig.is_healing(number) { "-1" } else { "0" };
            let config = json!({
                "connector.class": "FileStreamSource", "file": rig.file(number), "topic": rig.topic,
                "producer.override.client.id": CLIENT, "errors.restart.max.attempts": attempts,
                "errors.restart.delay.ms": "100", "errors.restart.delay.max.ms": "500",
            });
            rig.worker.rest().put_connector(name, &config).await?;
        }
        Ok(rig)
    }

    fn is_healing(&self, number: usize) -> bool {
        (number / self.producers).is_multiple_of(2)
    }

    fn file(&self, number: usize) -> PathBuf {
        self.folder.path().join(&self.names[number])
    }

    /// One more line in each file, with the file's name in it.
    fn append(&self, what: &str) -> Result<()> {
        for (number, name) in self.names.iter().enumerate() {
            let mut file = OpenOptions::new().create(true).append(true).open(self.file(number))?;
            writeln!(file, "{name} {what}")?;
        }
        Ok(())
    }

    /// Waits until this line of each of these files is in the topic.
    async fn arrived(&self, what: &str, files: &[usize]) -> Result<()> {
        let lines: Vec<_> = files.iter().map(|number| format!("{} {what}", self.names[*number])).collect();
        wait_until(LIMIT, "the lines in the topic", || async {
            let there = consume_all(&self.proxy.kafka().bootstrap(), &self.topic, true).await.unwrap_or_default();
            lines.iter().all(|line| there.iter().any(|record| record.text() == *line))
        })
        .await
    }

    async fn state(&self, number: usize) -> Result<String> {
        let status = self.worker.rest().get(&format!("/connectors/{}/status", self.names[number])).await?.success()?;
        Ok(status["tasks"][0]["state"].as_str().unwrap_or_default().to_owned())
    }
}
