//! REST: an operator's request costs that request, and shows nothing that it does not name itself.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tributary_tests::{WorkerOptions, wait_for};

use crate::target::{LIMIT, Target};

const VALIDATE: &str = "/connector-plugins/FileStreamSource/config/validate";

fn source(more: &[(&str, String)]) -> Value {
    let own = [("connector.class", "FileStreamSource"), ("name", "attack"), ("topic", "t"), ("file", "f")];
    let own = own.map(|(name, value)| (name.to_owned(), Value::from(value)));
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())));
    Value::Object(own.into_iter().chain(more).collect::<Map<_, _>>())
}

#[tokio::test]
async fn numbers_lists_and_variables_have_bounds() -> Result<()> {
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let options = WorkerOptions::embedded().set("demo.shop.enable", "false").set("config.providers", "file");
    let mut target = Target::of(options.set("config.providers.file.class", class)).await?;
    let rest = target.rest();
    let aliases = |count: usize| (0..count).map(|number| format!("a{number}")).collect::<Vec<_>>().join(",");
    let pipe = target.worker.folder().join("pipe");
    ensure!(Command::new("mkfifo").arg(&pipe).status().context("run mkfifo")?.success());
    let pipe = format!("${{file:{}:k}}", pipe.display());
    for (name, value) in [
        ("tasks.max", "2147483647".to_owned()),
        ("transforms", aliases(10_000)),
        ("transforms", aliases(20_000)),
        ("predicates", aliases(10_000)),
        ("topic", pipe.repeat(100)),
        ("topic", "${file:/dev/zero:k}".to_owned()),
        ("topic", (0..2_000).map(|number| format!("${{file:/etc/hostname:{number}}}")).collect()),
    ] {
        let answer = rest.put("/connectors/attack/config", &source(&[(name, value)])).await?;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text);
        target.holds().await?;
    }
    assert_eq!(rest.get("/connectors/attack").await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn the_workers_secrets_are_shown_nowhere() -> Result<()> {
    let mut target = Target::start().await?;
    let rest = target.rest();
    let secret = std::fs::read_to_string(target.worker.folder().join("data/session.secret"))?.trim().to_owned();
    ensure!(secret.len() >= 32);
    let variable = "${worker:session.secret}".to_owned();
    for name in ["topic", "tasks.max", "errors.tolerance", "transforms", "key.converter"] {
        let answer = rest.put(VALIDATE, &source(&[(name, variable.clone())])).await?;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert!(!answer.text.contains(&secret) && answer.text.contains(&variable), "{name}: {}", answer.text);
    }
    // A file that is no rule pack, named as one.
    let pack = json!({"connector.class": "tributary.StreamProcessor", "name": "attack", "topics": "t", "transforms": "p",
        "transforms.p.type": "tributary.Personalize",
        "transforms.p.rules.file": target.worker.folder().join("data/session.secret").to_string_lossy()});
    let answer = rest.put("/connectors/attack/config", &pack).await?;
    assert!(answer.status == 400 && !answer.text.contains(&secret), "{}", answer.text);
    // A task that fails with the value in its hands, and with a line of its own for the log.
    let file = "/nowhere/${worker:session.secret}/\n2026-01-01T00:00:00Z ERROR forged";
    let sink = json!({"connector.class": "FileStreamSink", "name": "fails", "topics": "t", "file": file});
    rest.put_connector("fails", &sink).await?;
    let failed = wait_for(LIMIT, "a failed task", || async {
        let status = rest.get("/connectors/fails/status").await.ok()?;
        status.text.contains("FAILED").then_some(status.text)
    });
    assert!(!failed.await?.contains(&secret));
    let log = target.worker.log();
    assert!(!log.contains(&secret), "{log}");
    assert!(log.contains("forged") && !log.lines().any(|line| line.starts_with("2026-01-01")), "{log}");
    target.holds().await
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing() -> Result<()> {
    let mut target = Target::start().await?;
    let base = target.rest().base().to_owned();
    let ask = async |method: Method, header: &str, value: &str| -> Result<u16> {
        let request = reqwest::Client::new().request(method, format!("{base}/connectors/nope/restart"));
        Ok(request.header(header, value).send().await?.status().as_u16())
    };
    assert_eq!(ask(Method::POST, "origin", "http://evil.example").await?, 403);
    assert_eq!(ask(Method::POST, "origin", "null").await?, 403);
    assert_eq!(ask(Method::GET, "host", "evil.example").await?, 403);
    assert_eq!(ask(Method::POST, "origin", &base).await?, 404);
    assert_eq!(ask(Method::POST, "host", "localhost").await?, 404);
    target.holds().await
}
