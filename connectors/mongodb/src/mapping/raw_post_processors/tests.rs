#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use mongodb::bson::Document;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tributary_api::{Datum, Origin, Props};

use super::*;
use crate::config::{Settings, definition};
use crate::mapping::Kind;

fn document(random: &mut StdRng, depth: u32) -> Document {
    let names = ["_id", "a", "b", "c", "time", "CREATE_TIME", "topic-partition-offset", "a.b", ""];
    let mut document = Document::new();
    for _ in 0..random.random_range(0..7) {
        document.insert(names[random.random_range(0..names.len())], value(random, depth));
    }
    document
}

fn value(random: &mut StdRng, depth: u32) -> Bson {
    match random.random_range(0..if depth > 3 { 5 } else { 9 }) {
        0 | 1 => Bson::Null,
        2 => Bson::Int64(1_577_059_200_123),
        3 => "2019-12-23T00:00:00Z".into(),
        4 => true.into(),
        5..=6 => document(random, depth + 1).into(),
        _ => Bson::Array((0..random.random_range(0..4)).map(|_| value(random, depth + 1)).collect()),
    }
}

fn chain(given: &[(&str, &str)]) -> Chain {
    let mut props = Props::from([("database", "shop"), ("topics", "t")].map(|(a, b)| (a.into(), b.into())));
    let package = "com.mongodb.kafka.connect.sink.processor";
    props.extend(given.iter().map(|(name, value)| ((*name).to_owned(), value.replace("@", package))));
    let settings = Settings::new(&definition().parse(&props).unwrap()).unwrap();
    let topic = settings.topic("t").unwrap();
    let Kind::Documents { chain, .. } = topic.rules.kind else { panic!("no documents") };
    chain
}

fn through(chain: &Chain, document: &Document, quick: bool) -> Result<Document, String> {
    let (mut key, mut value, mut scratch, mut spare, mut id) = Default::default();
    let mut record = Record::new("t", Datum::schemaless("{}")).with_key(Datum::schemaless(r#"{"k": null, "a": 1}"#));
    record.timestamp = Some(7);
    record.timestamp_type = tributary_api::TimestampType::CreateTime;
    record.origin = Origin::Kafka { topic: Arc::clone(&record.topic), partition: 0, offset: 7 };
    let mut key = KeyDocument::new(&record.key, &mut key);
    Encoder::load(&mut value, document).unwrap();
    let mut buffers = MappingBuffers { value: &mut value, scratch: &mut scratch, spare: &mut spare, id: &mut id };
    let done = match quick {
        true => run(chain, &record, &mut key, &mut buffers),
        false => chain.apply_apart(&record, &mut key, &mut buffers),
    };
    done.map_err(|error| error.to_string())?;
    // Where the id is said to be it must be.
    let raw = value.document().unwrap();
    let id = value.id().map(|span| raw.as_bytes()[span.start + 1..span.start + 5].to_vec());
    assert_eq!(id, raw.get("_id").unwrap().map(|_| b"_id\0".to_vec()));
    Ok(Document::try_from(raw).unwrap())
}

#[test]
fn passes_do_what_the_steps_do_with_documents_taken_apart() {
    let steps = |names: &str| {
        let all: Vec<String> = names.split(',').map(|name| format!("@.{name}")).collect();
        all.join(",")
    };
    let id = |name: &str| format!("@.id.strategy.{name}");
    let series = [("timeseries.timefield", "time"), ("timeseries.timefield.auto.convert", "true")];
    let mapping = r#"[{"oldName":"value.a","newName":"b"},{"oldName":"value.b","newName":"z"},
        {"oldName":"value.z.c","newName":"d"},{"oldName":"value.c.a","newName":"c"},{"oldName":"value._id","newName":"c"}]"#;
    for (chained, more) in [
        (steps("NullFieldValueRemover"), vec![]),
        (steps("NullFieldValueRemover"), vec![("document.id.strategy", id("FullKeyStrategy"))]),
        (
            steps("KafkaMetaAdder,DocumentIdAdder,NullFieldValueRemover"),
            vec![
                ("document.id.strategy", id("ProvidedInKeyStrategy")),
                ("document.id.strategy.overwrite.existing", "true".to_owned()),
            ],
        ),
        (steps("KafkaMetaAdder"), vec![("document.id.strategy", id("KafkaMetaDataStrategy"))]),
        (steps("AllowListValueProjector"), vec![("value.projection.list", "a,b.a.**,c.*,_id,t*".to_owned())]),
        (steps("AllowListValueProjector"), vec![("value.projection.list", "a.b,*.c".to_owned())]),
        (steps("AllowListValueProjector"), vec![("value.projection.list", "**".to_owned())]),
        (steps("BlockListValueProjector"), vec![("value.projection.list", "a.b,b.a,c,b.c.a,a.b".to_owned())]),
        (
            steps("BlockListValueProjector,field.renaming.RenameByMapping"),
            vec![("value.projection.list", "b.a".to_owned()), ("field.renamer.mapping", mapping.to_owned())],
        ),
        (steps("NullFieldValueRemover"), series.map(|(name, value)| (name, value.to_owned())).to_vec()),
    ] {
        let kind = if chained.contains("Allow") { "AllowList" } else { "BlockList" };
        let mut props = vec![("post.processor.chain", chained.as_str())];
        props.extend(chained.contains("Projector").then_some(("value.projection.type", kind)));
        props.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
        let mut chain = chain(&props);
        assert!(chain.quick, "{props:?}");
        // Ids made by chance are never the same twice.
        if matches!(chain.ids, super::super::ids::IdStrategy::BsonOid) {
            chain.steps.retain(|step| !matches!(step, Processor::AddId));
        }
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..500 {
            let document = document(&mut random, 0);
            let (quick, apart) = (through(&chain, &document, true), through(&chain, &document, false));
            assert_eq!(quick, apart, "{document} by {props:?}");
        }
    }
}

#[test]
fn post_processors_that_use_a_changed_key_need_parsed_documents() {
    let full = ("document.id.strategy", "@.id.strategy.FullKeyStrategy");
    let key = ("key.projection.type", "BlockList");
    for props in [
        vec![("post.processor.chain", "@.BlockListKeyProjector"), key, ("key.projection.list", "a")],
        vec![
            ("post.processor.chain", "@.BlockListValueProjector"),
            ("value.projection.type", "BlockList"),
            ("value.projection.list", "a*"),
        ],
        vec![
            ("post.processor.chain", "@.field.renaming.RenameByMapping"),
            ("field.renamer.mapping", r#"[{"oldName":"key.a","newName":"b"}]"#),
        ],
        vec![
            full,
            ("post.processor.chain", "@.NullFieldValueRemover"),
            ("writemodel.strategy", "com.mongodb.kafka.connect.sink.writemodel.strategy.DeleteOneDefaultStrategy"),
        ],
    ] {
        assert!(!chain(&props).quick, "{props:?}");
    }
}
