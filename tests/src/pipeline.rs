use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tributary_clickstream::session::{Session, Signer};

use crate::{RestClient, RunFolder, WorkerOptions, free_port};

const SECRET: &str = "a secret of the tests only, of 32 bytes or more";
const STEP_MS: i64 = 10_000;
const CUSTOMERS: &str = "customers.jsonl";

/// The reference pipeline of `configs/`, with customers, ports and an S3 endpoint of a test's own.
#[derive(Debug)]
pub struct Pipeline {
    folder: RunFolder,
    collect: u16,
}

impl Pipeline {
    /// A copy of `configs/` with these customers, all of whom agree to marketing and saw the product `armchair` in two
    /// earlier sessions.
    pub fn new(customers: u32) -> Result<Self> {
        let (folder, collect) = (RunFolder::new("pipeline")?, free_port()?);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs"), &folder.path().join("configs"))?;
        let last_viewed = now_ms() - 3 * 86_400_000;
        let lines: String = (0..customers)
            .map(|number| {
                let history = json!([{"product_id": "armchair", "last_viewed_at": last_viewed, "sessions": 2}]);
                let line = json!({
                    "customer_id": customer(number), "name": format!("Customer {number}"), "segment": "living",
                    "consent": {"marketing": true}, "history": history,
                });
                format!("{line}\n")
            })
            .collect();
        fs::write(folder.path().join(CUSTOMERS), lines)?;
        // A test sends a visit at once, and engaged time is not longer than the server saw: the first heartbeat is enough.
        let rules = folder.path().join("configs/rules/demo.yaml");
        let patience = fs::read_to_string(&rules)?.replace("at_least_s: 20", "at_least_s: 5");
        fs::write(&rules, patience).with_context(|| format!("write {}", rules.display()))?;
        Ok(Self { folder, collect })
    }

    /// The folder of its configuration, to change before a start.
    pub fn configs(&self) -> PathBuf {
        self.folder.path().join("configs")
    }

    /// Leaves a connector out.
    pub fn without(&self, connector: &str) -> Result<()> {
        let file = self.file(connector);
        fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))
    }

    /// Sets a property of a connector.
    pub fn set(&self, connector: &str, name: &str, value: &str) -> Result<()> {
        let file = self.file(connector);
        let mut json: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
        json["config"][name] = json!(value);
        fs::write(&file, json.to_string()).with_context(|| format!("write {}", file.display()))
    }

    fn file(&self, connector: &str) -> PathBuf {
        self.configs().join(format!("connectors/{connector}.json"))
    }

    /// The options with what the pipeline's connectors share.
    pub fn options(&self, options: WorkerOptions) -> WorkerOptions {
        options
            .configs(self.configs())
            .set("shared.session.secret", SECRET)
            .set("shared.demo.customers.file", self.folder.path().join(CUSTOMERS).to_string_lossy())
            .set("shared.collect.listen", format!("127.0.0.1:{}", self.collect))
            .set("shared.shop.origins", "http://127.0.0.1:8080")
            .set("offset.flush.interval.ms", "1000")
    }

    /// [`options`](Self::options) with an S3 endpoint.
    pub fn options_with_s3(&self, options: WorkerOptions, endpoint: &str, key: &str, secret: &str) -> WorkerOptions {
        self.options(options)
            .set("shared.s3.endpoint", endpoint)
            .set("shared.s3.access.key.id", key)
            .set("shared.s3.secret.access.key", secret)
            .set("shared.s3.region", "us-east-1")
    }

    /// Waits until all its connectors run, with one task each.
    pub async fn running(&self, rest: &RestClient, limit: Duration) -> Result<()> {
        for file in fs::read_dir(self.configs().join("connectors"))? {
            let file = file?.path();
            let name = file.file_stem().context("a connector file without a name")?.to_string_lossy().into_owned();
            rest.wait_running(&name, 1, limit).await?;
        }
        Ok(())
    }

    /// A path of the website's side, such as `/collect`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.collect)
    }

    /// The session token of a customer.
    pub fn token(&self, number: u32) -> Result<String> {
        let session = Session::of_customer(customer(number), now_ms() + 3_600_000)?;
        Ok(Signer::new(SECRET)?.issue(&session))
    }

    /// Sends events until they are acknowledged, as a browser would; answers how often that took more than one try.
    pub async fn send(
        &self,
        client: &reqwest::Client,
        token: &str,
        events: &[Value],
        limit: Duration,
    ) -> Result<usize> {
        let body = serde_json::to_string(events)?;
        let tries = tokio::time::timeout(limit, async {
            let mut tries = 0;
            loop {
                tries += 1;
                let request = client.post(self.url("/collect")).bearer_auth(token).body(body.clone());
                let answer = request.header("content-type", "application/json").send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return tries;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        tries.await.context("events that were never acknowledged")
    }
}

/// A customer's id.
pub fn customer(number: u32) -> String {
    format!("t-{number:05}")
}

/// One visit of a person to a product page: a view, then heartbeats ten seconds apart. Each is a session of its own.
pub fn visit(person: u32, visit: u32, product: &str, events: u32) -> Vec<Value> {
    let begun = now_ms() - 12 * 3_600_000 + i64::from(visit) * 2_700_000;
    (0..events)
        .map(|number| {
            let kind = if number == 0 { "product_view" } else { "heartbeat" };
            json!({
                "event_id": format!("e-{person}-{visit}-{number}"), "type": kind, "page_id": format!("p-{person}-{visit}"),
                "product_id": product, "url": format!("/products/{product}"),
                "ts": begun + i64::from(number.saturating_sub(1)) * STEP_MS,
            })
        })
        .collect()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let (source, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() { copy(&source, &target)? } else { fs::copy(&source, &target).map(drop)? }
    }
    Ok(())
}
