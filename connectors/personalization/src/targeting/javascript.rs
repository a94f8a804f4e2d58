//! How JavaScript turns values into texts and numbers, and compares them.

use std::borrow::Cow;
use std::cmp::Ordering;

use tributary_api::{Value, json};

/// The text of a value, as `value + ""` makes it.
pub(super) fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed("null"),
        Value::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        Value::Array(items) => {
            let item = |item: &Value| if item.is_null() { String::new() } else { text(item).into_owned() };
            Cow::Owned(items.iter().map(item).collect::<Vec<_>>().join(","))
        }
        Value::Map(_) => Cow::Borrowed("[object Object]"),
        _ => match value.as_f64() {
            Some(number) => Cow::Owned(number.to_string()),
            None => Cow::Owned(
                json::to_vec(value).map_or_else(|_| String::new(), |json| String::from_utf8_lossy(&json).into_owned()),
            ),
        },
    }
}

/// The number of a value, as `value * 1` makes it; none for NaN.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(0.0),
        Value::Boolean(value) => Some(f64::from(u8::from(*value))),
        Value::String(text) if text.trim().is_empty() => Some(0.0),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| !number.is_nan()),
        Value::Array(_) => number(&Value::string(text(value).into_owned())),
        _ => value.as_f64(),
    }
}

pub(super) fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Boolean(value) => *value,
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Map(_) => true,
        _ => value.as_f64().is_none_or(|number| number != 0.0 && !number.is_nan()),
    }
}

/// `===`: two objects or lists are never the same one.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Boolean(a), Value::Boolean(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        _ if type_name(a) == "number" && type_name(b) == "number" => a.as_f64() == b.as_f64(),
        _ => false,
    }
}

/// `<` and the like: texts by their characters, all else by numbers. None where one of them is no number.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.encode_utf16().cmp(b.encode_utf16())),
        _ => number(a)?.partial_cmp(&number(b)?),
    }
}

pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        _ if value.as_f64().is_some() => "number",
        _ => "object",
    }
}

/// A version as a text that sorts as versions do: GrowthBook pads numbers, and puts a release after what comes before it.
pub(super) fn padded_version(version: &str) -> String {
    let version = version.strip_prefix('v').unwrap_or(version);
    let version = version.split('+').next().unwrap_or_default();
    let mut parts: Vec<String> = version.split(['-', '.']).map(str::to_owned).collect();
    if parts.len() == 3 {
        parts.push("~".to_owned());
    }
    let padded = parts.into_iter().map(|part| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { format!("{part:>5}") } else { part }
    });
    padded.collect::<Vec<_>>().join("-")
}
