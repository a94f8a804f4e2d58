//! What the reference connector 2.0.1 does not support or does differently; the rest is in `golden`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use mongodb::bson::{Document, doc};
use tributary_api::{Datum, Props, Record, Result, Value};

use crate::config::{Settings, definition};
use crate::mapping::Mapper;
use crate::model::WriteModel;

fn map(handler: &str, removes_nulls: bool, key: Option<&str>, value: Option<&str>) -> Result<Option<WriteModel>> {
    let class = format!("com.mongodb.kafka.connect.sink.cdc.{handler}");
    let props = [
        ("topics", "t"),
        ("database", "db"),
        ("change.data.capture.handler", &class),
        ("change.data.capture.handler.remove.null.values", if removes_nulls { "true" } else { "false" }),
    ];
    let props: Props = props.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let settings = Arc::new(Settings::new(&definition().parse(&props).unwrap()).unwrap());
    let datum = |text: Option<&str>| text.map_or(Datum::NULL, |text| Datum::schemaless(Value::string(text)));
    let record = Record::new("t", datum(value)).with_key(datum(key));
    Ok(Mapper::new(&settings).map(&record)?.map(|(_, model)| model))
}

/// The replacement or the update.
fn written(model: Option<WriteModel>) -> Document {
    match model.unwrap() {
        WriteModel::ReplaceOne { replacement, .. } => Document::try_from(replacement).unwrap(),
        WriteModel::UpdateOne { update, .. } => Document::try_from(update).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn null_fields_are_left_out_when_configured() {
    let row = r#"{"op": "c", "after": {"id": 1, "n": null, "in": {"n": null, "x": 1}, "list": [null, {"n": null}]}}"#;
    let handler = "debezium.rdbms.RdbmsHandler";
    let written_row = |removes| written(map(handler, removes, Some(r#"{"id": 1}"#), Some(row)).unwrap());
    assert_eq!(written_row(true), doc! {"_id": {"id": 1}, "in": {"x": 1}, "list": [null, {}]});
    assert!(written_row(false).contains_key("n"));
    let update = |set: &str, unset: &str| {
        let event = format!(
            r#"{{"operationType": "update", "documentKey": {{"_id": 1}},
                "updateDescription": {{"updatedFields": {set}, "removedFields": {unset}}}}}"#
        );
        map("mongodb.ChangeStreamHandler", true, None, Some(&event)).unwrap()
    };
    assert_eq!(written(update(r#"{"a": null, "b": 1}"#, "[]")), doc! {"$set": {"b": 1}});
    assert_eq!(written(update(r#"{"a": null}"#, r#"["c"]"#)), doc! {"$unset": {"c": ""}});
    assert_eq!(update(r#"{"a": null}"#, "[]"), None, "nothing is left to write");
}

#[test]
fn tombstones_and_changes_of_schemas_are_passed_over() {
    assert_eq!(map("mongodb.ChangeStreamHandler", false, Some("{}"), None).unwrap(), None);
    let ddl = Some(r#"{"ddl": "CREATE"}"#);
    assert_eq!(map("debezium.mongodb.MongoDbHandler", false, Some(r#"{"id": "1"}"#), ddl).unwrap(), None);
}

#[test]
fn an_update_whose_document_is_deleted_since_is_still_made() {
    let event = r#"{"operationType": "update", "documentKey": {"_id": 1}, "fullDocument": null,
        "updateDescription": {"updatedFields": {"a": 1}, "removedFields": []}}"#;
    let model = map("mongodb.ChangeStreamHandler", false, None, Some(event)).unwrap();
    assert!(matches!(model, Some(WriteModel::UpdateOne { upsert: false, .. })), "{model:?}");
    assert_eq!(written(model), doc! {"$set": {"a": 1}});
}
