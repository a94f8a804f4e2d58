use serde_json::Value as Json;
use tributary_api::{Datum, Record, Result, SchemaRef, TimestampType};

use super::{Visibility, place, put, put_datum, put_text, raw, schema};

/// `{"key":text,"keySchemaName":..,"value":text,"valueSchemaName":..,"topic":..,"partition":..,"offset":..,
/// "timestamp":..,"timestampTypeName":..}`; no key and no value are empty text.
pub(super) fn plain(record: &Record, to: &mut Vec<u8>) -> Result<()> {
    for (name, datum) in [("key", &record.key), ("value", &record.value)] {
        let text = if datum.value.is_null() { String::new() } else { datum.value.to_string() };
        raw(to, if name == "key" { r#"{"key":"# } else { r#","value":"# });
        put(to, &text)?;
        put_text(to, format_args!(r#","{name}SchemaName":"#));
        put(to, &datum.schema.as_ref().and_then(|schema| schema.name.as_deref()))?;
    }
    end(record, to)
}

/// The same with keys and values as JSON, and with the versions of their schemas.
pub(super) fn json(record: &Record, key: Visibility, value: Visibility, to: &mut Vec<u8>) -> Result<()> {
    for (name, datum, visibility) in [("key", &record.key, key), ("value", &record.value, value)] {
        raw(to, if name == "key" { r#"{"key":"# } else { r#","value":"# });
        put_visible(to, datum, visibility)?;
        let seen: Option<&SchemaRef> = datum.schema.as_ref().filter(|_| visibility != Visibility::None);
        put_text(to, format_args!(r#","{name}SchemaName":"#));
        put(to, &seen.and_then(|schema| schema.name.as_deref()))?;
        put_text(to, format_args!(r#","{name}SchemaVersion":"#));
        put(to, &seen.and_then(|schema| schema.version).map(|version| version.to_string()))?;
    }
    end(record, to)
}

fn put_visible(to: &mut Vec<u8>, datum: &Datum, visibility: Visibility) -> Result<()> {
    match datum.schema.as_ref().filter(|_| visibility == Visibility::All) {
        None => put_datum(to, datum),
        Some(described) => {
            let described: Json = schema::json(described, None);
            raw(to, r#"{"schema":"#);
            put(to, &described)?;
            raw(to, r#","payload":"#);
            put_datum(to, datum)?;
            raw(to, "}");
            Ok(())
        }
    }
}

fn end(record: &Record, to: &mut Vec<u8>) -> Result<()> {
    let (_, partition, offset) = place(record)?;
    raw(to, r#","topic":"#);
    put(to, &*record.topic)?;
    let kind = match record.timestamp_type {
        TimestampType::None => "NoTimestampType",
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    let timestamp = record.timestamp.unwrap_or(0);
    put_text(
        to,
        format_args!(
            r#","partition":{partition},"offset":{offset},"timestamp":{timestamp},"timestampTypeName":"{kind}"}}"#
        ),
    );
    Ok(())
}
