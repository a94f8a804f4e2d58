use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Tributary, binary, consume_all, create_topic, produce, wait_until};

const PEOPLE: usize = 3000;
const RULES: &str = "line_of_business: toys
version: 3
offers:
  - id: welcome
    on: [page_view]
    when: \"true\"
    cap: [{scope: person, max: 1, per: P7D}]
    experiment: {key: welcome-10, variants: [control, v10], weights: [0.5, 0.5]}
    vouchers: {v10: {code: TEN, title: Ten per cent}}
";
const AT: &str = "/connectors/personalize/transforms/personalize/experiments";

/// People who visit a page, are divided by a worker into two arms, and order: one in ten of the control, and one in five
/// of the others.
#[derive(Debug)]
pub struct Experiment {
    read_committed: bool,
    limit: Duration,
}

impl Experiment {
    /// Exactly once or not.
    pub fn new(read_committed: bool, limit: Duration) -> Self {
        Self { read_committed, limit }
    }

    /// Runs it on a worker of which only the broker is used, and checks what is reported.
    pub async fn run(&self, worker: &Tributary) -> Result<()> {
        let (rest, bootstrap) = (worker.rest(), worker.bootstrap());
        for topic in ["clicks", "customers"] {
            create_topic(&bootstrap, topic, 3).await?;
        }
        let customers =
            (0..PEOPLE).map(|n| (person(n), json!({"customer_id": person(n), "consent": {"marketing": true}})));
        send(&bootstrap, "customers", customers.collect()).await?;
        rest.put_connector("personalize", &processor()).await?;
        rest.wait_running("personalize", 1, self.limit).await?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let click = |n: usize| {
            let id = person(n);
            json!({"event_id": format!("e-{id}"), "type": "page_view", "person_id": id, "customer_id": id, "session_id": "s",
                   "page_id": "p", "ts": now - 60_000, "received_at": now - 60_000})
        };
        send(&bootstrap, "clicks", (0..PEOPLE).map(|n| (person(n), click(n))).collect()).await?;
        let exposures = async || self.records(&bootstrap, "exposure").await;
        wait_until(self.limit, "everybody exposed", || async {
            exposures().await.is_ok_and(|all| all.len() == PEOPLE)
        })
        .await?;

        let mut orders = Vec::new();
        let mut expected = Vec::new();
        for (variant, one_in) in [("control", 10), ("v10", 5)] {
            let exposed = exposures().await?.into_iter().filter(|exposure| exposure["variant"] == variant);
            let people: Vec<Value> = exposed.map(|exposure| exposure["person_id"].clone()).collect();
            let ordering = people.iter().step_by(one_in);
            expected.push((people.len(), ordering.clone().count()));
            orders.extend(ordering.map(|person| {
                let id = format!("o-{}", person.as_str().unwrap_or_default());
                let order = json!({"event_id": id, "type": "order", "customer_id": person, "ts": now, "revenue": 20.0});
                (person.as_str().unwrap_or_default().to_owned(), order)
            }));
        }
        let ordered = orders.len();
        send(&bootstrap, "clicks", orders).await?;
        let recorded = || async { self.records(&bootstrap, "order").await.is_ok_and(|all| all.len() == ordered) };
        wait_until(self.limit, "all orders recorded", recorded).await?;

        let listed = rest.get(AT).await?.success()?;
        ensure!(listed[0]["experiment"] == "welcome-10" && listed[0]["variants"][1]["weight"] == 0.5, "{listed}");
        let report = rest.get(&format!("{AT}/welcome-10")).await?.success()?;
        for (arm, (people, conversions)) in expected.iter().enumerate() {
            let arm = &report["arms"][arm];
            ensure!(arm["people"] == *people && arm["conversions"] == *conversions, "{expected:?}: {report}");
        }
        let interval = &report["arms"][1]["comparison"]["rate"]["interval"];
        let (low, high) = (interval[0].as_f64().context("no interval")?, interval[1].as_f64().context("no interval")?);
        ensure!(low > 0.0 && low < 0.1 && high > 0.1, "an uplift of 10 points is not found: {report}");
        ensure!(report["sample_ratio"]["alarm"] == false && report["unreadable_records"] == 0, "{report}");
        ensure!(report["ruleset_versions"] == json!([["toys", 3]]), "{report}");
        ensure!(rest.get(&format!("{AT}/another")).await?.status == 404, "an experiment that does not exist");
        on_the_command_line(worker, &report)
    }

    async fn records(&self, bootstrap: &str, kind: &str) -> Result<Vec<Value>> {
        let all = consume_all(bootstrap, "experiments", self.read_committed).await?;
        let values: Vec<Value> = all.iter().map(|one| serde_json::from_str(&one.text())).collect::<Result<_, _>>()?;
        Ok(values.into_iter().filter(|value| value["kind"] == kind).collect())
    }
}

fn on_the_command_line(worker: &Tributary, report: &Value) -> Result<()> {
    let run = |arguments: &[&str]| -> Result<(bool, String)> {
        let rest = worker.rest();
        let command = ["experiment", "report", "--url", rest.base()];
        let mut program = Command::new(binary("tributary")?);
        let ended = program.args(command).args(arguments).current_dir(worker.folder()).output()?;
        let printed = if ended.status.success() { ended.stdout } else { ended.stderr };
        Ok((ended.status.success(), String::from_utf8_lossy(&printed).into_owned()))
    };
    let (done, text) = run(&["welcome-10", "--html", "report.html"])?;
    ensure!(done && text.contains("v10 compared with control") && text.contains("as the weights say"), "{text}");
    let page = std::fs::read_to_string(worker.folder().join("report.html"))?;
    ensure!(page.contains("<svg") && page.contains("v10: relative uplift"), "{page}");
    let (done, json) = run(&["welcome-10", "--json"])?;
    ensure!(
        done && serde_json::from_str::<Value>(&json)?["arms"][0]["people"] == report["arms"][0]["people"],
        "{json}"
    );
    let (done, message) = run(&["another"])?;
    ensure!(
        !done && message.contains("404") && message.contains("no rule pack has an experiment another"),
        "{message}"
    );
    Ok(())
}

fn processor() -> Value {
    json!({
        "connector.class": "tributary.StreamProcessor", "tasks.max": "1", "topics": "clicks",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "state.dir": "data/state", "transforms": "personalize",
        "transforms.personalize.type": "tributary.Personalize",
        "transforms.personalize.profiles.topic": "customers",
        "transforms.personalize.rules": RULES,
    })
}

async fn send(bootstrap: &str, topic: &str, records: Vec<(String, Value)>) -> Result<()> {
    let records = records.into_iter().map(|(key, value)| (Some(key.into_bytes()), value.to_string().into_bytes()));
    produce(bootstrap, topic, records).await
}

fn person(number: usize) -> String {
    format!("c-{number:05}")
}
