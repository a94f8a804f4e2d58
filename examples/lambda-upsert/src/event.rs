use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// What the function is invoked with.
#[derive(Debug)]
pub(crate) enum Event {
    /// An SQS event source mapping's messages.
    Messages(Vec<Message>),
    /// The Lambda sink's array, as Confluent's connector writes it.
    Array(Vec<Row>),
    /// Records by partition, as AWS's own event source mapping for Kafka writes them, in the order in which they come.
    Partitions(Vec<Row>),
}

/// A message of SQS.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) body: String,
}

/// A record of Kafka.
#[derive(Debug)]
pub(crate) struct Row {
    /// `TOPIC-PARTITION`, and the offset.
    pub(crate) position: (String, i64),
    pub(crate) key: Option<Value>,
    /// None of a tombstone.
    pub(crate) value: Option<Value>,
}

impl Event {
    /// Tells the three apart by their outermost fields.
    pub(crate) fn parse(event: Value) -> Result<Self> {
        match event {
            Value::Array(items) => {
                let rows = items.into_iter().enumerate();
                let rows = rows.map(|(place, item)| row_of_array(item).with_context(|| format!("read item {place}")));
                Ok(Self::Array(rows.collect::<Result<_>>()?))
            }
            Value::Object(mut fields) => match (fields.remove("Records"), fields.remove("records")) {
                (Some(records), None) => {
                    let of_sqs = |record: &Value| record["eventSource"] == "aws:sqs";
                    ensure!(records.as_array().is_some_and(|all| all.iter().all(of_sqs)), "the records are not of sqs");
                    Ok(Self::Messages(serde_json::from_value(records).context("read sqs messages")?))
                }
                (None, Some(Value::Object(partitions))) => {
                    let records = partitions.into_iter().flat_map(|(_, records)| match records {
                        Value::Array(records) => records,
                        other => vec![other],
                    });
                    Ok(Self::Partitions(records.map(row_of_partition).collect::<Result<_>>()?))
                }
                _ => bail!("the event is neither of sqs nor of kafka"),
            },
            _ => bail!("the event is neither of sqs nor of kafka"),
        }
    }
}

#[derive(Deserialize)]
struct Item {
    payload: Payload,
}

#[derive(Deserialize)]
struct Payload {
    topic: String,
    partition: i32,
    offset: i64,
    #[serde(default)]
    key: Value,
    #[serde(default)]
    value: Value,
}

fn row_of_array(item: Value) -> Result<Row> {
    let Item { payload } = serde_json::from_value(item)?;
    let position = (format!("{}-{}", payload.topic, payload.partition), payload.offset);
    let present = |value: Value| Some(unescaped(value)).filter(|value| !value.is_null());
    Ok(Row { position, key: present(payload.key), value: present(payload.value) })
}

/// JSON in a text is that JSON: a converter of texts hands over what another one would have understood.
fn unescaped(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(inner @ Value::Object(_)) => inner,
            _ => Value::String(text),
        },
        other => other,
    }
}

#[derive(Deserialize)]
struct Encoded {
    topic: String,
    partition: i32,
    offset: i64,
    key: Option<String>,
    value: Option<String>,
}

fn row_of_partition(record: Value) -> Result<Row> {
    let record: Encoded = serde_json::from_value(record).context("read a record")?;
    let position = (format!("{}-{}", record.topic, record.partition), record.offset);
    let read = |encoded: Option<String>| -> Result<Option<Value>> {
        let Some(encoded) = encoded else { return Ok(None) };
        let bytes = STANDARD.decode(encoded).with_context(|| format!("decode base64 of {position:?}"))?;
        // What is no JSON can still be a key.
        let text = |_| Value::String(String::from_utf8_lossy(&bytes).into_owned());
        Ok(Some(serde_json::from_slice(&bytes).unwrap_or_else(text)).filter(|value| !value.is_null()))
    };
    let (key, value) = (read(record.key)?, read(record.value)?);
    Ok(Row { position, key, value: value.map(unescaped) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn array(value: Value) -> Row {
        let event = json!([{"payload":
            {"timestamp": 1, "topic": "clicks", "partition": 2, "offset": 3, "key": "k", "value": value}}]);
        match Event::parse(event).unwrap() {
            Event::Array(mut rows) => rows.remove(0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_array_is_read_as_the_event_of_the_lambda_sink() {
        let row = array(json!({"event_id": "a"}));
        assert_eq!(row.position, ("clicks-2".to_owned(), 3));
        assert_eq!((row.key, row.value), (Some(json!("k")), Some(json!({"event_id": "a"}))));
        assert_eq!(array(json!(r#"{"event_id":"a"}"#)).value, Some(json!({"event_id": "a"})));
        assert_eq!(array(json!("text")).value, Some(json!("text")));
        assert_eq!(array(Value::Null).value, None);
    }

    #[test]
    fn records_by_partition_are_read_as_an_event_of_an_event_source_mapping() {
        let encoded = |text: &str| STANDARD.encode(text);
        let record = |offset: i64, value: Value| {
            json!({"topic": "clicks", "partition": 0, "offset": offset, "timestamp": 1, "timestampType": "CREATE_TIME",
                "key": encoded("k"), "value": value, "headers": []})
        };
        let event = json!({"eventSource": "SelfManagedKafka", "bootstrapServers": "b", "records": {
            "clicks-0": [record(7, json!(encoded(r#"{"event_id":"a"}"#))), record(8, Value::Null)]}});
        let Event::Partitions(rows) = Event::parse(event).unwrap() else { panic!("another kind") };
        assert_eq!(rows[0].position, ("clicks-0".to_owned(), 7));
        assert_eq!(rows[0].key, Some(json!("k")));
        assert_eq!(rows[0].value, Some(json!({"event_id": "a"})));
        assert_eq!(rows[1].value, None);
    }

    #[test]
    fn messages_are_of_sqs() {
        let event = json!({"Records": [{"messageId": "m", "body": "b", "eventSource": "aws:sqs", "attributes": {}}]});
        let Event::Messages(messages) = Event::parse(event).unwrap() else { panic!("another kind") };
        assert_eq!((messages[0].message_id.as_str(), messages[0].body.as_str()), ("m", "b"));
    }

    #[test]
    fn other_events_are_errors() {
        for event in [
            json!(null),
            json!({}),
            json!([1]),
            json!({"Records": [{"eventSource": "aws:s3"}]}),
            json!({"records": {"t-0": [{"topic": "t", "partition": 0, "offset": 0, "value": "%"}]}}),
        ] {
            assert!(Event::parse(event.clone()).is_err(), "{event}");
        }
    }
}
