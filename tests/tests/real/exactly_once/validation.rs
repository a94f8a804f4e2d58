use super::*;

/// What is refused, in Connect's words: the same configurations to a Java worker and to Tributary, with each setting of the
/// workers.
#[tokio::test]
async fn configurations_are_refused_in_the_words_of_the_java_worker() -> Result<()> {
    if !require(Tier::JavaConnect)? {
        return Ok(());
    }
    let kafka = Kafka::shared().await?;
    let cases = [
        json!({"exactly.once.support": "required", "file": "f"}),
        json!({"exactly.once.support": "REQUIRED"}),
        json!({"exactly.once.support": "requested"}),
        json!({"exactly.once.support": "never", "file": "f"}),
        json!({"transaction.boundary": "connector", "file": "f"}),
        json!({"transaction.boundary": "Interval", "transaction.boundary.interval.ms": "10", "file": "f"}),
        json!({"transaction.boundary": "interval", "transaction.boundary.interval.ms": "-1", "file": "f"}),
        json!({"transaction.boundary": "record", "file": "f"}),
        json!({"offsets.storage.topic": "", "file": "f"}),
        json!({"producer.override.transactional.id": "mine", "producer.override.enable.idempotence": "true", "file": "f"}),
    ];
    let mut differences = Vec::new();
    for support in ["enabled", "preparing", "disabled"] {
        let java = Connect::start(kafka, ConnectOptions::default().set(SUPPORT, support)).await?;
        let ours = WorkerOptions::on_kafka(kafka, &unique("ours")).set(SUPPORT, support);
        let mut ours = Tributary::start(ours).await?;
        for case in &cases {
            let (theirs, own) = (errors(&java.rest(), case).await?, errors(&ours.rest(), case).await?);
            if own != theirs {
                differences.push(format!("{support}: {case}\n  own    {own:?}\n  theirs {theirs:?}"));
            }
        }
        ours.stop().await?;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// Each property with its errors.
async fn errors(rest: &RestClient, case: &Value) -> Result<Vec<(String, Vec<String>)>> {
    let mut config = json!({"name": "lines", "connector.class": "FileStreamSource", "topic": "t"});
    if let (Value::Object(config), Value::Object(case)) = (&mut config, case.clone()) {
        config.extend(case);
    }
    let answer = rest.put("/connector-plugins/FileStreamSource/config/validate", &config).await?.success()?;
    let configs = answer["configs"].as_array().cloned().unwrap_or_default();
    let value = |one: &Value| one["value"].clone();
    let mut faults: Vec<(String, Vec<String>)> = configs
        .iter()
        .map(value)
        .map(|value| {
            let texts = value["errors"].as_array().cloned().unwrap_or_default();
            let texts = texts.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
            (value["name"].as_str().unwrap_or_default().to_owned(), texts)
        })
        .filter(|(_, texts): &(String, Vec<String>)| !texts.is_empty())
        .collect();
    faults.sort();
    Ok(faults)
}
