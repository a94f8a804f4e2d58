use std::collections::HashMap;
use std::sync::Arc;

use tributary_api::{Result, Value};

use crate::record::{Layout, TableSchema};
use crate::sql::Client;
use crate::table::{Table, TableId};
use crate::types::{Kind, Parsed, convert, parse_default};

/// The schemas of the tables at the reader's position.
#[derive(Debug)]
pub(crate) struct Schemas {
    layout: Layout,
    tables: HashMap<TableId, Arc<TableSchema>>,
}

impl Schemas {
    pub(super) fn new(layout: Layout) -> Self {
        Self { layout, tables: HashMap::new() }
    }

    pub(crate) fn get(&self, id: &TableId) -> Option<&Arc<TableSchema>> {
        self.tables.get(id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &TableId> {
        self.tables.keys()
    }

    pub(crate) fn forget_all(&mut self) {
        self.tables.clear();
    }

    /// Sets a table's structure and makes its schema. Returns whether it has changed.
    pub(crate) async fn set(&mut self, client: &mut Client, table: Table) -> Result<bool> {
        if self.tables.get(&table.id).is_some_and(|schema| *schema.table == table) {
            return Ok(false);
        }
        let schema = self.make(client, table).await?;
        self.tables.insert(schema.table.id.clone(), schema);
        Ok(true)
    }

    /// The schema of a structure that is not the table's at the reader's position.
    pub(crate) async fn make(&self, client: &mut Client, table: Table) -> Result<Arc<TableSchema>> {
        let mut defaults = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let parsed = Kind::of(column, self.layout.modes).map(|kind| (kind, parse_default(column, kind)));
            defaults.push(match parsed {
                Some((_, Parsed::Value(value))) => Some(value).filter(|value| !value.is_null()),
                Some((kind, Parsed::Ask { text, type_name })) => ask(client, kind, &text, type_name).await,
                Some((_, Parsed::None)) | None => None,
            });
        }
        Ok(Arc::new(TableSchema::new(Arc::new(table), &defaults, &self.layout)?))
    }
}

/// If the server cannot convert the text either, the schema gets no default.
async fn ask(client: &mut Client, kind: Kind, text: &str, type_name: &str) -> Option<Value> {
    let sql = format!("SELECT PARSE(@P1 AS {type_name})");
    let answer = client.query(&sql, vec![text.into()]).await;
    let data = answer.and_then(|mut rows| match rows.pop() {
        Some(mut row) => row.data().map(Some),
        None => Ok(None),
    });
    match data.and_then(|data| data.map(|data| convert(kind, data).map_err(|unfit| unfit.error)).transpose()) {
        Ok(value) => value.filter(|value| !value.is_null()),
        Err(error) => {
            tracing::warn!(text, type_name, %error, "the server cannot convert a default: the schema gets none");
            None
        }
    }
}
