//! JSON of strangers: read into values with bounds on depth, width and number, and without copying text.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use tributary_api::{ByteString, Value};

/// Objects and arrays within each other.
const MAX_DEPTH: usize = 16;
/// Names of one object; telling them apart takes the square of it.
const MAX_NAMES: usize = 256;

/// Reads one JSON value of a text.
#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'a> {
    text: &'a ByteString,
    depth: usize,
    /// How many values were read, inner ones included: what they cost in memory beyond their text.
    nodes: &'a Cell<usize>,
}

impl<'a> ValueSeed<'a> {
    pub(super) fn new(text: &'a ByteString, nodes: &'a Cell<usize>) -> Self {
        Self { text, depth: 0, nodes }
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
        self.nodes.set(self.nodes.get() + 1);
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
        Ok(i64::try_from(number).map_or(Value::Float64(number as f64), Value::Int64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float64(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        Ok(Value::String(share(self.text, text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(ByteString::from(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let element = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(element)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let field = self.inner()?;
        let mut entries: Vec<(Value, Value)> = Vec::with_capacity(12);
        while let Some(name) = map.next_key_seed(NameSeed(self.text))? {
            let value = map.next_value_seed(field)?;
            // Of two fields with one name the last one wins, as in a browser.
            match entries.iter().position(|(other, _)| other.as_str() == Some(&*name)) {
                Some(index) => entries[index].1 = value,
                None if entries.len() == MAX_NAMES => {
                    return Err(A::Error::custom(format!("an object with more than {MAX_NAMES} fields")));
                }
                None => entries.push((Value::String(name), value)),
            }
        }
        Ok(Value::Map(entries))
    }
}

struct NameSeed<'a>(&'a ByteString);

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
        Ok(ByteString::from(text))
    }
}

/// A part of the whole text without a copy; a copy if it should not be a part of it.
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
    use super::*;

    fn read(text: &str) -> Result<Value, serde_json::Error> {
        let text = ByteString::from(text);
        let nodes = Cell::new(0);
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        ValueSeed::new(&text, &nodes).deserialize(&mut deserializer)
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
}
