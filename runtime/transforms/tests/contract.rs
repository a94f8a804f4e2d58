//! The promises of the plugin contract, kept by each transform.
#![allow(clippy::unwrap_used)]

use tributary_api::{Datum, Plugin, PluginKind, Props, Record, Schema, SchemaType, Struct, Value, json};
use tributary_testkit::battery::{self, TransformationSubject};

/// A transform with its configuration; the records are the same for all.
struct Subject(Plugin, &'static [(&'static str, &'static str)]);

fn row() -> Datum {
    let schema = Schema::structure([("x", Schema::new(SchemaType::Int32).into_ref())]).named("Row").into_ref();
    Datum::new(schema.clone(), Struct::new(schema, vec![Value::Int32(1)]).unwrap())
}

impl TransformationSubject for Subject {
    fn plugin(&self) -> Plugin {
        self.0.clone()
    }

    fn props(&self) -> Props {
        self.1.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn records(&self) -> Vec<Record> {
        let map = || Datum::schemaless(json::from_slice(br#"{"x":1}"#).unwrap());
        let data = match self.0.description.class.contains("FromJson") {
            true => vec![Datum::schemaless(r#"{"x":1}"#), Datum::NULL],
            false => vec![map(), row()],
        };
        data.into_iter().map(|datum| Record::new("orders", datum.clone()).with_key(datum).at(1_000)).collect()
    }
}

/// The configuration of each class.
fn props(class: &str) -> &'static [(&'static str, &'static str)] {
    let simple = class.rsplit('.').next().unwrap().split('$').next().unwrap();
    match simple {
        "ExtractField" | "HoistField" => &[("field", "x")],
        "InsertField" => &[("topic.field", "topic"), ("static.field", "who"), ("static.value", "me")],
        "RegexRouter" => &[("regex", "(.*)"), ("replacement", "new-$1")],
        "ReplaceField" => &[("renames", "x:y")],
        "ValueToKey" => &[("fields", "x")],
        "FromJson" => &[],
        other => panic!("{other} is new: give it a configuration"),
    }
}

#[test]
fn each_transform_keeps_the_contract() {
    let all = tributary_transforms::plugins().into_iter();
    let transforms = all.filter(|plugin| plugin.description.kind == PluginKind::Transformation);
    for plugin in transforms {
        let class = plugin.description.class.clone();
        assert_eq!(battery::transformation(&Subject(plugin, props(&class))), [], "{class}");
    }
}
