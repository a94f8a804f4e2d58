//! The promises of the plugin contract, kept by each converter.
#![allow(clippy::unwrap_used)]

use tributary_api::{Bytes, Datum, Plugin, PluginKind, Schema, SchemaType, Struct, Value};
use tributary_testkit::battery::{self, ConverterSubject};

struct Subject(Plugin);

impl ConverterSubject for Subject {
    fn plugin(&self) -> Plugin {
        self.0.clone()
    }

    fn data(&self) -> Vec<Datum> {
        let optional = |kind: SchemaType| Schema::new(kind).optional().into_ref();
        let of = |kind: SchemaType, value: Value| vec![Datum::new(optional(kind), value)];
        let simple = self.0.description.class.rsplit('.').next().unwrap();
        match simple {
            "ByteArrayConverter" => of(SchemaType::Bytes, Value::Bytes(Bytes::from_static(&[0, 0xff]))),
            "StringConverter" => of(SchemaType::String, Value::string("na\u{ef}ve")),
            "BooleanConverter" => of(SchemaType::Boolean, Value::Boolean(true)),
            "ShortConverter" => of(SchemaType::Int16, Value::Int16(-3)),
            "IntegerConverter" => of(SchemaType::Int32, Value::Int32(-3)),
            "LongConverter" => of(SchemaType::Int64, Value::Int64(i64::MIN)),
            "FloatConverter" => of(SchemaType::Float32, Value::Float32(1.5)),
            "DoubleConverter" => of(SchemaType::Float64, Value::Float64(-1.5)),
            "JsonConverter" => {
                let fields =
                    [("id", Schema::new(SchemaType::Int64).into_ref()), ("note", optional(SchemaType::String))];
                let schema = Schema::structure(fields).named("Row").into_ref();
                let row = Struct::new(schema.clone(), vec![Value::Int64(1), Value::Null]).unwrap();
                vec![Datum::new(schema, row)]
            }
            "SimpleHeaderConverter" => {
                vec![Datum::new(Schema::new(SchemaType::String).into_ref(), Value::string("text"))]
            }
            other => panic!("{other} is new: give it data"),
        }
    }
}

#[test]
fn each_converter_keeps_the_contract() {
    let is_converter = |kind| matches!(kind, PluginKind::Converter | PluginKind::HeaderConverter);
    for plugin in tributary_converters::plugins().into_iter().filter(|plugin| is_converter(plugin.description.kind)) {
        let what = format!("{:?} {}", plugin.description.kind, plugin.description.class);
        assert_eq!(battery::converter(&Subject(plugin)), [], "{what}");
    }
}
