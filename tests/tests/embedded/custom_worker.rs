//! `examples/custom-worker` as its author would run it: their source, sink and transform beside Tributary's own plugins.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tributary_tests::{Tributary, WorkerOptions, consume_all, create_topic, wait_until};

const LIMIT: Duration = Duration::from_secs(120);
const LETTERS: usize = 500;
const TOPIC: &str = "letters";

#[tokio::test]
async fn an_authors_source_sink_and_transform_run_in_a_worker_of_their_own() -> Result<()> {
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let options = WorkerOptions::embedded()
        .binary("custom-worker")
        .set("key.converter", string)
        .set("value.converter", string)
        // On a busy machine, too, the offsets of both are stored by the end: nothing is sent twice.
        .set("task.shutdown.graceful.timeout.ms", "60000")
        .set("demo.shop.enable", "false");
    let mut worker = Tributary::start(options).await?;
    let [inbox, outbox] = ["inbox", "outbox"].map(|name| worker.folder().join(name));
    fs::create_dir(&inbox)?;
    fs::create_dir(&outbox)?;
    create_topic(&worker.bootstrap(), TOPIC, 3).await?;
    let rest = worker.rest();
    for class in ["com.example.FolderSourceConnector", "com.example.FolderSinkConnector"] {
        let plugins = rest.get("/connector-plugins").await?.success()?;
        let plugin = plugins.as_array().and_then(|all| all.iter().find(|plugin| plugin["class"] == class)).cloned();
        assert_eq!(
            plugin.as_ref().map(|plugin| &plugin["version"]),
            Some(&json!("1.2.0")),
            "{class}: the author's own"
        );
    }

    let source = json!({"connector.class": "FolderSource", "folder": inbox, "topic": TOPIC});
    let sink = json!({
        "connector.class": "FolderSink", "folder": outbox, "topics": TOPIC, "tasks.max": "2",
        "transforms": "greet", "transforms.greet.type": "com.example.Prefix", "transforms.greet.prefix": "Dear:",
    });
    rest.put_connector("inbox", &source).await?;
    rest.put_connector("outbox", &sink).await?;
    (0..LETTERS / 2).try_for_each(|number| deliver(&inbox, number))?;
    wait_until(LIMIT, "half of the letters in the outbox", || async { letters(&outbox).len() == LETTERS / 2 }).await?;
    // The offsets of both go with it: what was sent before is not sent again.
    worker.stop().await?;
    (LETTERS / 2..LETTERS).try_for_each(|number| deliver(&inbox, number))?;
    worker.restart().await?;
    wait_until(LIMIT, "all letters in the outbox", || async { letters(&outbox).len() == LETTERS }).await?;

    // Metrics of the author's own, of the sink's tasks and of the transform, for as long as the tasks are there.
    let text = worker.rest().get("/metrics").await?.text;
    let sum = |name: &str, tags: &str| -> f64 {
        let tagged = text.lines().filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(tags));
        tagged.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let bytes: usize = (LETTERS / 2..LETTERS).map(|number| format!("Dear:{number}").len()).sum();
    assert_eq!(
        sum("kafka_connect_plugins_written_bytes_total", r#"connector="outbox",task=""#) as usize,
        bytes,
        "{text}"
    );
    assert_eq!(
        sum("kafka_connect_plugins_prefixed_total", r#"transformation="greet""#) as usize,
        LETTERS / 2,
        "{text}"
    );
    assert!(text.contains("# HELP kafka_connect_plugins_written_bytes_total Bytes of all files written."), "{text}");
    worker.rest().put("/connectors/outbox/stop", &Value::Null).await?.success()?;
    wait_until(LIMIT, "no metrics of a task that has ended", || async {
        worker.rest().get("/metrics").await.is_ok_and(|answer| !answer.text.contains("kafka_connect_plugins_"))
    })
    .await?;

    let mut expected: Vec<String> = (0..LETTERS).map(|number| format!("Dear:{number}")).collect();
    expected.sort();
    assert_eq!(letters(&outbox), expected);
    assert_eq!(consume_all(&worker.bootstrap(), TOPIC, false).await?.len(), LETTERS, "each was sent once");
    worker.stop().await
}

#[test]
fn a_worker_says_its_own_name_and_version() -> Result<()> {
    let program = tributary_tests::binary("custom-worker")?;
    let shown = std::process::Command::new(program).arg("--version").output()?;
    assert_eq!(String::from_utf8(shown.stdout)?, "custom-worker 1.2.0\n");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_shown_on_the_authors_property() -> Result<()> {
    let options = WorkerOptions::embedded().binary("custom-worker").set("demo.shop.enable", "false");
    let mut worker = Tributary::start(options).await?;
    let config = json!({"connector.class": "FolderSource", "topic": TOPIC});
    let answer = worker.rest().put("/connector-plugins/FolderSource/config/validate", &config).await?.success()?;
    let errors = |name: &str| -> Value {
        let all = answer["configs"].as_array().into_iter().flatten();
        all.map(|config| &config["value"])
            .find(|value| value["name"] == name)
            .map_or(Value::Null, |value| value["errors"].clone())
    };
    assert_eq!(errors("folder"), json!(["Missing required configuration \"folder\" which has no default value."]));
    assert_eq!(errors("topic"), json!([]));
    worker.stop().await
}

/// A file that is complete when it appears.
fn deliver(inbox: &Path, number: usize) -> Result<()> {
    let draft = inbox.with_extension("draft");
    fs::write(&draft, number.to_string())?;
    Ok(fs::rename(draft, inbox.join(format!("{number:06}")))?)
}

/// The texts of the complete files, in order.
fn letters(outbox: &Path) -> Vec<String> {
    let files = fs::read_dir(outbox).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let complete = files.filter(|path| path.extension().is_some_and(|end| end == "txt"));
    let mut texts: Vec<String> = complete.filter_map(|path| fs::read_to_string(path).ok()).collect();
    texts.sort();
    texts
}
