//! The collector's worker is stopped while clicks flow: who was answered has them stored, and who has them stored was answered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tributary_tests::{
    Kafka, Tier, Tributary, WorkerOptions, consume_all, create_topic, free_port, require, unique, wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);
const CLIENTS: usize = 16;
const STOPS: usize = 3;
/// So many answers come between two stops.
const ANSWERS: usize = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_it_has_stored_and_stores_what_it_has_answered() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::start().await?;
    for (acknowledgement, status) in [("durable", 200), ("accepted", 202)] {
        let (topic, listen) = (unique("clicks"), format!("127.0.0.1:{}", free_port()?));
        create_topic(&kafka.bootstrap(), &topic, 4).await?;
        let config = json!({
            "connector.class": "tributary.ClickstreamSource", "topic": topic, "http.listen": listen,
            "session.secret": "a secret of the tests only, of 32 bytes or more", "acknowledgement": acknowledgement,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        });
        let options = WorkerOptions::on_kafka(&kafka, &unique("collector")).connector("clicks", config);
        let mut worker = Tributary::start(options).await?;
        worker.rest().wait_running("clicks", 1, LIMIT).await?;

        let clients = Clients::start(&listen, status);
        for stop in 1..=STOPS {
            let enough = || async { clients.answers.load(Ordering::SeqCst) >= stop * ANSWERS };
            wait_until(LIMIT, "answers", enough).await?;
            worker.stop().await?;
            worker.restart().await?;
            worker.rest().wait_running("clicks", 1, LIMIT).await?;
        }
        let answered = clients.end().await?;
        worker.stop().await?;

        let stored = consume_all(&kafka.bootstrap(), &topic, false).await?;
        let stored: BTreeSet<String> = stored
            .iter()
            .filter_map(|message| serde_json::from_str::<Value>(&message.text()).ok())
            .filter_map(|event| Some(event["event_id"].as_str()?.to_owned()))
            .collect();
        let lost: Vec<_> = answered.difference(&stored).take(5).collect();
        assert!(lost.is_empty(), "{acknowledgement}: answered and not stored: {lost:?}");
        let unanswered: Vec<_> = stored.difference(&answered).take(5).collect();
        assert!(unanswered.is_empty(), "{acknowledgement}: stored and not answered: {unanswered:?}");
    }
    Ok(())
}

/// Each sends a click when the one before is answered, whatever the answer is.
struct Clients {
    sending: JoinSet<Result<BTreeSet<String>>>,
    answers: Arc<AtomicUsize>,
    ending: Arc<AtomicBool>,
}

impl Clients {
    fn start(listen: &str, status: u16) -> Self {
        let (answers, ending) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let mut sending = JoinSet::new();
        for number in 0..CLIENTS {
            let (url, answers, ending) = (format!("http://{listen}/collect"), answers.clone(), ending.clone());
            sending.spawn(async move {
                let (client, mut answered) = (reqwest::Client::new(), BTreeSet::new());
                for click in 0.. {
                    if ending.load(Ordering::SeqCst) {
                        break;
                    }
                    let id = format!("{number}-{click}");
                    let event = json!({"event_id": id, "type": "page_view"});
                    match client.post(&url).body(event.to_string()).send().await {
                        Ok(answer) if answer.status() == status => {
                            answers.fetch_add(1, Ordering::SeqCst);
                            answered.insert(id);
                        }
                        Ok(answer) => ensure!(answer.status() == 503, "{}", answer.status()),
                        // Between the stop and the start nobody listens.
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
                Ok(answered)
            });
        }
        Self { sending, answers, ending }
    }

    /// The clicks that were answered.
    async fn end(mut self) -> Result<BTreeSet<String>> {
        self.ending.store(true, Ordering::SeqCst);
        let mut answered = BTreeSet::new();
        while let Some(one) = self.sending.join_next().await {
            answered.extend(one??);
        }
        Ok(answered)
    }
}
