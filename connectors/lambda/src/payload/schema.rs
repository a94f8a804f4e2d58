use serde_json::{Map, Value as Json, json};
use tributary_api::{Schema, SchemaType, json as plain};

/// A schema in the format of Kafka's `JsonConverter`; `field` is its name in the struct around it.
pub(super) fn json(schema: &Schema, field: Option<&str>) -> Json {
    let kind = match schema.kind {
        SchemaType::Float32 => "float",
        SchemaType::Float64 => "double",
        SchemaType::Boolean => "boolean",
        SchemaType::Int8 => "int8",
        SchemaType::Int16 => "int16",
        SchemaType::Int32 => "int32",
        SchemaType::Int64 => "int64",
        SchemaType::String => "string",
        SchemaType::Bytes => "bytes",
        SchemaType::Array => "array",
        SchemaType::Map => "map",
        SchemaType::Struct => "struct",
    };
    let mut json = Map::new();
    json.insert("type".to_owned(), kind.into());
    let element = schema.value_schema.as_ref().map(|element| self::json(element, None));
    match schema.kind {
        SchemaType::Struct => {
            let fields = schema.fields.iter().map(|field| self::json(&field.schema, Some(&field.name))).collect();
            json.insert("fields".to_owned(), Json::Array(fields));
        }
        SchemaType::Array => {
            json.insert("items".to_owned(), element.unwrap_or_default());
        }
        SchemaType::Map => {
            let keys = schema.key_schema.as_ref().map(|key| self::json(key, None));
            json.insert("keys".to_owned(), keys.unwrap_or_default());
            json.insert("values".to_owned(), element.unwrap_or_default());
        }
        _ => {}
    }
    json.insert("optional".to_owned(), schema.optional.into());
    if let Some(name) = &schema.name {
        json.insert("name".to_owned(), json!(&**name));
    }
    if let Some(version) = schema.version {
        json.insert("version".to_owned(), version.into());
    }
    if let Some(doc) = &schema.doc {
        json.insert("doc".to_owned(), json!(&**doc));
    }
    if !schema.parameters.is_empty() {
        let parameters = schema.parameters.iter().map(|(name, value)| (name.to_string(), json!(&**value)));
        json.insert("parameters".to_owned(), Json::Object(parameters.collect()));
    }
    if let Some(default) = &schema.default {
        let default = plain::to_vec(default).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        json.insert("default".to_owned(), default.unwrap_or_default());
    }
    if let Some(field) = field {
        json.insert("field".to_owned(), field.into());
    }
    Json::Object(json)
}
