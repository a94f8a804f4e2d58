//! The worker of docker-compose.yml, in its environment but on the rig's servers: what its connector files ask for is given.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_yaml_ng::Value;
use tributary_tests::{Kafka, Minio, Tier, Tributary, WorkerOptions, free_port, require};

use crate::LIMIT;

#[tokio::test]
async fn its_environment_runs_the_reference_pipeline_and_the_shop() -> Result<()> {
    if !(require(Tier::RealKafka)? && require(Tier::Minio)?) {
        return Ok(());
    }
    let (kafka, minio) = (Kafka::start().await?, Minio::start(&["raw", "enriched"]).await?);
    let (rest, collector) = (free_port()?, free_port()?);
    let places = [
        ("kafka:19092", kafka.bootstrap()),
        ("http://minio:9000", minio.endpoint()),
        ("0.0.0.0:8083", format!("127.0.0.1:{rest}")),
        ("0.0.0.0:8082", format!("127.0.0.1:{collector}")),
        ("127.0.0.1:8082", format!("127.0.0.1:{collector}")),
        ("0.0.0.0", "127.0.0.1".to_owned()),
    ];
    let options = WorkerOptions::embedded().configs(root().join("configs"));
    let options = options.set("listeners", format!("http://127.0.0.1:{rest}"));
    let options = environment()?.into_iter().fold(options, |options, (name, value)| {
        let value = places.iter().fold(value, |value, (theirs, ours)| value.replace(theirs, ours));
        options.env(name, value)
    });
    let mut worker = Tributary::start(options).await?;
    for file in std::fs::read_dir(root().join("configs/connectors"))? {
        let name = file?.path().file_stem().context("a connector file")?.to_string_lossy().into_owned();
        worker.rest().wait_running(&name, 1, LIMIT).await.with_context(|| worker.log())?;
    }
    let shop = format!("http://127.0.0.1:{}/", worker.shop_port());
    let page = reqwest::get(shop).await?.error_for_status()?.text().await?;
    assert!(page.contains(&format!("\"http://127.0.0.1:{collector}/collect\"")), "{page}");
    worker.stop().await
}

/// What the file gives its service `tributary`.
fn environment() -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(root().join("docker-compose.yml"))?;
    let document: Value = serde_yaml_ng::from_str(&text)?;
    let environment = document["services"]["tributary"]["environment"].as_mapping().context("no environment")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("an environment of other than strings");
    environment.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
