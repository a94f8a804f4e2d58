use anyhow::{Context, Result, bail};
use mongodb::bson::{Bson, Document};
use serde_json::{Number, Value};

/// The document that a record leaves: its value, under the id that the value itself has in `id_field`, else under its key.
/// Both ways come to the same document, as neither the bucket's name nor an offset goes into it.
pub(crate) fn document(id_field: &str, key: Option<&Value>, value: &Value) -> Result<Document> {
    let Value::Object(fields) = value else { bail!("the value is no JSON object") };
    let id = fields.get(id_field).filter(|id| !id.is_null()).or(key);
    let id = id.with_context(|| format!("the record has neither a field {id_field} nor a key"))?;
    if id.is_array() {
        bail!("an id cannot be an array");
    }
    let mut document = Document::new();
    document.insert("_id", bson(id));
    document.extend(fields.iter().filter(|(name, _)| *name != "_id").map(|(name, value)| (name.clone(), bson(value))));
    Ok(document)
}

/// JSON as it is: an object like `{"$date": ...}` in a stranger's event stays an object.
fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(*value),
        Value::Number(number) => bson_number(number),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => Bson::Array(items.iter().map(bson).collect()),
        Value::Object(fields) => {
            Bson::Document(fields.iter().map(|(name, value)| (name.clone(), bson(value))).collect())
        }
    }
}

/// Whole numbers are 64 bits wide, as the MongoDB sink writes them.
fn bson_number(number: &Number) -> Bson {
    match number.as_i64() {
        Some(whole) => Bson::Int64(whole),
        None => Bson::Double(number.as_f64().unwrap_or(f64::NAN)),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_id_is_the_events_own_else_the_key() {
        let value = json!({"event_id": "e", "n": 1});
        let expected = doc! {"_id": "e", "event_id": "e", "n": 1_i64};
        assert_eq!(document("event_id", None, &value).unwrap(), expected);
        assert_eq!(document("event_id", Some(&json!("k")), &value).unwrap(), expected);
        let keyed = document("other", Some(&json!({"id": 5})), &value).unwrap();
        assert_eq!(keyed, doc! {"_id": {"id": 5_i64}, "event_id": "e", "n": 1_i64});
    }

    #[test]
    fn values_keep_their_kinds_and_order() {
        let value = json!({"event_id": 1, "_id": "x", "z": 1.0, "big": u64::MAX, "a": [null, true, {"$date": "d"}]});
        let expected =
            doc! {"_id": 1_i64, "event_id": 1_i64, "z": 1.0, "big": u64::MAX as f64, "a": [null, true, {"$date": "d"}]};
        let made = document("event_id", None, &value).unwrap();
        assert_eq!(made, expected);
        assert_eq!(made.keys().collect::<Vec<_>>(), ["_id", "event_id", "z", "big", "a"]);
    }

    #[test]
    fn a_record_without_an_id_is_refused() {
        let error = document("event_id", None, &json!({"event_id": null})).unwrap_err();
        assert!(error.to_string().contains("event_id"), "{error}");
        assert!(document("event_id", Some(&json!([1])), &json!({})).is_err());
        assert!(document("event_id", Some(&json!("k")), &json!("text")).is_err());
    }
}
