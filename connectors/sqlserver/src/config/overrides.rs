use tributary_api::{Config, Props, list_items};

use crate::table::TableId;

const LIST: &str = "snapshot.select.statement.overrides";

/// Statements from the configuration that a snapshot uses to read the rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides(Vec<Override>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Override {
    /// `None`: the entry is for any database.
    database: Option<String>,
    schema: String,
    table: String,
    statement: String,
}

impl Overrides {
    pub(super) fn new(config: &Config) -> Self {
        let props = config.originals();
        Self(list_items(props, LIST).filter_map(|name| Override::of(name, props)).collect())
    }

    /// Logs the tables for which no statement can be used.
    pub(super) fn warn_of_unusable(props: &Props) {
        for table in list_items(props, LIST).filter(|name| Override::of(name, props).is_none()) {
            tracing::warn!(
                table,
                property = property(table),
                "a table is to be read by a statement of its own, and there is none, or the table is not written as schema.table: it is read whole"
            );
        }
    }

    /// The statement for a table, if it has one.
    pub(crate) fn of(&self, id: &TableId) -> Option<&str> {
        let fits = |of: &&Override| {
            of.schema == *id.schema
                && of.table == *id.name
                && of.database.as_ref().is_none_or(|database| *database == *id.database)
        };
        // An entry that names the database has precedence over one without.
        let mut fitting: Vec<_> = self.0.iter().filter(fits).collect();
        fitting.sort_by_key(|of| of.database.is_none());
        fitting.first().map(|of| of.statement.as_str())
    }
}

impl Override {
    fn of(name: &str, props: &Props) -> Option<Self> {
        let (database, schema, table) = parts(name)?;
        Some(Self { database, schema, table, statement: props.get(&property(name))?.clone() })
    }
}

fn property(table: &str) -> String {
    format!("{LIST}.{table}")
}

/// Splits `schema.table` or `database.schema.table`; each part may be in brackets.
fn parts(name: &str) -> Option<(Option<String>, String, String)> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, inside) {
            ('[', false) => inside = true,
            (']', true) if characters.peek() == Some(&']') => {
                characters.next();
                parts.last_mut()?.push(']');
            }
            (']', true) => inside = false,
            ('.', false) => parts.push(String::new()),
            (c, _) => parts.last_mut()?.push(c),
        }
    }
    match <[String; 3]>::try_from(parts) {
        Ok([database, schema, table]) => Some((Some(database), schema, table)),
        Err(parts) => <[String; 2]>::try_from(parts).ok().map(|[schema, table]| (None, schema, table)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_table_is_named_with_or_without_its_database() {
        let given = [
            ("topic.prefix", "p"),
            ("database.names", "d"),
            ("database.hostname", "h"),
            (LIST, "dbo.t, [shop].[dbo].[odd.name], shop.dbo.t, dbo.missing"),
            ("snapshot.select.statement.overrides.dbo.t", "any"),
            ("snapshot.select.statement.overrides.[shop].[dbo].[odd.name]", "odd"),
            ("snapshot.select.statement.overrides.shop.dbo.t", "shop"),
        ];
        let props = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let overrides = Overrides::new(&crate::config::properties().parse(&props).unwrap());
        let of = |database: &str, name: &str| {
            let id = TableId { database: database.into(), schema: "dbo".into(), name: name.into() };
            overrides.of(&id).map(str::to_owned)
        };
        assert_eq!(of("shop", "t").as_deref(), Some("shop"));
        assert_eq!(of("other", "t").as_deref(), Some("any"));
        assert_eq!(of("shop", "odd.name").as_deref(), Some("odd"));
        assert_eq!(of("shop", "missing"), None);
    }
}
