#![allow(clippy::unwrap_used)]

use mongodb::bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Document> {
    let mut encoder = Encoder::default();
    super::read(text, &mut encoder)?;
    Ok(Document::try_from(encoder.document().unwrap()).unwrap())
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn an_error_contains_position_and_cause() {
    assert_eq!(refused(r#"{"a": }"#), "not valid JSON: at byte 6 is '}', not a value");
    assert_eq!(refused(r#"{"a" 1}"#), "not valid JSON: at byte 5 is '1', not ':'");
    assert_eq!(refused(r#"{"a": 1"#), "not valid JSON: at byte 7 is its end, not a name");
    assert_eq!(
        refused("{\"a\u{0}\": 1}"),
        "the field name \"a\\0\" contains a zero byte: MongoDB does not accept that"
    );
}

#[test]
fn a_document_too_deep_is_refused() {
    let deep = |levels: usize| format!("{}{}", "{\"a\":".repeat(levels) + "1", "}".repeat(levels));
    assert!(read(&deep(180)).is_ok());
    assert!(refused(&deep(181)).contains("180 levels"));
    assert!(refused(&format!("{{a: {}", "[".repeat(1_000_000))).contains("180 levels"));
}

#[test]
fn a_duplicate_name_counts_once_among_very_many_too() {
    let many: Vec<String> = (0..2000).map(|n| format!("\"n{n}\": {n}")).collect();
    let twice = read(&format!("{{{}, \"n3\": \"last\"}}", many.join(","))).unwrap();
    assert_eq!((twice.len(), twice.get_str("n3").unwrap()), (2000, "last"));
    assert_eq!(twice.keys().nth(3).unwrap(), "n3", "it stays at its first place");
}

#[test]
fn halves_of_surrogate_pairs_become_question_marks() {
    assert_eq!(
        read(r#"{"a": "\ud83d", "b": "\ud83dx", "c": "\ude00\ud83d\ude00"}"#).unwrap(),
        doc! {"a": "?", "b": "?x", "c": "?😀"}
    );
}

fn value() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        Just(Bson::Null),
        any::<bool>().prop_map(Bson::Boolean),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_filter("int64", |n| i32::try_from(*n).is_err()).prop_map(Bson::Int64),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Bson::Double),
        "\\PC*".prop_map(Bson::String),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(mongodb::bson::oid::ObjectId::from_bytes(bytes))),
        any::<i64>().prop_map(|millis| Bson::DateTime(mongodb::bson::DateTime::from_millis(millis))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Bson::Array),
            prop::collection::vec(("[a-zA-Zé \"\\\\.]{0,6}", inner), 0..6)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Canonical extended JSON round-trips.
    #[test]
    fn canonical_json_is_read_as_it_was(fields in prop::collection::vec(("[a-z]{1,3}", value()), 0..8)) {
        let document: Document = fields.into_iter().collect();
        let text = written(&Bson::Document(document.clone()));
        prop_assert_eq!(read(&text).unwrap(), document);
    }

    /// Any text is parsed or refused, without a panic.
    #[test]
    fn any_text_is_read_or_refused(text in "[{}\\[\\]:,a-b0-9\"'$_.eE+-]{0,40}|\\PC{0,40}") {
        let _ = read(&text);
        let _ = read(&format!("{{a: {text}"));
    }
}

fn written(value: &Bson) -> String {
    match value {
        Bson::Document(document) => {
            let fields = document
                .iter()
                .map(|(name, value)| format!("{}: {}", serde_json::to_string(name).unwrap(), written(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Bson::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(",")),
        Bson::String(text) => serde_json::to_string(text).unwrap(),
        Bson::Int64(number) => format!("{{\"$numberLong\": \"{number}\"}}"),
        Bson::Double(number) => format!("{{\"$numberDouble\": \"{number:?}\"}}"),
        Bson::ObjectId(id) => format!("{{\"$oid\": \"{id}\"}}"),
        Bson::DateTime(date) => format!("{{\"$date\": {{\"$numberLong\": \"{}\"}}}}", date.timestamp_millis()),
        Bson::Boolean(value) => value.to_string(),
        Bson::Int32(number) => number.to_string(),
        _ => "null".to_owned(),
    }
}
