use super::*;

/// Offsets in `offsets.storage.topic`, of which the worker's topic has a copy; altered and reset in both.
#[tokio::test]
async fn a_connectors_own_topic_has_its_offsets_and_the_workers_a_copy() -> Result<()> {
    if !require(Tier::RealKafka)? {
        return Ok(());
    }
    let lines = Lines::new("own-offsets").await?;
    let own = format!("{}-own", lines.group);
    let mut worker = Tributary::start(lines.options("enabled")).await?;
    lines.append(0..100)?;
    let config = lines.config(json!({"offsets.storage.topic": own}));
    worker.rest().put_connector("lines", &config).await?;
    lines.wait_for(100, true).await?;
    let length = std::fs::metadata(&lines.file)?.len();
    assert_eq!(position(&worker.rest(), "lines").await, Some(length));
    let stored = |topic: String| async move {
        let records = consume_all(&lines.kafka.bootstrap(), &topic, true).await.unwrap_or_default();
        records.last().map(|record| record.value.as_ref().map(|_| record.text()))
    };
    let position_of = |length: u64| Some(Some(format!(r#"{{"position":{length}}}"#)));
    assert_eq!(stored(own.clone()).await, position_of(length));
    let workers = format!("{}-offsets", lines.group);
    wait_until(LIMIT, "the copy", || async { stored(workers.clone()).await == position_of(length) }).await?;

    // What an operator alters counts although the copy says otherwise, and a reset leaves nothing to come back.
    worker.rest().put("/connectors/lines/stop", &Value::Null).await?.success()?;
    let partition = json!({"filename": lines.file});
    let altered = json!({"offsets": [{"partition": partition, "offset": {"position": 0}}]});
    stopped(&worker.rest()).await?;
    worker.rest().patch("/connectors/lines/offsets", &altered).await?.success()?;
    assert_eq!(position(&worker.rest(), "lines").await, Some(0));
    worker.rest().delete("/connectors/lines/offsets").await?.success()?;
    assert_eq!(position(&worker.rest(), "lines").await, None);
    assert_eq!((stored(own).await, stored(workers).await), (Some(None), Some(None)));
    worker.stop().await
}

async fn stopped(rest: &RestClient) -> Result<()> {
    wait_until(LIMIT, "the connector to be stopped", || async {
        let status = rest.get("/connectors/lines/status").await.map(|status| status.json());
        status.is_ok_and(|status| status["connector"]["state"] == "STOPPED")
    })
    .await
}
