//! The records of the schema change topic.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use serde_json::Value;
use tributary_tests::consume_all;

use super::masks::masked;
use super::sides::{Side, Sides};

/// By the keys of the records, which name the database.
type ByDatabase<T> = BTreeMap<String, Vec<T>>;

struct Structure {
    text: String,
    alteration: Option<String>,
}

impl Sides {
    /// The structures that Debezium has sent, and ours.
    ///
    /// Debezium's defect: an alteration whose entry in the schema history is written when it is stopped, and whose record is not
    /// yet sent, is never sent. Such a record of ours is left out.
    pub(super) async fn structures(&self) -> Result<[ByDatabase<String>; 2]> {
        let (java, mut ours) = (self.sent(&self.java).await?, self.sent(&self.ours).await?);
        let in_history = self.altered_in_history(&self.java).await?;
        for (database, ours) in &mut ours {
            let java = java.get(database).map(Vec::as_slice).unwrap_or_default();
            ours.retain(|ours| {
                let unsent = ours.alteration.as_ref().is_some_and(|altered| in_history.contains(altered));
                !unsent || java.iter().any(|java| java.alteration == ours.alteration)
            });
        }
        let texts = |all: ByDatabase<Structure>| {
            let texts = |of: Vec<Structure>| of.into_iter().map(|structure| structure.text).collect();
            all.into_iter().map(|(database, of)| (database, texts(of))).collect()
        };
        Ok([texts(java), texts(ours)])
    }

    /// A connector that was stopped in the midst repeats an alteration that it had not yet stored as written.
    async fn sent(&self, side: &Side) -> Result<ByDatabase<Structure>> {
        let mut by_key = ByDatabase::<Structure>::new();
        for message in consume_all(&self.kafka.bootstrap(), &side.name, false).await? {
            let key = message.key_text().replace(&side.name, "NAME");
            let text = masked(&message, &side.name).text;
            let value: Value = serde_json::from_str(&message.text())?;
            let alteration = alteration(value.get("payload").unwrap_or(&value));
            let of_database = by_key.entry(key).or_default();
            if alteration.is_none() || !of_database.iter().any(|known| known.text == text) {
                of_database.push(Structure { text, alteration });
            }
        }
        Ok(by_key)
    }

    async fn altered_in_history(&self, side: &Side) -> Result<HashSet<String>> {
        let messages = consume_all(&self.kafka.bootstrap(), &side.history(), false).await?;
        let entries = messages.iter().filter_map(|message| serde_json::from_str(&message.text()).ok());
        Ok(entries.filter_map(|entry: Value| alteration(&entry)).collect())
    }
}

/// Which columns which table has been given, if that is what a record or an entry of the history says.
fn alteration(json: &Value) -> Option<String> {
    let change = &json["tableChanges"][0];
    let columns: Vec<_> = change["table"]["columns"].as_array()?.iter().map(|column| &column["name"]).collect();
    (change["type"] == "ALTER").then(|| format!("{} {columns:?}", change["id"]))
}
