//! The tables in sight, and which column a name means.

use crate::data::SqlError;
use crate::sql::catalog::Folded;
use crate::sql::errors;
use crate::sql::parse::ast::Expr;

use super::Bound;

/// A table in a `FROM`.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScopeTable {
    /// Its alias, or its own name.
    pub(crate) name: String,
    /// Schema and database, for names that say them; empty where an alias hides them.
    pub(crate) schema: String,
    pub(crate) database: String,
    pub(crate) columns: Vec<ScopeColumn>,
}

#[derive(Debug, Clone)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    pub(crate) bound: Bound,
}

/// The tables of one query, and what its grouping lets it say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) tables: Vec<ScopeTable>,
    /// The expressions of `GROUP BY`, when the query groups: as written and as bound.
    pub(crate) groups: Option<Vec<(Expr, String)>>,
    /// Within an aggregate's argument, or an expression that is grouped by: any column may stand.
    pub(crate) free: bool,
}

impl Scope {
    /// The column that a name means here; none if no table has it.
    pub(crate) fn find(&self, parts: &[String]) -> Result<Option<Bound>, SqlError> {
        let Some((name, qualifier)) = parts.split_last() else { return Ok(None) };
        let wanted = Folded::new(name);
        let mut found: Option<&Bound> = None;
        for table in self.tables.iter().filter(|table| table.is_called(qualifier)) {
            let mut columns: Vec<_> = table.columns.iter().filter(|column| column.name == *name).collect();
            if columns.is_empty() {
                columns = table.columns.iter().filter(|column| Folded::new(&column.name) == wanted).collect();
            }
            for column in columns {
                if found.is_some() {
                    return Err(errors::ambiguous_column(&parts.join(".")));
                }
                found = Some(&column.bound);
            }
        }
        let Some(bound) = found else { return Ok(None) };
        if let Some(groups) = &self.groups
            && !self.free
            && !groups.iter().any(|(_, sql)| *sql == bound.sql)
        {
            return Err(errors::not_grouped(&parts.join(".")));
        }
        Ok(Some(bound.clone()))
    }

    pub(crate) fn has_table(&self, qualifier: &[String]) -> bool {
        self.tables.iter().any(|table| table.is_called(qualifier))
    }
}

impl ScopeTable {
    /// Whether `t`, `s.t` or `db.s.t` mean this table. Without a qualifier, every table is meant.
    pub(crate) fn is_called(&self, qualifier: &[String]) -> bool {
        let same = |left: &str, right: &str| Folded::new(left) == Folded::new(right);
        match qualifier {
            [] => true,
            [table] => same(table, &self.name),
            [schema, table] => same(table, &self.name) && same(schema, &self.schema),
            [database, schema, table] => {
                let schema = schema.is_empty() || same(schema, &self.schema);
                same(table, &self.name) && schema && same(database, &self.database)
            }
            _ => false,
        }
    }
}
