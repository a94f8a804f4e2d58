//! Parses JSON as leniently as Connect's parser, with its error messages, except for the position, which is a line and
//! column of the text.

use std::collections::BTreeMap;

use serde_json::error::Category;
use serde_json::{Map, Value};

use crate::error::ApiError;

const STRING: &str = "java.lang.String";
const MAP: &str = "java.util.LinkedHashMap";
const STRING_MAP: &str = "java.util.LinkedHashMap<java.lang.String,java.lang.String>";

/// A configuration as received. Nulls are kept, because a null is refused or removes a property.
pub(crate) type RawConfig = BTreeMap<String, Option<String>>;

/// The path to a value, for error messages: `Class["field"]->java.util.LinkedHashMap["key"]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain(Vec<String>);

impl Chain {
    pub(crate) fn field(&self, class: &str, name: &str) -> Self {
        self.with(format!("{class}[\"{name}\"]"))
    }

    pub(crate) fn element(&self, index: usize) -> Self {
        self.with(format!("java.util.ArrayList[{index}]"))
    }

    fn with(&self, step: String) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    fn error(&self, message: &str) -> ApiError {
        match self.0.is_empty() {
            true => ApiError::internal(message),
            false => ApiError::internal(format!("{message} (through reference chain: {})", self.0.join("->"))),
        }
    }
}

/// The value in a text; nothing in an empty one or in `null`.
pub(crate) fn parse(text: &[u8]) -> Result<Option<Value>, ApiError> {
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(text) {
        Ok(Value::Null) => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(ApiError::internal(syntax_message(text, &error))),
    }
}

/// The fields of an object of a class that has no others.
pub(crate) fn object(value: Value, class: &str, known: &[&str], chain: &Chain) -> Result<Map<String, Value>, ApiError> {
    let fields = match value {
        Value::Object(fields) => fields,
        Value::String(text) => {
            return Err(chain.error(&no_constructor(class, "String", &format!("String value ('{text}')"))));
        }
        Value::Number(number) => {
            return Err(chain.error(&no_constructor(class, "int/Int", &format!("Number value ({number})"))));
        }
        other => return Err(chain.error(&mismatch(class, &other))),
    };
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(chain.field(class, name).error(&unrecognized(name, class, known))),
        None => Ok(fields),
    }
}

/// A list of objects of a class.
pub(crate) fn list(value: Value, class: &str, chain: &Chain) -> Result<Vec<Value>, ApiError> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(chain.error(&mismatch(&format!("java.util.ArrayList<{class}>"), &other))),
    }
}

/// A map of texts; numbers and booleans become text.
pub(crate) fn config(value: Value, chain: &Chain) -> Result<RawConfig, ApiError> {
    let entries = entries(value, STRING_MAP, chain)?;
    entries.into_iter().map(|(name, value)| Ok((name.clone(), text(value, &chain.field(MAP, &name))?))).collect()
}

/// A map of anything.
pub(crate) fn entries(value: Value, class: &str, chain: &Chain) -> Result<Map<String, Value>, ApiError> {
    match value {
        Value::Object(entries) => Ok(entries),
        Value::String(text) if text.is_empty() => Err(chain.error(&format!(
            "Cannot coerce empty String (\"\") to element of `{MAP}` (but could if coercion was enabled using `CoercionConfig`)"
        ))),
        Value::String(text) => Err(chain.error(&no_constructor(MAP, "String", &format!("String value ('{text}')")))),
        other => Err(chain.error(&mismatch(class, &other))),
    }
}

/// Text; a number or boolean becomes one.
pub(crate) fn text(value: Value, chain: &Chain) -> Result<Option<String>, ApiError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(chain.error(&mismatch(STRING, &other))),
    }
}

/// The error for a text that is no constant of an enumeration.
pub(crate) fn no_constant(class: &str, value: &str, chain: &Chain) -> ApiError {
    let constant = class.replace('$', ".");
    chain.error(&format!("Cannot construct instance of `{class}`, problem: No enum constant {constant}.{value}"))
}

fn mismatch(class: &str, value: &Value) -> String {
    let (kind, token) = match value {
        Value::Null => ("Null", "VALUE_NULL"),
        Value::Bool(true) => ("Boolean", "VALUE_TRUE"),
        Value::Bool(false) => ("Boolean", "VALUE_FALSE"),
        Value::Number(number) if number.is_f64() => ("Floating-point", "VALUE_NUMBER_FLOAT"),
        Value::Number(_) => ("Integer", "VALUE_NUMBER_INT"),
        Value::String(_) => ("String", "VALUE_STRING"),
        Value::Array(_) => ("Array", "START_ARRAY"),
        Value::Object(_) => ("Object", "START_OBJECT"),
    };
    format!("Cannot deserialize value of type `{class}` from {kind} value (token `JsonToken.{token}`)")
}

fn no_constructor(class: &str, argument: &str, value: &str) -> String {
    format!(
        "Cannot construct instance of `{class}` (although at least one Creator exists): no {argument}-argument \
         constructor/factory method to deserialize from {value}"
    )
}

fn unrecognized(name: &str, class: &str, known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|name| format!("\"{name}\"")).collect();
    let count = match known.len() {
        1 => "one known property".to_owned(),
        count => format!("{count} known properties"),
    };
    let known = quoted.join(", ");
    format!("Unrecognized field \"{name}\" (class {class}), not marked as ignorable ({count}: {known})")
}

fn syntax_message(text: &[u8], error: &serde_json::Error) -> String {
    if error.classify() == Category::Eof {
        return format!("Unexpected end-of-input: {error}");
    }
    let line = text.split(|&byte| byte == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    match line.get(error.column().saturating_sub(1)).copied() {
        Some(byte) if byte.is_ascii_graphic() => {
            format!("Unexpected character ('{}' (code {byte})): {error}", char::from(byte))
        }
        _ => format!("Unexpected character: {error}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<RawConfig, ApiError> {
        config(parse(text.as_bytes())?.unwrap_or_default(), &Chain::default())
    }

    #[test]
    fn scalars_become_text_and_nulls_stay() {
        let config = read(r#"{"a":1,"b":true,"c":2.5,"d":"x","e":null,"f":-12345678901234}"#).unwrap();
        let text = |name: &str| config[name].as_deref();
        assert_eq!((text("a"), text("b"), text("c"), text("d")), (Some("1"), Some("true"), Some("2.5"), Some("x")));
        assert_eq!((text("e"), text("f")), (None, Some("-12345678901234")));
    }

    #[test]
    fn errors_quote_the_unexpected_token() {
        let message = |text: &str| format!("{:?}", read(text).unwrap_err());
        assert!(message("{bad").contains("Unexpected character ('b' (code 98))"), "{}", message("{bad"));
        assert!(message("{\n\"a\":}").contains("Unexpected character ('}' (code 125))"));
        assert!(message("{\"a\"").contains("Unexpected end-of-input"));
        assert!(message("{\"a\":[]}").contains("(through reference chain: java.util.LinkedHashMap[\\\"a\\\"])"));
    }
}
