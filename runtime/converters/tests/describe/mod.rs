//! Schemas and values as one line of text, as `golden/Record.java` writes them.

use tributary_api::{Datum, SchemaRef, SchemaType, Value};

pub(crate) fn datum(datum: &Datum) -> String {
    format!("{} {}", schema(datum.schema.as_ref()), value(&datum.value))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn schema(described: Option<&SchemaRef>) -> String {
    let Some(s) = described else { return "-".to_owned() };
    let mut text = s.kind.upper_name().to_lowercase();
    match s.kind {
        SchemaType::Array => text += &format!("<{}>", schema(s.value_schema.as_ref())),
        SchemaType::Map => text += &format!("<{},{}>", schema(s.key_schema.as_ref()), schema(s.value_schema.as_ref())),
        SchemaType::Struct => {
            let fields: String = s.fields.iter().map(|f| format!("{}:{};", f.name, schema(Some(&f.schema)))).collect();
            text += &format!("<{fields}>");
        }
        _ => {}
    }
    if s.optional {
        text.push('?');
    }
    text += &s.name.as_ref().map_or(String::new(), |name| format!("({name})"));
    text += &s.version.map_or(String::new(), |version| format!("#{version}"));
    text += &s.doc.as_ref().map_or(String::new(), |doc| format!("'{doc}'"));
    if !s.parameters.is_empty() {
        let pairs: Vec<String> = s.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        text += &format!("{{{}}}", pairs.join(","));
    }
    text + &s.default.as_ref().map_or(String::new(), |default| format!("={}", value(default)))
}

fn value(described: &Value) -> String {
    match described {
        Value::Null | Value::Boolean(_) => described.to_string(),
        Value::Int8(n) => format!("i8 {n}"),
        Value::Int16(n) => format!("i16 {n}"),
        Value::Int32(n) => format!("i32 {n}"),
        Value::Int64(n) => format!("i64 {n}"),
        Value::Float32(_) => format!("f32 {described}"),
        Value::Float64(_) => format!("f64 {described}"),
        Value::String(text) => format!("\"{text}\""),
        Value::Bytes(bytes) => format!("x{}", hex(bytes)),
        Value::Decimal(d) => format!("d {}e{}", d.unscaled, d.scale),
        Value::Date(days) => format!("t {}", i64::from(*days) * 86_400_000),
        Value::Time(millis) => format!("t {millis}"),
        Value::Timestamp(millis) => format!("t {millis}"),
        Value::Array(items) => format!("[{}]", items.iter().map(value).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let mut entries: Vec<String> = entries.iter().map(|(k, v)| format!("{}: {}", value(k), value(v))).collect();
            entries.sort_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
            format!("{{{}}}", entries.join(", "))
        }
        Value::Struct(object) => {
            let fields: String = object.iter().map(|(name, v)| format!("{name}={};", value(v))).collect();
            format!("<{fields}>")
        }
    }
}
