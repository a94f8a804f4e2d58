//! The records of both sides, topic by topic.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyhow::{Result, ensure};
use tributary_tests::{Message, consume_all};

use super::masks::{Compared, masked};
use super::sides::{Side, Sides, tables};

/// How many are shown.
const SHOWN: usize = 12;

#[derive(Default)]
pub(super) struct Differences {
    compared: usize,
    found: Vec<String>,
}

impl Differences {
    /// How many records were compared.
    pub(super) fn compared(&self) -> usize {
        self.compared
    }

    pub(super) fn conclude(self) -> Result<()> {
        let Self { compared, found } = self;
        let shown = found[..found.len().min(SHOWN)].join("\n");
        ensure!(found.is_empty(), "{} differences in {compared} records\n{shown}", found.len());
        ensure!(compared > 0, "no record was compared");
        Ok(())
    }

    /// Adds the first difference of two lists.
    fn add(&mut self, what: &str, java: &[String], ours: &[String]) {
        self.compared += java.len();
        let different = java.iter().zip(ours).position(|(java, ours)| java != ours);
        if let Some(place) = different {
            let [java, ours] = where_they_differ(&java[place], &ours[place]);
            self.found.push(format!("{what}, record {place}\n  java {java}\n  ours {ours}"));
        } else if java.len() != ours.len() {
            let next = java
                .get(ours.len())
                .or_else(|| ours.get(java.len()))
                .map(|text| where_they_differ(text, text)[0].clone());
            let (java, ours) = (java.len(), ours.len());
            self.found.push(format!("{what}: java has {java} records, ours {ours}, the next one is {next:?}"));
        }
    }
}

impl Sides {
    /// Compares all topics of these databases.
    pub(super) async fn compare(&self, databases: &[String], differences: &mut Differences) -> Result<()> {
        let of_all = databases.iter().flat_map(|database| tables().map(move |table| (database, table)));
        // Each reader takes a second to come and go.
        let topics = of_all.map(|(database, table)| async move {
            let (java, ours) = (self.read(&self.java, database, table), self.read(&self.ours, database, table));
            let (java, ours) = futures::try_join!(java, ours)?;
            anyhow::Ok((format!("{database}, table {table}"), by_partition(java), by_partition(ours)))
        });
        for (what, java, ours) in futures::future::try_join_all(topics).await? {
            let partitions: BTreeSet<i32> = java.keys().chain(ours.keys()).copied().collect();
            for partition in partitions {
                let records = |side: &BTreeMap<i32, Vec<String>>| side.get(&partition).cloned().unwrap_or_default();
                differences.add(&what, &records(&java), &records(&ours));
            }
        }
        // One topic has the structure of the tables of all databases, which are read concurrently: their order is not defined.
        let [java, ours] = self.structures().await?;
        ensure!(java.keys().eq(ours.keys()), "structures: java {:?}, ours {:?}", java.keys(), ours.keys());
        for (database, java) in &java {
            differences.add(&format!("structures of {database}"), java, &ours[database]);
        }
        Ok(())
    }

    async fn read(&self, side: &Side, database: &str, table: &str) -> Result<Vec<Compared>> {
        let topic = side.topic(database, table);
        match consume_all(&self.kafka.bootstrap(), &topic, false).await {
            Ok(messages) => Ok(without_repetitions(&messages, &side.name)),
            // Nothing may have been read of a table.
            Err(error) if error.to_string().contains("there is no topic") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The schemas of records are long.
fn where_they_differ(java: &str, ours: &str) -> [String; 2] {
    const BEFORE: usize = 200;
    const LENGTH: usize = 800;
    let payload = |text: &str| text.rfind("\"payload\":").map_or(0, |place| text[..place].chars().count());
    let same = java.chars().zip(ours.chars()).take_while(|(java, ours)| java == ours).count();
    [java, ours].map(|text| {
        let part = |from: usize, length| text.chars().skip(from).take(length).collect::<String>();
        match same.saturating_sub(BEFORE) {
            // Schemas differ: which record it is shows its payload.
            from if from < payload(text) => format!("{} ... {}", part(from, LENGTH / 2), part(payload(text), LENGTH)),
            from => part(from, LENGTH),
        }
    })
}

fn by_partition(records: Vec<Compared>) -> BTreeMap<i32, Vec<String>> {
    let mut partitions = BTreeMap::<i32, Vec<String>>::new();
    for record in records {
        partitions.entry(record.partition).or_default().push(record.text);
    }
    partitions
}

/// Each change once. A connector that was stopped in the midst repeats what it had not yet stored as written; a tombstone
/// belongs to the delete before it.
fn without_repetitions(messages: &[Message], name: &str) -> Vec<Compared> {
    let (mut seen, mut kept, mut repeats) = (HashSet::new(), Vec::new(), false);
    for message in messages {
        let record = masked(message, name);
        if message.value.is_some() {
            repeats = record.position.clone().is_some_and(|position| !seen.insert(position));
        }
        if !repeats {
            kept.push(record);
        }
    }
    kept
}
