//! Real servers: Apache Kafka, the Java Connect worker, MinIO, moto, what speaks MongoDB's protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod compose;
mod exactly_once;
mod experiments;
mod invoke;
mod kafka;
mod lambda;
mod large_transaction;
mod mongodb;
mod older_path;
mod processor;
mod rules;
mod s3;
mod shared_producers;
mod sinks;
mod takeover;

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tributary_tests::{
    Connect, ConnectOptions, Kafka, Minio, Tier, consume_all, create_topic, end_offsets, produce, require, unique,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_broker_keeps_records_headers_and_order() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let topic = unique("order");
    create_topic(&kafka.bootstrap(), &topic, 3).await?;
    let records = (0..10_000).map(|number: u32| (Some(vec![(number % 7) as u8]), number.to_string().into_bytes()));
    produce(&kafka.bootstrap(), &topic, records).await?;

    let messages = consume_all(&kafka.bootstrap(), &topic, true).await?;

    assert_eq!(messages.len(), 10_000);
    assert_eq!(end_offsets(&kafka.bootstrap(), &topic).await?.values().sum::<i64>(), 10_000);
    for key in 0..7_u8 {
        let of_key: Vec<u32> =
            messages.iter().filter(|one| one.key == Some(vec![key])).map(|one| one.text().parse().unwrap()).collect();
        assert!(of_key.is_sorted() && of_key.len() >= 1428, "the records of key {key} are out of order");
    }
    Ok(())
}

#[tokio::test]
async fn the_java_worker_copies_a_file_through_a_topic() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let connect = Connect::start(kafka, ConnectOptions::default()).await?;
    let rest = connect.rest();
    let topic = unique("lines");
    let (source, sink) = (connect.folder().join("source.txt"), connect.folder().join("sink.txt"));
    let lines: String = (0..1_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(&source, &lines)?;

    let reader = json!({"connector.class": "FileStreamSource", "tasks.max": "1", "file": source, "topic": topic});
    rest.put_connector("reader", &reader).await?;
    rest.wait_running("reader", 1, LIMIT).await?;
    let writer = json!({"connector.class": "FileStreamSink", "tasks.max": "1", "file": sink, "topics": topic});
    rest.put_connector("writer", &writer).await?;
    rest.wait_running("writer", 1, LIMIT).await?;

    wait_until(LIMIT, "the copy of the file", || async {
        std::fs::read_to_string(&sink).is_ok_and(|copy| copy.len() >= lines.len())
    })
    .await?;
    assert_eq!(std::fs::read_to_string(&sink)?, lines);
    let texts: Vec<String> =
        consume_all(&kafka.bootstrap(), &topic, true).await?.iter().map(|message| message.text()).collect();
    assert_eq!(texts, lines.lines().collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn waiting_for_a_failed_task_shows_its_trace() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let connect = Connect::start(kafka, ConnectOptions::default().standalone()).await?;
    let config = json!({"connector.class": "FileStreamSink", "file": "/no/such/folder/file", "topics": unique("none")});
    connect.rest().put_connector("writer", &config).await?;
    let error = connect.rest().wait_running("writer", 1, LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/folder/file"), "{error}");
    Ok(())
}

#[tokio::test]
async fn minio_keeps_objects_over_a_restart() -> Result<()> {
    if !require(Tier::Minio)? {
        return Ok(());
    }
    let mut minio = Minio::start(&["raw", "enriched"]).await?;
    let s3 = minio.client();
    let put = s3.sdk().put_object().bucket("raw").key("topics/a/0.json").body(b"{}".to_vec().into());
    put.send().await?;
    assert_eq!(s3.keys("enriched").await?, Vec::<String>::new());

    minio.kill9().await?;
    assert!(s3.keys("raw").await.is_err());
    minio.restart().await?;

    assert_eq!(s3.objects("raw").await?, [("topics/a/0.json".to_owned(), b"{}".to_vec().into())]);
    Ok(())
}
