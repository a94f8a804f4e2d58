//! Compares the transforms with recordings of Apache Kafka 4.3.1's own; see `golden/RecordTransforms.java`.
#![allow(clippy::unwrap_used)]

#[path = "../../converters/tests/describe/mod.rs"]
#[allow(dead_code)]
mod describe;

use tributary_api::{
    Datum, Factory, PluginRegistry, Props, Record, Result, Schema, SchemaType, Struct, TransformContext, Value,
};

/// Cases whose results differ on purpose: class, settings, value.
const DIFFERENT: &[(&str, &str, &str)] = &[
    // Java looks for the old name in records that do not have it.
    ("ReplaceField$Value", "renames=:b", "struct"),
    ("ReplaceField$Value", "renames=x:a", "struct"),
    // Java's message ends with the address of an object.
    ("InsertField$Value", "static.field=c", ""),
    // Java reports a second error for a missing list.
    ("ValueToKey", "", ""),
];

#[test]
fn transforms_do_what_kafkas_do() {
    let (mut failures, mut compared) = (Vec::new(), 0);
    for line in include_str!("golden/recorded.tsv").lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [operation, class, settings, value, recorded] = parts[..] else { panic!("bad line {line}") };
        if DIFFERENT.iter().any(|(of, with, on)| class == *of && settings == *with && value.contains(on)) {
            continue;
        }
        compared += 1;
        let props: Props = settings.split(';').filter_map(|pair| pair.split_once('=')).map(owned).collect();
        let found = run(operation, class, &props, value);
        let found = found.unwrap_or_else(|error| format!("error {}", error.chain().next().unwrap()));
        if found != recorded {
            failures.push(format!("{operation} {class} [{settings}] {value}\n  kafka {recorded}\n  ours  {found}"));
        }
    }
    assert!(failures.is_empty(), "{} of {compared} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(compared > 400, "only {compared} cases were compared");
}

fn run(operation: &str, class: &str, props: &Props, value: &str) -> Result<String> {
    let registry = PluginRegistry::new(tributary_transforms::plugins()).unwrap();
    let plugin = registry.find(&format!("org.apache.kafka.connect.transforms.{class}"), |_| true)?;
    let definition = &plugin.description.config;
    if operation == "validate" {
        let errors: Vec<String> = definition.validate(props).into_iter().flat_map(|value| value.errors).collect();
        return Ok(errors.join(" "));
    }
    let config = definition.parse(props)?;
    match &plugin.factory {
        Factory::Predicate(make) => make(&config)?.test(&record(value)).map(|holds| holds.to_string()),
        Factory::Transformation(make) => {
            let made = make(&config)?.apply(record(value), &mut TransformContext::stateless(0))?;
            let made = made.into_iter().next().unwrap();
            let [key, value] = [&made.key, &made.value].map(describe::datum);
            Ok(format!("{} | {key} | {value}", made.topic))
        }
        _ => panic!("neither a transform nor a predicate"),
    }
}

fn record(name: &str) -> Record {
    let default = Schema::new(SchemaType::String).optional().with_default("d");
    let fields = [("a", Schema::new(SchemaType::Int32).into_ref()), ("b", default.into_ref())];
    let both = Schema::structure(fields).named("n").with_version(2).into_ref();
    let structure = |b| Datum::new(both.clone(), Struct::new(both.clone(), vec![Value::Int32(1), b]).unwrap());
    let nothing = Schema::new(SchemaType::Struct).optional().into_ref();
    let text = || Value::string("x");
    let value = match name {
        "struct" => structure(text()),
        "struct-null" => structure(Value::Null),
        "null-struct" => Datum::new(nothing, Value::Null),
        "map" => Datum::schemaless(Value::map([("a", Value::Int64(1)), ("b", text())])),
        "nested" => Datum::schemaless(Value::map([("c", Value::map([("d", Value::Int64(1))]))])),
        "empty" => Datum::schemaless(Value::Map(Vec::new())),
        "text" => Datum::new(Schema::new(SchemaType::String).into_ref(), text()),
        "plain-text" => Datum::schemaless(text()),
        _ => Datum::NULL,
    };
    let key = Datum::new(Schema::new(SchemaType::String).into_ref(), Value::string("k"));
    Record::new("t", value).with_key(key).at(1_700).consumed_at(3, 42)
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
