use tributary_api::Value;

use crate::timestamps;

/// A value as text that can be read again; text within it is quoted.
pub(super) fn print(value: &Value) -> String {
    let mut text = String::new();
    append(&mut text, value, false);
    text
}

fn append(out: &mut String, value: &Value, embedded: bool) {
    match value {
        Value::String(text) if embedded => {
            out.push('"');
            out.push_str(&text.replace('\\', "\\\\").replace('"', "\\\""));
            out.push('"');
        }
        Value::Bytes(_) if embedded => {
            out.push('"');
            out.push_str(&value.to_string());
            out.push('"');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                append(out, item, true);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(out, index);
                append(out, key, true);
                out.push(':');
                append(out, value, true);
            }
            out.push('}');
        }
        Value::Struct(object) => {
            out.push('{');
            for (index, (name, value)) in object.iter().enumerate() {
                separate(out, index);
                append(out, &Value::string(name), true);
                out.push(':');
                append(out, value, true);
            }
            out.push('}');
        }
        other => match timestamps::millis(other) {
            Some(millis) => out.push_str(&timestamps::format(millis)),
            None => out.push_str(&other.to_string()),
        },
    }
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}
