use serde_json::{Map, Value, json};
use tributary_api::{Error, OffsetMap, Result, SourceOffset, SourcePartition};

use super::TableChange;
use super::json::{id_from_text, quoted_id, table_from_json, table_to_json};
use crate::offset::Offset;
use crate::table::{Table, TableId};

/// An entry to be written to the schema history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) partition: &'a SourcePartition,
    pub(crate) position: &'a SourceOffset,
    pub(crate) millis: i64,
    /// The DDL statement. Debezium writes N/A where only the effect of a statement is known.
    pub(crate) ddl: Option<&'a str>,
    pub(crate) change: TableChange,
    pub(crate) table: &'a Table,
}

impl Entry<'_> {
    pub(super) fn to_json(self) -> String {
        let id = &self.table.id;
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("source", json!(self.partition));
        put("position", json!(self.position));
        put("ts_ms", json!(self.millis));
        put("databaseName", json!(&*id.database));
        put("schemaName", json!(&*id.schema));
        if let Some(ddl) = self.ddl {
            put("ddl", json!(ddl));
        }
        let table = table_to_json(self.table);
        let change = json!({"type": self.change.text(), "id": quoted_id(id), "table": table, "comment": null});
        put("tableChanges", json!([change]));
        Value::Object(object).to_string()
    }
}

/// An entry that was read from the schema history.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Recorded {
    pub(super) partition: SourcePartition,
    pub(super) position: Offset,
    /// Whether it was seen in the database between two changes, and neither read by a snapshot nor told by a signal: only
    /// such an entry has a statement.
    pub(super) seen: bool,
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Is(TableChange, Table),
    Gone(TableId),
}

impl Change {
    /// The changes of a list in Debezium's format.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub(crate) fn list(json: &Value) -> Result<Vec<Self>> {
        let mut changes = Vec::new();
        for change in json.as_array().into_iter().flatten() {
            let wrong = || Error::data(format!("there is a table change that cannot be read: {change}"));
            let id = |name: &str| change[name].as_str().and_then(id_from_text);
            let of = id("id").ok_or_else(wrong)?;
            // The table was renamed: its old name no longer exists.
            changes.extend(id("previousId").map(Self::Gone));
            let is = |of, kind| Some(Self::Is(kind, table_from_json(of, &change["table"])?));
            let read = match change["type"].as_str() {
                Some("DROP") => Some(Self::Gone(of)),
                Some("CREATE") => is(of, TableChange::Create),
                Some("ALTER") => is(of, TableChange::Alter),
                _ => None,
            };
            changes.push(read.ok_or_else(wrong)?);
        }
        Ok(changes)
    }
}

impl Recorded {
    /// `None` for a record without a source or a position, which Debezium skips as well.
    pub(super) fn from_json(json: &[u8]) -> Result<Option<Self>> {
        let record: Value = serde_json::from_slice(json).map_err(|error| unreadable("is no JSON").cause(&error))?;
        let map = |name: &str| serde_json::from_value::<OffsetMap>(record[name].clone()).ok();
        let (Some(partition), Some(position)) = (map("source"), map("position")) else { return Ok(None) };
        let changes =
            Change::list(&record["tableChanges"]).map_err(|error| unreadable(&format!("cannot be used: {error}")))?;
        let seen = record["ddl"].is_string();
        Ok(Some(Self { partition, position: Offset::load(&position), seen, changes }))
    }
}

fn unreadable(what: &str) -> Error {
    Error::fatal(format!("a record of the schema history {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::lsn::Lsn;
    use crate::offset::{self, Snapshot};

    fn table() -> Table {
        let id = TableId { database: "shop".into(), schema: "dbo".into(), name: "t".into() };
        Table { id, columns: Vec::new(), key: Vec::new() }
    }

    #[test]
    fn a_record_is_debeziums_and_is_read_as_it_was_written() {
        let partition = offset::partition("server", "shop");
        let commit = Lsn::parse("00000025:00000d98:00a2");
        let position = Offset::of_snapshot(commit, Snapshot::Running);
        let (table, stored) = (table(), position.store());
        let entry = Entry {
            partition: &partition,
            position: &stored,
            millis: 7,
            ddl: None,
            change: TableChange::Create,
            table: &table,
        };
        let json = entry.to_json();
        let expected = concat!(
            r#"{"source":{"server":"server","database":"shop"},"position":{"change_lsn":"NULL","#,
            r#""commit_lsn":"00000025:00000d98:00a2","event_serial_no":1,"snapshot":"INITIAL","#,
            r#""snapshot_completed":false},"ts_ms":7,"databaseName":"shop","schemaName":"dbo","tableChanges":["#,
            r#"{"type":"CREATE","id":"\"shop\".\"dbo\".\"t\"","table":{"defaultCharsetName":null,"#,
            r#""primaryKeyColumnNames":[],"columns":[],"attributes":[]},"comment":null}]}"#,
        );
        assert_eq!(json, expected);
        let changes = vec![Change::Is(TableChange::Create, table.clone())];
        let expected = Recorded { partition: partition.clone(), position, seen: false, changes };
        assert_eq!(Recorded::from_json(json.as_bytes()).unwrap(), Some(expected.clone()));
        let json = Entry { ddl: Some("N/A"), ..entry }.to_json();
        assert_eq!(Recorded::from_json(json.as_bytes()).unwrap(), Some(Recorded { seen: true, ..expected }));
    }

    #[test]
    fn a_drop_and_a_rename_take_a_table_away() {
        let record = |change: &str| {
            let json = format!(r#"{{"source":{{"server":"s"}},"position":{{}},"tableChanges":[{change}]}}"#);
            Recorded::from_json(json.as_bytes()).map(|record| record.unwrap().changes)
        };
        let id = |name: &str| TableId { database: "shop".into(), schema: "dbo".into(), name: name.into() };
        let dropped = record(r#"{"type":"DROP","id":"\"shop\".\"dbo\".\"t\""}"#).unwrap();
        assert_eq!(dropped, [Change::Gone(id("t"))]);
        let structure = r#""table":{"primaryKeyColumnNames":[],"columns":[]}"#;
        let renamed = record(&format!(
            r#"{{"type":"ALTER","id":"\"shop\".\"dbo\".\"t\"","previousId":"\"shop\".\"dbo\".\"u\"",{structure}}}"#
        ));
        assert_eq!(renamed.unwrap(), [Change::Gone(id("u")), Change::Is(TableChange::Alter, table())]);
        assert!(record(r#"{"type":"ALTER","id":"\"shop\".\"dbo\".\"t\""}"#).is_err(), "of no structure");
    }

    #[test]
    fn a_foreign_record_is_skipped_and_a_malformed_one_is_an_error() {
        assert_eq!(Recorded::from_json(b"{}").unwrap(), None);
        assert!(Recorded::from_json(b"{").is_err());
    }
}
