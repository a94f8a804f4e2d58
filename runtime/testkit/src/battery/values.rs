//! Data of every type, with and without a schema, including edge cases.

use tributary_api::{BigInt, Bytes, Datum, Decimal, Schema, SchemaType, Struct, Value};

/// All test data.
pub(super) fn all() -> Vec<Datum> {
    let plain = [
        Value::Null,
        Value::Boolean(true),
        Value::Int8(i8::MIN),
        Value::Int16(i16::MAX),
        Value::Int32(-1),
        Value::Int64(i64::MIN),
        Value::Float32(f32::NAN),
        Value::Float64(f64::INFINITY),
        Value::string(""),
        Value::string("na\u{ef}ve \u{1f600} \u{0}"),
        Value::Bytes(Bytes::new()),
        Value::Bytes(Bytes::from_static(&[0, 0xff, 0xc3])),
        Value::Decimal(Decimal { unscaled: BigInt::from(i128::MAX), scale: -40 }),
        Value::Date(i32::MIN),
        Value::Time(-1),
        Value::Timestamp(i64::MAX),
        Value::Array(Vec::new()),
        Value::Array(vec![Value::Null, Value::Int8(1), Value::string("mixed")]),
        Value::Map(Vec::new()),
        Value::Map(vec![
            (Value::Int32(1), Value::Null),
            (Value::string("a"), Value::Array(vec![Value::Map(Vec::new())])),
        ]),
    ];
    let mut all: Vec<Datum> = plain.into_iter().map(Datum::schemaless).collect();
    all.extend(with_schema());
    all
}

fn with_schema() -> Vec<Datum> {
    let text = Schema::new(SchemaType::String).into_ref();
    let optional = Schema::new(SchemaType::Int64).optional().into_ref();
    let fields = [("name", text.clone()), ("note", Schema::new(SchemaType::String).optional().into_ref())];
    let schema = Schema::structure(fields).named("battery.Row").into_ref();
    let row = Struct::new(schema.clone(), vec![Value::string("a"), Value::Null]);
    let mut all = vec![
        Datum::new(text.clone(), Value::string("text")),
        Datum::new(optional, Value::Null),
        // The value does not fit its schema.
        Datum::new(text.clone(), Value::Int64(5)),
        Datum::new(Schema::array(text.clone()).into_ref(), Value::Array(vec![Value::string("x")])),
        Datum::new(Schema::map(text.clone(), text).into_ref(), Value::Map(Vec::new())),
    ];
    all.extend(row.ok().map(|row| Datum::new(schema, Value::from(row))));
    all
}
