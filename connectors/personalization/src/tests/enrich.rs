use bytes::Bytes;
use tributary_api::{Datum, Error, Props, Record, Records, TransformContext, Value};

use super::host::{Memory, make, value};

fn run(class: &str, props: &[(&str, &str)], host: &mut Memory, input: Value) -> Result<Records, Error> {
    let props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Props>();
    let mut transform = make(class, &props)?;
    transform.apply(Record::new("t", Datum::schemaless(input)), &mut TransformContext::stateful(0, host))
}

fn one(records: Records) -> Record {
    match records {
        Records::One(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn profile_is_joined_or_null() {
    let mut host = Memory::default();
    host.table.insert(Bytes::from("c1"), Datum::schemaless(value(r#"{"tier":"gold"}"#)));
    for (click, tier) in [
        (r#"{"customer_id":"c1"}"#, Some("gold")),
        (r#"{"customer_id":"c2"}"#, None),
        (r#"{"person_id":"anon:1"}"#, None),
    ] {
        let record = one(run("tributary.Enrich", &[], &mut host, value(click)).unwrap());
        assert_eq!(record.value.value.path("profile.tier").and_then(Value::as_str), tier);
        assert!(record.value.value.get("profile").is_some());
    }
    let error = run("tributary.Enrich", &[], &mut host, Value::string("text")).unwrap_err();
    assert!(error.to_string().contains("JSON object"), "{error}");
}

#[test]
fn enrich_needs_a_host_with_tables() {
    let mut transform = make("tributary.Enrich", &Props::new()).unwrap();
    let record = Record::new("t", Datum::schemaless(value(r#"{"customer_id":"c1"}"#)));
    let error = transform.apply(record, &mut TransformContext::stateless(0)).unwrap_err();
    assert!(error.to_string().contains("tributary.StreamProcessor"), "{error}");
}
