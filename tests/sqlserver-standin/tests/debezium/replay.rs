//! What a table's topic says the table is.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::topics::Record;

/// The rows by the numbers of their key `id`, as they are after all records.
pub(crate) fn replay(records: &[Record]) -> BTreeMap<i64, Value> {
    let mut rows = BTreeMap::new();
    for record in records.iter().filter(|record| !record.value.is_null()) {
        let id = record.key["id"].as_i64().expect("a key id");
        match record.op() {
            "d" => {
                rows.remove(&id);
            }
            "c" | "r" | "u" => {
                rows.insert(id, record.value["after"].clone());
            }
            other => panic!("an operation {other}"),
        }
    }
    rows
}
