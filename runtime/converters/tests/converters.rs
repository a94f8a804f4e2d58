//! What the recordings cannot show: round trips of any value, sharing of memory and schemas, hostile input.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tributary_api::{
    Converter, ConverterOptions, Datum, DecodeContext, EncodeContext, Factory, PluginKind, PluginRegistry, Props,
    Schema, SchemaType, Struct, Value,
};

fn converter(name: &str, config: &[(&str, &str)]) -> Box<dyn Converter> {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find(name, |kind| kind == PluginKind::Converter).unwrap();
    let Factory::Converter(make) = &plugin.factory else { panic!("not a converter") };
    let props: Props = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    make(&plugin.description.config.parse(&props).unwrap(), ConverterOptions::VALUE).unwrap()
}

const PLAIN: &[(&str, &str)] = &[("schemas.enable", "false")];

/// Values that plain JSON can hold.
fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>().prop_filter("zero loses its sign", |f| f.is_finite() && *f != 0.0).prop_map(Value::Float64),
        any::<String>().prop_map(Value::string),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..20).prop_map(Value::map),
        ]
    })
}

proptest! {
    #[test]
    fn plain_json_there_and_back(value in plain_value().prop_filter("null is a tombstone", |v| !v.is_null())) {
        let mut json = converter("JsonConverter", PLAIN);
        let bytes = json.from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &Datum::schemaless(value.clone())).unwrap();
        let text = bytes.clone().unwrap();
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok(), "another reader refuses it");
        prop_assert_eq!(json.to_connect_data(&DecodeContext::new("t", &[]), bytes).unwrap(), Datum::schemaless(value));
    }

    #[test]
    fn no_input_makes_it_panic(input in any::<Vec<u8>>(), text in "[\\[\\]{}\":,0-9a-z.\\\\eE+ -]{0,60}") {
        for input in [Bytes::from(input), Bytes::from(text)] {
            let _ = converter("JsonConverter", PLAIN).to_connect_data(&DecodeContext::new("t", &[]), Some(input.clone()));
            let _ = converter("JsonConverter", &[]).to_connect_data(&DecodeContext::new("t", &[]), Some(input.clone()));
            let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
            for plugin in registry.iter() {
                if let Factory::HeaderConverter(make) = &plugin.factory {
                    let config = plugin.description.config.parse(&Props::new()).unwrap();
                    let _ = make(&config).unwrap().to_connect_header("t", "h", Some(input.clone()));
                }
            }
        }
    }

    #[test]
    fn text_there_and_back(text in any::<String>()) {
        for encoding in ["UTF-8", "UTF-16", "UTF-16BE", "UTF-16LE"] {
            let mut converter = converter("StringConverter", &[("converter.encoding", encoding)]);
            let bytes = converter.from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &Datum::schemaless(text.as_str())).unwrap();
            let read = converter.to_connect_data(&DecodeContext::new("t", &[]), bytes).unwrap();
            prop_assert_eq!(read.value.as_str(), Some(text.as_str()));
        }
    }
}

#[test]
fn text_and_bytes_are_passed_on_not_copied() {
    let text = bytestring_of("some text");
    let written = converter("StringConverter", &[])
        .from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &Datum::schemaless(text.clone()))
        .unwrap();
    assert_eq!(written.as_ref().unwrap().as_ptr(), text.as_bytes().as_ptr());
    let read = converter("StringConverter", &[]).to_connect_data(&DecodeContext::new("t", &[]), written).unwrap();
    assert_eq!(read.value.as_str().unwrap().as_ptr(), text.as_bytes().as_ptr());
    let json = Bytes::from(br#"{"a":"inner"}"#.to_vec());
    let read =
        converter("JsonConverter", PLAIN).to_connect_data(&DecodeContext::new("t", &[]), Some(json.clone())).unwrap();
    assert_eq!(read.value.get("a").and_then(Value::as_str).unwrap().as_ptr(), json[6..].as_ptr());
}

fn bytestring_of(text: &str) -> bytestring::ByteString {
    text.to_owned().into()
}

#[test]
fn the_same_schema_is_the_same_object() {
    let mut json = converter("JsonConverter", &[]);
    let message = |payload: &str| {
        let schema = r#"{"type":"struct","fields":[{"type":"int32","optional":false,"field":"a"}],"optional":false}"#;
        Some(Bytes::from(format!(r#"{{"schema":{schema},"payload":{payload}}}"#)))
    };
    let first = json.to_connect_data(&DecodeContext::new("t", &[]), message(r#"{"a":1}"#)).unwrap();
    let second = json.to_connect_data(&DecodeContext::new("t", &[]), message(r#"{"a":2}"#)).unwrap();
    let Value::Struct(object) = &second.value else { panic!("not a struct") };
    assert!(Arc::ptr_eq(first.schema.as_ref().unwrap(), second.schema.as_ref().unwrap()));
    assert!(Arc::ptr_eq(object.schema(), second.schema.as_ref().unwrap()));
}

#[test]
fn a_cache_of_no_schemas_works_too() {
    let mut json = converter("JsonConverter", &[("schemas.cache.size", "0")]);
    let datum = Datum::new(Schema::new(SchemaType::Int32).into_ref(), 5);
    let bytes = json.from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &datum).unwrap();
    assert_eq!(json.to_connect_data(&DecodeContext::new("t", &[]), bytes).unwrap(), datum);
}

#[test]
fn a_value_that_is_not_of_its_schema_is_refused() {
    let refused = |datum: Datum| {
        converter("JsonConverter", &[])
            .from_connect_data(&mut EncodeContext::new("t", &mut Vec::new()), &datum)
            .err()
            .map(|error| error.to_string())
    };
    let int = Schema::new(SchemaType::Int32).into_ref();
    let text = Datum { schema: Some(int.clone()), value: "x".into() };
    assert_eq!(refused(text).as_deref(), Some("Invalid type for INT32: class java.lang.String"));
    let date = Schema::new(SchemaType::Int32).named(Schema::DATE).into_ref();
    let plain = Datum { schema: Some(date), value: Value::Int32(1) };
    assert_eq!(refused(plain).as_deref(), Some("Invalid type for Date, expected Date but was class java.lang.Integer"));
    let [one, other] = ["a", "b"].map(|name| Schema::structure([(name, int.clone())]).into_ref());
    let object = Struct::new(other, vec![Value::Int32(1)]).unwrap();
    assert_eq!(refused(Datum::new(one, object)).as_deref(), Some("Mismatching schema."));
}

#[test]
fn deep_nesting_is_an_error_not_an_overflow() {
    let deep = "[".repeat(1_000_000);
    for config in [PLAIN, &[]] {
        let error = converter("JsonConverter", config)
            .to_connect_data(&DecodeContext::new("t", &[]), Some(deep.clone().into()))
            .err()
            .unwrap();
        assert!(error.to_string().contains("nested too deep"), "{error}");
    }
}

/// An envelope whose payload leaves out all fields of its many objects, or is null for defaults.
fn envelope(schema: &str, payload: &str) -> Option<Bytes> {
    Some(Bytes::from(format!(r#"{{"schema":{schema},"payload":{payload}}}"#)))
}

#[test]
fn a_small_document_does_not_unfold_to_gigabytes() {
    let field = |name: usize| format!(r#"{{"field":"f{name}","type":"int32","optional":true}}"#);
    let fields = (0..5_000).map(field).collect::<Vec<_>>().join(",");
    let structure = format!(r#"{{"type":"struct","fields":[{fields}]}}"#);
    let wide = format!(r#"{{"type":"array","items":{structure}}}"#);
    let text = format!(r#"{{"type":"array","items":{{"type":"string","default":"{}"}}}}"#, "x".repeat(100_000));
    let numbers = vec!["1"; 50_000].join(",");
    let list = format!(r#"{{"type":"array","items":{{"type":"int32"}},"default":[{numbers}]}}"#);
    let lists = format!(r#"{{"type":"array","items":{list}}}"#);
    for (schema, item, few, many) in [(wide, "{}", 50, 50_000), (text, "null", 50, 50_000), (lists, "null", 5, 5_000)] {
        let mut json = converter("JsonConverter", &[]);
        let mut read = |count: usize| {
            let payload = format!("[{}]", vec![item; count].join(","));
            json.to_connect_data(&DecodeContext::new("t", &[]), envelope(&schema, &payload))
        };
        assert_eq!(read(few).unwrap().value.as_array().unwrap().len(), few);
        let refused = read(many).err().unwrap().to_string();
        assert!(refused.contains("at most 64 MiB are added"), "{refused}");
    }
}

#[test]
fn fields_of_a_wide_struct_are_found_in_any_order() {
    let field = |name: usize| format!(r#"{{"field":"f{name}","type":"int32"}}"#);
    let schema =
        |count| format!(r#"{{"type":"struct","fields":[{}]}}"#, (0..count).map(field).collect::<Vec<_>>().join(","));
    for count in [10, 100] {
        let entries = (0..count).rev().map(|name| format!(r#""f{name}":{name}"#)).collect::<Vec<_>>().join(",");
        let payload = format!(r#"{{"other":0,{entries},"more":0}}"#);
        let read = converter("JsonConverter", &[])
            .to_connect_data(&DecodeContext::new("t", &[]), envelope(&schema(count), &payload))
            .unwrap();
        let Value::Struct(object) = read.value else { panic!("not a struct") };
        assert!(object.values().iter().enumerate().all(|(index, value)| value.as_i64() == Some(index as i64)));
    }
}

#[test]
fn numbers_that_would_take_long_are_refused() {
    let decimal = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}}"#;
    let read = |bytes: usize| {
        let payload = format!(r#""{}""#, "A".repeat(bytes / 3 * 4));
        converter("JsonConverter", &[]).to_connect_data(&DecodeContext::new("t", &[]), envelope(decimal, &payload))
    };
    assert!(read(16_383).is_ok());
    let refused = read(16_386).err().unwrap().to_string();
    assert_eq!(refused, "16386 bytes are too many for a Decimal, the most are 16384");
    let plain = |digits: usize| {
        converter("JsonConverter", PLAIN)
            .to_connect_data(&DecodeContext::new("t", &[]), Some("1".repeat(digits).into()))
    };
    assert!(plain(1000).is_ok());
    assert!(plain(1001).err().unwrap().to_string().contains("a number of more than 1000 digits"));
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find("SimpleHeaderConverter", |kind| kind == PluginKind::HeaderConverter).unwrap();
    let Factory::HeaderConverter(make) = &plugin.factory else { panic!("not a header converter") };
    let mut headers = make(&plugin.description.config.parse(&Props::new()).unwrap()).unwrap();
    let mut header = |digits: usize| headers.to_connect_header("t", "h", Some("1".repeat(digits).into())).unwrap();
    assert!(matches!(header(10_000).value, Value::Decimal(_)));
    assert!(matches!(header(10_001).value, Value::String(_)));
}

#[test]
fn a_schema_content_that_is_none_names_the_property() {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    let plugin = registry.find("JsonConverter", |kind| kind == PluginKind::Converter).unwrap();
    let Factory::Converter(make) = &plugin.factory else { panic!("not a converter") };
    let settings = [("schema.content".to_owned(), "{oops".to_owned())].into();
    let refused = make(&plugin.description.config.parse(&settings).unwrap(), ConverterOptions::VALUE).err().unwrap();
    assert!(format!("{refused}").contains("schema.content is not JSON"), "{refused}");
}

#[test]
fn what_converts_values_converts_headers() {
    let registry = PluginRegistry::new(tributary_converters::plugins()).unwrap();
    for (name, value, bytes) in [
        ("ByteArrayConverter", Value::Bytes(vec![1, 200].into()), &[1_u8, 200][..]),
        ("IntegerConverter", Value::Int32(-2), &[255, 255, 255, 254]),
        ("BooleanConverter", Value::Boolean(true), &[1]),
        ("StringConverter", Value::string("x"), b"x"),
    ] {
        let plugin = registry.find(name, |kind| kind == PluginKind::HeaderConverter).unwrap();
        let Factory::HeaderConverter(make) = &plugin.factory else { panic!("not a header converter") };
        let mut headers = make(&plugin.description.config.parse(&Props::new()).unwrap()).unwrap();
        let read = headers.to_connect_header("t", "h", Some(Bytes::from_static(bytes))).unwrap();
        assert_eq!(read.value, value, "{name}");
        assert_eq!(headers.from_connect_header("t", "h", &read).unwrap().unwrap(), bytes, "{name}");
    }
}

#[test]
fn every_plugin_is_described() {
    for plugin in tributary_converters::plugins() {
        let description = &plugin.description;
        assert!(!description.doc.is_empty(), "{} has no documentation", description.class);
        assert!(description.config.keys().all(|key| !key.documentation.is_empty()), "{}", description.class);
    }
}
