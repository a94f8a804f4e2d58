//! Compares every class of the reference connector with the output of its own code (`tests/golden`).
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mongodb::bson::{Bson, Document, doc};
use tributary_api::{
    ConverterOptions, Datum, DecodeContext, ErrorKind, Factory, Origin, Plugin, Props, Record, TimestampType,
};

use crate::config::{Settings, definition};
use crate::mapping::{Encoder, Mapper, json};
use crate::model::WriteModel;

fn read(file: &str) -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    let mut encoder = Encoder::default();
    json::read(&format!("{{file: {}}}", std::fs::read_to_string(path).unwrap()), &mut encoder).unwrap();
    Document::try_from(encoder.document().unwrap()).unwrap()
}

fn json_converter() -> Plugin {
    let is_json = |plugin: &Plugin| plugin.description.class.ends_with(".JsonConverter");
    tributary_converters::plugins().into_iter().find(is_json).unwrap()
}

fn datum(part: &Bson) -> Datum {
    let Some(part) = part.as_document() else { return Datum::NULL };
    let text = part.get_str("text").unwrap();
    match part.get_str("format").unwrap() {
        "string" => Datum::schemaless(text),
        "bson" => {
            let digits: Vec<char> = text.chars().collect();
            let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
            Datum::schemaless(Bytes::from(digits.chunks(2).map(byte).collect::<Vec<u8>>()))
        }
        format => {
            let plugin = json_converter();
            let props = Props::from([("schemas.enable".to_owned(), (format == "schema").to_string())]);
            let Factory::Converter(make) = &plugin.factory else { panic!("no converter") };
            let mut converter =
                make(&plugin.description.config.parse(&props).unwrap(), ConverterOptions::VALUE).unwrap();
            converter.to_connect_data(&DecodeContext::new("orders", &[]), Some(Bytes::from(text.to_owned()))).unwrap()
        }
    }
}

fn record(described: &Document) -> Record {
    let topic: Arc<str> = described.get_str("topic").unwrap().into();
    let number =
        |name: &str| described.get(name).and_then(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from)));
    let mut record = Record::new(Arc::clone(&topic), datum(described.get("value").unwrap()));
    record.key = datum(described.get("key").unwrap());
    record.timestamp = number("timestamp");
    record.timestamp_type = if record.timestamp.is_some() { TimestampType::CreateTime } else { TimestampType::None };
    let partition = i32::try_from(number("partition").unwrap()).unwrap();
    record.origin = Origin::Kafka { topic, partition, offset: number("offset").unwrap() };
    record
}

fn outcome(props: &Document, record: &Record) -> Document {
    let mut all = Props::from(
        [("topics", "orders"), ("database", "db")].map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    all.extend(props.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    let settings = Settings::new(&definition().parse(&all).unwrap()).unwrap();
    match Mapper::new(&Arc::new(settings)).map(record) {
        Ok(None) => doc! {"nothing": true},
        Ok(Some((namespace, model))) => {
            doc! {"namespace": format!("{}.{}", namespace.database, namespace.collection), "model": described(model)}
        }
        Err(error) if error.kind() == ErrorKind::Data => doc! {"error": "DataException", "message": error.to_string()},
        Err(error) => panic!("{error:?}"),
    }
}

fn described(model: WriteModel) -> Document {
    let plain = |document| Document::try_from(document).unwrap();
    match model {
        WriteModel::InsertOne { document } => doc! {"insertOne": plain(document)},
        WriteModel::ReplaceOne { filter, replacement, upsert } => {
            doc! {"replaceOne": plain(filter), "replacement": plain(replacement), "upsert": upsert}
        }
        WriteModel::UpdateOne { filter, update, upsert } => {
            doc! {"updateOne": plain(filter), "update": plain(update), "upsert": upsert}
        }
        WriteModel::DeleteOne { filter } => doc! {"deleteOne": plain(filter)},
    }
}

/// How outcomes of a case are made comparable.
#[derive(Clone, Copy)]
struct Compared {
    random_ids: bool,
    any_order: bool,
}

impl Compared {
    fn normal(self, value: Bson) -> Bson {
        match value {
            Bson::Document(document) => {
                let mut entries: Vec<(String, Bson)> =
                    document.into_iter().map(|(name, value)| self.entry(name, value)).collect();
                entries.sort_by_key(|(name, _)| name != "_id");
                if self.any_order {
                    entries.sort_by(|one, other| one.0.cmp(&other.0));
                }
                Bson::Document(entries.into_iter().collect())
            }
            Bson::Array(items) => Bson::Array(items.into_iter().map(|item| self.normal(item)).collect()),
            other => other,
        }
    }

    fn entry(self, name: String, value: Bson) -> (String, Bson) {
        let value = match (name.as_str(), value) {
            ("_id", Bson::ObjectId(_)) if self.random_ids => Bson::String("an object id".to_owned()),
            ("_id", Bson::Binary(_)) if self.random_ids => Bson::String("binary".to_owned()),
            ("_id", Bson::String(text)) if self.random_ids && text.len() == 36 => Bson::String("a uuid".to_owned()),
            ("_modifiedTS" | "_insertedTS", Bson::DateTime(_)) => Bson::String("now".to_owned()),
            (_, value) => self.normal(value),
        };
        (name, value)
    }
}

#[test]
fn every_class_makes_what_the_reference_makes() {
    let (cases, golden) = (read("cases.json"), read("golden.json"));
    let cases = cases.get_document("file").unwrap();
    let case = |name: &str| {
        let named = |case: &&Document| case.get_str("name").unwrap() == name;
        cases.get_array("cases").unwrap().iter().filter_map(Bson::as_document).find(named).unwrap()
    };
    let mut wrong = Vec::new();
    let lines = golden.get_array("file").unwrap();
    for line in lines.iter().filter_map(Bson::as_document) {
        let (name, named) = (line.get_str("case").unwrap(), line.get_str("record").unwrap());
        let case = case(name);
        let described = cases.get_document("records").unwrap().get_document(named).unwrap();
        let mut expected = line.clone();
        expected.remove("case");
        expected.remove("record");
        // The Java class of an error is not compared.
        if let Some(class) = expected.get_mut("error") {
            *class = "DataException".into();
        }
        let mut found = outcome(case.get_document("props").unwrap(), &record(described));
        let message = found.remove("message");
        let is_json =
            |side: &str| described.get_document(side).is_ok_and(|part| part.get_str("format").unwrap() == "json");
        let compared =
            Compared { random_ids: case.get_bool("random").unwrap(), any_order: is_json("key") || is_json("value") };
        let text = |document: Document| format!("{:?}", compared.normal(Bson::Document(document)));
        let (expected, found) = (text(expected), text(found));
        if expected != found {
            wrong.push(format!("{name} / {named}\n  expected {expected}\n  found    {found} {message:?}"));
        }
    }
    assert!(lines.len() > 480, "{} outcomes", lines.len());
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}
