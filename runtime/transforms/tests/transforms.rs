//! Each transform and predicate, made from properties as the runtime makes it.
#![allow(clippy::unwrap_used)]

use tributary_api::{
    Datum, Factory, Header, Origin, PluginRegistry, Predicate, Props, Record, Records, Result, Schema, SchemaRef,
    SchemaType, Struct, Topic, TransformContext, Transformation, Value, json,
};

fn props(pairs: &[(&str, &str)]) -> Props {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn make(class: &str, pairs: &[(&str, &str)]) -> Result<Box<dyn Transformation>> {
    let registry = PluginRegistry::new(tributary_transforms::plugins()).unwrap();
    let plugin = registry.find(class, |_| true)?;
    let Factory::Transformation(make) = &plugin.factory else { panic!("not a transform") };
    make(&plugin.description.config.parse(&props(pairs))?)
}

fn predicate(class: &str, pairs: &[(&str, &str)]) -> Box<dyn Predicate> {
    let registry = PluginRegistry::new(tributary_transforms::plugins()).unwrap();
    let plugin = registry.find(class, |_| true).unwrap();
    let Factory::Predicate(make) = &plugin.factory else { panic!("not a predicate") };
    make(&plugin.description.config.parse(&props(pairs)).unwrap()).unwrap()
}

fn apply_to(transform: &mut dyn Transformation, record: Record) -> Result<Record> {
    match transform.apply(record, &mut TransformContext::stateless(0))? {
        Records::One(record) => Ok(record),
        other => panic!("expected one record, found {other:?}"),
    }
}

fn apply(class: &str, pairs: &[(&str, &str)], record: Record) -> Result<Record> {
    apply_to(&mut *make(class, pairs)?, record)
}

fn map(text: &str) -> Datum {
    Datum::schemaless(json::from_slice(text.as_bytes()).unwrap())
}

fn shown(datum: &Datum) -> String {
    String::from_utf8(json::to_vec(&datum.value).unwrap()).unwrap()
}

fn message<T>(result: Result<T>) -> String {
    result.err().unwrap().to_string()
}

fn string(default: Option<&str>) -> SchemaRef {
    let schema = Schema::new(SchemaType::String).optional();
    default.map_or_else(|| schema.clone(), |default| schema.clone().with_default(default)).into_ref()
}

/// A struct with the text fields a and b; b has a default.
fn structure(a: &str) -> Datum {
    let schema = Schema::structure([("a", string(None)), ("b", string(Some("default")))]).named("Named").into_ref();
    Datum::new(schema.clone(), Struct::new(schema, vec![a.into(), Value::Null]).unwrap())
}

fn consumed() -> Record {
    let mut record = Record::new("t", map(r#"{"x":1}"#)).at(1000);
    record.origin = Origin::Kafka { topic: "t".into(), partition: 3, offset: 42 };
    record
}

#[test]
fn insert_field_adds_to_a_map() {
    let config = [
        ("topic.field", "topic"),
        ("partition.field", "partition!"),
        ("offset.field", "offset?"),
        ("timestamp.field", "time"),
        ("static.field", "who"),
        ("static.value", "me"),
    ];
    let record = apply("InsertField$Value", &config, consumed()).unwrap();
    assert_eq!(shown(&record.value), r#"{"x":1,"topic":"t","partition":3,"offset":42,"time":1000,"who":"me"}"#);
}

#[test]
fn insert_field_adds_to_a_struct_and_its_schema() {
    let config =
        [("topic.field", "topic!"), ("timestamp.field", "time"), ("static.field", "c"), ("static.value", "new")];
    let mut transform = make("InsertField$Value", &config).unwrap();
    let value = structure("old");
    let record = apply_to(&mut *transform, Record::new("t", value.clone()).at(1000)).unwrap();
    assert_eq!(shown(&record.value), r#"{"a":"old","b":"default","topic":"t","time":1000,"c":"new"}"#);
    let schema = record.value.schema.unwrap();
    assert_eq!(schema.name.as_deref(), Some("Named"));
    let topic = &schema.fields[2].schema;
    assert_eq!((topic.kind, topic.optional), (SchemaType::String, false));
    let time = &schema.fields[3].schema;
    assert_eq!((time.name.as_deref(), time.optional), (Some(Schema::TIMESTAMP), true));
    // The schema is made once.
    let again = apply_to(&mut *transform, Record::new("t", value)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&again.value.schema.unwrap(), &schema));
}

#[test]
fn insert_field_passes_null_and_refuses_the_rest() {
    let config = [("topic.field", "topic")];
    let tombstone = Record::new("t", Datum::NULL);
    assert_eq!(apply("InsertField$Value", &config, tombstone.clone()).unwrap(), tombstone);
    assert_eq!(
        message(apply("InsertField$Value", &config, Record::new("t", Datum::schemaless("text")))),
        "Only Map objects supported in absence of schema for [field insertion], found: java.lang.String"
    );
    assert!(
        message(apply("InsertField$Value", &[("offset.field", "o")], Record::new("t", map("{}")))).contains("sink")
    );
    assert_eq!(message(make("InsertField$Key", &[])), "No field insertion configured");
    assert!(message(make("InsertField$Key", &[("static.field", "f")])).contains("static.value"));
}

#[test]
fn insert_field_works_on_keys() {
    let record = consumed().with_key(map("{}"));
    let record = apply("InsertField$Key", &[("topic.field", "topic")], record).unwrap();
    assert_eq!((shown(&record.key), shown(&record.value)), (r#"{"topic":"t"}"#.into(), r#"{"x":1}"#.into()));
}

#[test]
fn replace_field_filters_and_renames_a_map() {
    let record = || Record::new("t", map(r#"{"a":1,"b":2,"c":3}"#));
    let replaced = |config: &[(&str, &str)]| shown(&apply("ReplaceField$Value", config, record()).unwrap().value);
    assert_eq!(replaced(&[("exclude", "a, c")]), r#"{"b":2}"#);
    assert_eq!(replaced(&[("include", "a,b"), ("exclude", "a")]), r#"{"b":2}"#);
    assert_eq!(replaced(&[("renames", "a:x,b:y")]), r#"{"x":1,"y":2,"c":3}"#);
    assert_eq!(replaced(&[("renames", "a:b")]), r#"{"b":2,"c":3}"#);
    assert!(message(make("ReplaceField$Value", &[("renames", "a")])).ends_with("Invalid rename mapping: a"));
    assert!(message(make("ReplaceField$Value", &[("renames", "a:b:c")])).contains("Invalid rename mapping"));
}

#[test]
fn replace_field_filters_and_renames_a_struct() {
    let record = Record::new("t", structure("x"));
    let kept = apply("ReplaceField$Value", &[("include", "b"), ("renames", "b:z")], record.clone()).unwrap();
    assert_eq!(shown(&kept.value), r#"{"z":"default"}"#);
    assert_eq!(kept.value.schema.unwrap().fields.len(), 1);
    let config = [("include", "b"), ("replace.null.with.default", "false")];
    assert_eq!(shown(&apply("ReplaceField$Value", &config, record.clone()).unwrap().value), r#"{"b":null}"#);
    assert!(message(apply("ReplaceField$Value", &[("renames", "a:b")], record)).contains("duplication b"));
}

#[test]
fn regex_router_renames_topics_that_match_as_a_whole() {
    let mut router = make("RegexRouter", &[("regex", "raw-(.*)"), ("replacement", "clean-$1")]).unwrap();
    let mut route = |topic: &Topic| apply_to(&mut *router, Record::new(topic.clone(), Datum::NULL)).unwrap().topic;
    let [raw, other] = ["raw-a", "x-raw-a"].map(Topic::from);
    for _ in 0..2 {
        assert_eq!((&*route(&raw), &*route(&other)), ("clean-a", "x-raw-a"));
    }
    assert!(std::sync::Arc::ptr_eq(&route(&raw), &route(&raw)), "the same topic is the same object");
    assert!(make("RegexRouter", &[("regex", "("), ("replacement", "x")]).is_err());
}

#[test]
fn value_to_key_takes_fields_of_the_value() {
    let record = apply("ValueToKey", &[("fields", "b,a,none")], Record::new("t", map(r#"{"a":1,"b":2}"#))).unwrap();
    assert_eq!(shown(&record.key), r#"{"b":2,"a":1,"none":null}"#);
    let record = apply("ValueToKey", &[("fields", "b")], Record::new("t", structure("x"))).unwrap();
    assert_eq!(shown(&record.key), r#"{"b":"default"}"#);
    assert_eq!(record.key.schema.unwrap().fields[0].name, "b");
    let missing = apply("ValueToKey", &[("fields", "none")], Record::new("t", structure("x")));
    assert_eq!(message(missing), "Field does not exist: none");
    assert!(message(make("ValueToKey", &[("fields", "")])).contains("must not be empty"));
}

#[test]
fn replace_field_renames_to_a_name_that_is_there() {
    let apply = |renames: &str, value: &str| {
        let record = apply("ReplaceField$Value", &[("renames", renames)], Record::new("t", map(value))).unwrap();
        shown(&record.value)
    };
    assert_eq!(apply("a:b", r#"{"a":1,"x":2,"b":3}"#), r#"{"b":3,"x":2}"#);
    assert_eq!(apply("a:b", r#"{"b":1,"x":2,"a":3}"#), r#"{"b":3,"x":2}"#);
    assert_eq!(apply("a:c,b:c", r#"{"a":1,"b":2,"c":3,"d":4}"#), r#"{"c":3,"d":4}"#);
    assert_eq!(apply("a:b,b:a", r#"{"a":1,"b":2}"#), r#"{"b":1,"a":2}"#);
}

#[test]
fn extract_field_puts_a_field_in_the_place_of_the_whole() {
    let key = |json: &str| Record::new("t", Datum::NULL).with_key(map(json));
    let extracted = |config: &[(&str, &str)], json| shown(&apply("ExtractField$Key", config, key(json)).unwrap().key);
    assert_eq!(extracted(&[("field", "id")], r#"{"id":7}"#), "7");
    assert_eq!(extracted(&[("field", "id")], r#"{}"#), "null");
    assert_eq!(extracted(&[("field", "a.b")], r#"{"a":{"b":1},"a.b":2}"#), "2");
    assert_eq!(extracted(&[("field", "a.b"), ("field.syntax.version", "V2")], r#"{"a":{"b":1}}"#), "1");
    assert_eq!(extracted(&[("field", "`a.b`"), ("field.syntax.version", "V2")], r#"{"a.b":2}"#), "2");
    let record = apply("ExtractField$Value", &[("field", "b")], Record::new("t", structure("x"))).unwrap();
    assert_eq!((shown(&record.value), record.value.schema.unwrap().kind), (r#""default""#.into(), SchemaType::String));
    let unknown = apply("ExtractField$Value", &[("field", "z")], Record::new("t", structure("x")));
    assert_eq!(message(unknown), "Unknown field: z");
}

#[test]
fn hoist_field_makes_the_whole_a_field() {
    let hoisted = |record: Record| apply("HoistField$Key", &[("field", "_id")], record).unwrap();
    let text = Datum::new(Schema::new(SchemaType::String).into_ref(), "c-1");
    let key = hoisted(Record::new("t", Datum::NULL).with_key(text)).key;
    assert_eq!(key.value.get("_id").and_then(Value::as_str), Some("c-1"));
    let schema = key.schema.unwrap();
    assert_eq!(
        (schema.kind, &schema.fields[0].name[..], schema.fields[0].schema.kind),
        (SchemaType::Struct, "_id", SchemaType::String)
    );
    assert_eq!(shown(&hoisted(Record::new("t", Datum::NULL).with_key(map("[1]"))).key), r#"{"_id":[1]}"#);
    assert_eq!(shown(&hoisted(Record::new("t", Datum::NULL)).key), r#"{"_id":null}"#);
}

#[test]
fn lines_of_json_get_a_key() {
    let line = Datum::new(Schema::new(SchemaType::String).into_ref(), r#"{"id":"c-1","name":"Ada"}"#);
    let mut record = Record::new("customers", line);
    for (class, config) in [
        ("tributary.transforms.FromJson$Value", &[] as &[_]),
        ("org.apache.kafka.connect.transforms.ValueToKey", &[("fields", "id")]),
        ("org.apache.kafka.connect.transforms.ExtractField$Key", &[("field", "id")]),
    ] {
        record = apply(class, config, record).unwrap();
    }
    assert_eq!(record.key.value.as_str(), Some("c-1"));
    assert_eq!(record.value.value.get("name").and_then(Value::as_str), Some("Ada"));
    assert!(record.value.schema.is_none());
}

#[test]
fn from_json_reads_bytes_passes_null_and_refuses_what_is_no_json() {
    let read = |datum| apply("FromJson$Value", &[], Record::new("t", datum));
    assert_eq!(read(Datum::schemaless(bytes(b"[1]"))).unwrap().value, map("[1]"));
    assert_eq!(read(Datum::NULL).unwrap().value, Datum::NULL);
    assert!(message(read(Datum::schemaless("{"))).contains("JSON"));
    assert!(message(read(Datum::schemaless(5_i64))).contains("java.lang.Long"));
}

fn bytes(bytes: &'static [u8]) -> Value {
    Value::Bytes(bytes.into())
}

#[test]
fn predicates_judge_records() {
    let mut record = Record::new("orders", Datum::schemaless("x"));
    let mut matches = predicate("TopicNameMatches", &[("pattern", "order.*")]);
    let mut partly = predicate("TopicNameMatches", &[("pattern", "order")]);
    let mut header = predicate("HasHeaderKey", &[("name", "trace")]);
    let mut tombstone = predicate("RecordIsTombstone", &[]);
    let mut test = |record: &Record| {
        [&mut matches, &mut partly, &mut header, &mut tombstone].map(|predicate| predicate.test(record).unwrap())
    };
    assert_eq!(test(&record), [true, false, false, false]);
    assert_eq!(test(&record), [true, false, false, false]);
    record.headers = [Header::new("trace", Datum::NULL)].into_iter().collect();
    record.value = Datum::NULL;
    assert_eq!(test(&record), [true, false, true, true]);
}

#[test]
fn every_plugin_is_described() {
    for plugin in tributary_transforms::plugins() {
        let description = &plugin.description;
        assert!(!description.doc.is_empty(), "{} has no documentation", description.class);
        assert!(description.config.keys().all(|key| !key.documentation.is_empty()), "{}", description.class);
    }
}
