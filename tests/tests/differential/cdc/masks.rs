//! What is not compared.

use serde_json::{Map, Value, json};
use tributary_tests::Message;

/// The placeholder for a value that the change table does not have.
const PLACEHOLDER: &str = "__debezium_unavailable_value";
/// The only header that differs from run to run.
const RUN: &str = "__debezium.context.runId";

/// A record as it is compared.
pub(super) struct Compared {
    pub(super) partition: i32,
    /// Of the change, as far as it has one: a record with a position that was there before is a repetition.
    pub(super) position: Option<String>,
    pub(super) text: String,
}

/// A record without the connector's name, its version, and the times at which it did something itself. Those of commits stay.
pub(super) fn masked(message: &Message, name: &str) -> Compared {
    let named = |text: String| text.replace(name, "NAME");
    let mut value: Value = serde_json::from_str(&named(message.text())).unwrap_or_default();
    let mut position = None;
    if let Value::Object(envelope) = &mut value["payload"] {
        mask_times(envelope);
        if let Some(Value::Object(source)) = envelope.get_mut("source") {
            source.insert("version".into(), json!("VERSION"));
            if source.get("snapshot").is_none_or(|snapshot| snapshot != "false") {
                mask_times(source);
            } else {
                position = Some(
                    ["commit_lsn", "change_lsn", "event_serial_no"].map(|part| source[part].to_string()).join(" "),
                );
            }
        }
        if envelope.contains_key("tableChanges") {
            position = None;
            changed_table_unnamed(envelope);
        }
        let op = envelope.get("op").map(ToString::to_string).unwrap_or_default();
        position = position.map(|position| format!("{position} {op}"));
        large_value_left_null(envelope);
    }
    let headers: Vec<String> = message
        .headers
        .iter()
        .filter(|(header, _)| header != RUN)
        .map(|(header, value)| {
            format!("{header}={}", named(String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned()))
        })
        .collect();
    // A tombstone is no JSON null of a value.
    let value = if message.value.is_none() { "none".to_owned() } else { value.to_string() };
    let key = message.key.as_ref().map(|_| named(message.key_text()));
    Compared { partition: message.partition, position, text: format!("{key:?} {headers:?} {value}") }
}

/// Debezium's defect: of a `(max)` column that an update has not changed it writes null, as if that were its value, for the
/// driver reports it for an ordinary column.
fn large_value_left_null(envelope: &mut Map<String, Value>) {
    for side in ["before", "after"] {
        if let Some(note) =
            envelope.get_mut(side).and_then(|row| row.get_mut("note")).filter(|note| **note == PLACEHOLDER)
        {
            *note = Value::Null;
        }
    }
}

/// Debezium's defect: a schema change record has the source block of the change that was sent before it. That is another
/// table's, or empty after a restart.
fn changed_table_unnamed(envelope: &mut Map<String, Value>) {
    let altered = envelope["tableChanges"][0]["type"] == "ALTER";
    let Some(Value::Object(source)) = envelope.get_mut("source") else { return };
    mask_times(source);
    if altered {
        for field in ["db", "schema", "table", "change_lsn", "commit_lsn", "event_serial_no"] {
            source.insert(field.into(), json!("OF ANOTHER"));
        }
    }
}

fn mask_times(object: &mut Map<String, Value>) {
    for name in ["ts_ms", "ts_us", "ts_ns"] {
        if let Some(time) = object.get_mut(name) {
            // Anything but a number stays, and is seen.
            if time.is_i64() {
                *time = json!("TIME");
            }
        }
    }
}
