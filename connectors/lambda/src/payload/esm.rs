use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use tributary_api::{Datum, Record, Result, TimestampType, TopicPartition, Value, json as plain};

use super::{Envelope, place, put, put_text, raw};

/// `{"eventSource":..,"bootstrapServers":..,"records":{"topic-0":[` and `]}}`: an event holds records of one partition.
pub(super) fn envelope(servers: &str, arn: Option<&str>, partition: &TopicPartition) -> Envelope {
    let source = match arn {
        Some(arn) => format!(r#"{{"eventSource":"aws:kafka","eventSourceArn":{}"#, json!(arn)),
        None => r#"{"eventSource":"SelfManagedKafka""#.to_owned(),
    };
    let (servers, key) = (json!(servers), json!(partition.to_string()));
    let head = format!(r#"{source},"bootstrapServers":{servers},"records":{{{key}:["#);
    Envelope { head: head.into_bytes(), tail: b"]}}" }
}

/// `{"topic":..,"partition":..,"offset":..,"timestamp":..,"timestampType":..,"key":base64,"value":base64,"headers":[..]}`
pub(super) fn write(record: &Record, to: &mut Vec<u8>) -> Result<()> {
    let (topic, partition, offset) = place(record)?;
    raw(to, r#"{"topic":"#);
    put(to, topic)?;
    let timestamp = record.timestamp.unwrap_or(-1);
    let kind = match record.timestamp_type {
        TimestampType::LogAppendTime => "LOG_APPEND_TIME",
        TimestampType::CreateTime => "CREATE_TIME",
        TimestampType::None => "NO_TIMESTAMP_TYPE",
    };
    put_text(
        to,
        format_args!(
            r#","partition":{partition},"offset":{offset},"timestamp":{timestamp},"timestampType":"{kind}","key":"#
        ),
    );
    put_base64(to, &record.key)?;
    raw(to, r#","value":"#);
    put_base64(to, &record.value)?;
    raw(to, r#","headers":["#);
    for (index, header) in record.headers.iter().enumerate() {
        raw(to, if index == 0 { "{" } else { ",{" });
        put(to, &*header.name)?;
        raw(to, ":");
        // Java's bytes are signed, and the trigger writes them as signed numbers.
        let carried = match &header.raw {
            Some(raw) => Some(raw.clone()),
            None => bytes(&header.datum)?,
        };
        let signed: Vec<i8> = carried.unwrap_or_default().iter().map(|byte| byte.cast_signed()).collect();
        put(to, &signed)?;
        raw(to, "}");
    }
    raw(to, "]}");
    Ok(())
}

fn put_base64(to: &mut Vec<u8>, datum: &Datum) -> Result<()> {
    match bytes(datum)? {
        None => put(to, &()),
        Some(bytes) => {
            raw(to, "\"");
            raw(to, &BASE64.encode(&bytes));
            raw(to, "\"");
            Ok(())
        }
    }
}

/// Bytes and text as they are in the topic, if the converters keep them; other values as JSON.
fn bytes(datum: &Datum) -> Result<Option<bytes::Bytes>> {
    Ok(match &datum.value {
        Value::Null => None,
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::String(text) => Some(text.as_bytes().clone()),
        value => Some(plain::to_vec(value)?.into()),
    })
}
