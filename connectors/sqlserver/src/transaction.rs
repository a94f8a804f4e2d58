//! The state of the current transaction, for `provide.transaction.metadata`.

use bytestring::ByteString;
use tributary_api::{OffsetValue, SourceOffset};

const ID: &str = "transaction_id";
const COUNT: &str = "transaction_data_collection_order_";

/// The transaction of the last change that was sent, with the number of events that were sent of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Empty if there is no transaction.
    id: ByteString,
    events: i64,
    /// The number of events of each table, in the order of the tables' first events.
    tables: Vec<(ByteString, i64)>,
    /// The capacity that a Java `HashMap` with these tables has. It only grows.
    places: usize,
    /// The time of the last event.
    pub(crate) millis: Option<i64>,
}

impl Default for Transaction {
    fn default() -> Self {
        Self { id: ByteString::new(), events: 0, tables: Vec::new(), places: 16, millis: None }
    }
}

impl Transaction {
    /// Reads the state from an offset.
    pub(crate) fn load(stored: &SourceOffset) -> Self {
        let mut transaction = Self { id: stored.string(ID).unwrap_or_default().into(), ..Self::default() };
        for (name, value) in stored.iter() {
            if let (Some(table), OffsetValue::Int(count)) = (name.strip_prefix(COUNT), value) {
                transaction.count(&table.into(), *count);
            }
        }
        transaction
    }

    /// The members that the state adds to an offset.
    pub(crate) fn store(&self) -> impl Iterator<Item = (String, OffsetValue)> {
        let id = self.is_open().then(|| (ID.to_owned(), OffsetValue::from(self.id.to_string())));
        let counts = self.tables.iter().map(|(table, count)| (format!("{COUNT}{table}"), OffsetValue::Int(*count)));
        counts.chain(id)
    }

    pub(crate) fn id(&self) -> &ByteString {
        &self.id
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.id.is_empty()
    }

    pub(crate) fn events(&self) -> i64 {
        self.events
    }

    pub(crate) fn begin(&mut self, id: ByteString) {
        self.end();
        self.id = id;
    }

    pub(crate) fn end(&mut self) {
        self.id = ByteString::new();
        self.events = 0;
        self.tables.clear();
    }

    /// Counts an event and returns how many events its table has now.
    pub(crate) fn event(&mut self, table: &ByteString) -> i64 {
        self.count(table, 1)
    }

    fn count(&mut self, table: &ByteString, events: i64) -> i64 {
        self.events += events;
        if let Some((_, count)) = self.tables.iter_mut().find(|(known, _)| known == table) {
            *count += events;
            return *count;
        }
        self.tables.push((table.clone(), events));
        while self.tables.len() > self.places / 4 * 3 {
            self.places *= 2;
        }
        events
    }

    /// The tables with their numbers of events, in the order in which a Java `HashMap` has them.
    pub(crate) fn tables(&self) -> Vec<(&ByteString, i64)> {
        let mut tables: Vec<_> = self.tables.iter().map(|(table, count)| (table, *count)).collect();
        tables.sort_by_key(|(table, _)| place(table) % self.places);
        tables
    }
}

/// The hash that a Java `HashMap` uses for a text.
fn place(text: &str) -> usize {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    usize::try_from(hash ^ (hash >> 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn events_are_counted_for_the_transaction_and_each_table() {
        let mut transaction = Transaction::default();
        transaction.begin("1".into());
        let (a, b) = ("shop.dbo.a".into(), "shop.dbo.b".into());
        let orders = [transaction.event(&a), transaction.event(&b), transaction.event(&a)];
        assert_eq!((orders, transaction.events()), ([1, 1, 2], 3));
        let stored: SourceOffset = transaction.store().collect();
        let json = r#"{"transaction_data_collection_order_shop.dbo.a":2,"transaction_data_collection_order_shop.dbo.b":1,"transaction_id":"1"}"#;
        assert_eq!(serde_json::to_string(&stored).unwrap(), json);
        assert_eq!(Transaction::load(&stored), transaction);
        transaction.end();
        assert_eq!(transaction.store().count(), 0);
    }

    /// In a `HashMap` with 16 buckets "a" is in bucket 1, "q" as well, and "b" in the next.
    #[test]
    fn tables_have_the_order_of_javas_hash_table() {
        let mut transaction = Transaction::default();
        transaction.begin("1".into());
        for table in ["b", "q", "a"] {
            transaction.event(&table.into());
        }
        let order: Vec<&str> = transaction.tables().into_iter().map(|(table, _)| &**table).collect();
        assert_eq!(order, ["q", "a", "b"]);
        // "hash" by String.hashCode is 3195150.
        assert_eq!(place("hash"), 3_195_150 ^ (3_195_150 >> 16));
    }
}
