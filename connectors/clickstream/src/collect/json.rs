//! Parses untrusted JSON into values, with limits on depth, width and number of values, and without copying text. The
//! memory cost is counted while parsing.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tributary_api::{ByteString, Value};

/// The maximum nesting of objects and arrays.
const MAX_DEPTH: usize = 16;
/// The maximum number of names in an object; finding duplicates takes quadratic time.
const MAX_NAMES: usize = 256;

/// The initial capacity for the fields of an event and of a nested object: enough for most of them, with the fields
/// that the server adds.
const EVENT_FIELDS: usize = 16;
const INNER_FIELDS: usize = 4;
/// The memory overhead of a separately allocated text.
const TEXT_BYTES: usize = 32;
/// The maximum length of a floating-point number when it is written.
const MAX_FLOAT_BYTES: usize = 24;

/// Counts the cost of the values of one event.
#[derive(Debug)]
pub(super) struct ParseCost {
    max_values: usize,
    values: Cell<usize>,
    bytes: Cell<usize>,
    longer: Cell<usize>,
}

impl ParseCost {
    /// For at most this many values, including nested ones.
    pub(super) fn new(max_values: usize) -> Self {
        Self { max_values, values: Cell::new(0), bytes: Cell::new(0), longer: Cell::new(0) }
    }

    /// The number of values parsed.
    pub(super) fn values(&self) -> usize {
        self.values.get()
    }

    /// The memory used beyond the text.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// By how much the text can grow, at most, when the values are written again.
    pub(super) fn longer(&self) -> usize {
        self.longer.get()
    }

    /// Adds memory.
    pub(super) fn take(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        if self.values.get() == self.max_values {
            return Err(E::custom(format!("more than {} values in one event", self.max_values)));
        }
        self.values.set(self.values.get() + 1);
        Ok(())
    }

    /// A number that may be written differently from how it was read, such as 1e15.
    fn float(&self) {
        self.longer.set(self.longer.get() + MAX_FLOAT_BYTES);
    }

    fn copied(&self, text: &str) {
        self.take(text.len() + TEXT_BYTES);
    }
}

/// Parses one JSON value of a text.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'a> {
    text: &'a ByteString,
    depth: usize,
    cost: &'a ParseCost,
}

impl<'a> ValueSeed<'a> {
    pub(super) fn new(text: &'a ByteString, cost: &'a ParseCost) -> Self {
        Self { text, depth: 0, cost }
    }

    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("more than {MAX_DEPTH} objects and arrays within each other")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.cost.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int64(number))
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        if let Ok(number) = i64::try_from(number) {
            return Ok(Value::Int64(number));
        }
        self.cost.float();
        Ok(Value::Float64(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        self.cost.float();
        Ok(Value::Float64(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        Ok(Value::String(share(self.text, text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        self.cost.copied(text);
        Ok(Value::String(ByteString::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let element = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(element)? {
            items.push(item);
        }
        self.cost.take(items.capacity() * size_of::<Value>());
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let field = self.inner()?;
        let mut entries: Vec<(Value, Value)> = Vec::new();
        while let Some(name) = map.next_key_seed(NameSeed(self.text, self.cost))? {
            let value = map.next_value_seed(field)?;
            // Of two fields with one name the last one wins, as in a browser.
            match entries.iter().position(|(other, _)| other.as_str() == Some(&*name)) {
                Some(index) => entries[index].1 = value,
                None if entries.len() == MAX_NAMES => {
                    return Err(A::Error::custom(format!("an object with more than {MAX_NAMES} fields")));
                }
                None => {
                    if entries.is_empty() {
                        entries.reserve_exact(if self.depth == 0 { EVENT_FIELDS } else { INNER_FIELDS });
                    }
                    entries.push((Value::String(name), value));
                }
            }
        }
        self.cost.take(entries.capacity() * size_of::<(Value, Value)>());
        Ok(Value::Map(entries))
    }
}

struct NameSeed<'a>(&'a ByteString, &'a ParseCost);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = ByteString;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ByteString, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_> {
    type Value = ByteString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<ByteString, E> {
        Ok(share(self.0, text))
    }

    fn visit_str<E>(self, text: &str) -> Result<ByteString, E> {
        self.1.copied(text);
        Ok(ByteString::from(text))
    }
}

/// A slice of the whole text without a copy; a copy if it is not a part of it.
fn share(whole: &ByteString, part: &str) -> ByteString {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if start.checked_add(part.len()).is_some_and(|end| end <= whole.len()) {
        whole.slice_ref(part)
    } else {
        ByteString::from(part)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn measured(text: &str, max_values: usize) -> (Result<Value, serde_json::Error>, ParseCost) {
        let text = ByteString::from(text);
        let cost = ParseCost::new(max_values);
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        (ValueSeed::new(&text, &cost).deserialize(&mut deserializer), cost)
    }

    fn read(text: &str) -> Result<Value, serde_json::Error> {
        measured(text, 10_000).0
    }

    #[test]
    fn reads_as_the_contract_does() {
        let text = r#"{"a":[1,-2,2.5,true,null,"x\ty","plain"],"b":{"c":18446744073709551615},"a2":"ü"}"#;
        assert_eq!(read(text).unwrap(), tributary_api::json::from_slice(text.as_bytes()).unwrap());
    }

    #[test]
    fn the_last_of_equal_names_wins() {
        assert_eq!(read(r#"{"a":1,"b":2,"a":3}"#).unwrap(), read(r#"{"a":3,"b":2}"#).unwrap());
    }

    #[test]
    fn depth_and_width_are_bounded() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(read(&deep(MAX_DEPTH)).is_ok());
        assert!(read(&deep(MAX_DEPTH + 1)).unwrap_err().to_string().contains("within each other"));
        let wide = |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"{i}\":1")).collect::<Vec<_>>().join(","));
        assert!(read(&wide(MAX_NAMES)).is_ok());
        assert!(read(&wide(MAX_NAMES + 1)).unwrap_err().to_string().contains("fields"));
    }

    #[test]
    fn values_are_counted_while_they_are_read() {
        let many = |count: usize| format!("{{\"a\":[{}]}}", vec!["{}"; count].join(","));
        assert!(measured(&many(98), 100).0.is_ok());
        let (refused, cost) = measured(&many(1_000_000), 100);
        assert!(refused.unwrap_err().to_string().contains("more than 100 values"));
        assert_eq!(cost.values(), 100);
    }

    #[test]
    fn memory_is_counted_as_it_is_taken() {
        let entry = size_of::<(Value, Value)>();
        let bytes = |text: &str| measured(text, 10_000).1.bytes();
        assert_eq!(bytes(r#"{"a":"plain"}"#), EVENT_FIELDS * entry);
        assert_eq!(bytes(r#"{"a":{}}"#), EVENT_FIELDS * entry);
        assert_eq!(bytes(r#"{"a":{"b":1}}"#), (EVENT_FIELDS + INNER_FIELDS) * entry);
        assert_eq!(bytes(r#""tab\t""#), 4 + TEXT_BYTES);
        assert!(bytes(&format!("[{}]", vec!["1"; 100].join(","))) >= 100 * size_of::<Value>());
    }

    fn any_json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<u64>().prop_map(|number| number.to_string()),
            (any::<u32>(), -300..300i32).prop_map(|(digits, exponent)| format!("{digits}e{exponent}")),
            any::<f64>().prop_filter("JSON has no others", |number| number.is_finite()).prop_map(|n| format!("{n:?}")),
            any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        ];
        scalar.prop_recursive(6, 200, 8, |inner| {
            let name = any::<String>().prop_map(|name| serde_json::to_string(&name).unwrap());
            prop_oneof![
                vec(inner.clone(), 0..8).prop_map(|items| format!("[{}]", items.join(","))),
                vec((name, inner), 0..8).prop_map(|fields| {
                    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}:{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_never_uses_more_memory_than_is_estimated(text in any_json(), max_values in 1..300usize) {
            let (value, cost) = measured(&text, max_values);
            prop_assert!(cost.values() <= max_values);
            let Ok(value) = value else { return Ok(()) };
            prop_assert!(cost.values() >= nodes(&value));
            prop_assert!(cost.bytes() >= held(&value));
            let written = tributary_api::json::to_vec(&value).unwrap();
            prop_assert!(written.len() <= text.len() + cost.longer(), "{} from {text}", String::from_utf8_lossy(&written));
        }
    }

    fn nodes(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(nodes).sum(),
            Value::Map(entries) => entries.iter().map(|(_, value)| nodes(value)).sum::<usize>(),
            _ => 0,
        }
    }

    /// The memory of containers.
    fn held(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.capacity() * size_of::<Value>() + items.iter().map(held).sum::<usize>(),
            Value::Map(entries) => {
                let inner: usize = entries.iter().map(|(_, value)| held(value)).sum();
                entries.capacity() * size_of::<(Value, Value)>() + inner
            }
            _ => 0,
        }
    }
}
