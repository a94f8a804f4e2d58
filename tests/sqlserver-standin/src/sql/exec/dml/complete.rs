//! Whole rows, from the values that are given for some columns.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Changed;
use crate::data::{Datum, SqlError, Type};
use crate::sql::catalog::TableColumn;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::value::convert::{self, Settings};
use crate::sql::{errors, parse};

impl Core {
    /// A whole row: given values in their columns' types, defaults, identity, row version, null for what is computed.
    pub(super) fn complete(
        &mut self,
        changed: &Changed,
        places: &[usize],
        row: Vec<Option<Datum>>,
        kinds: Option<&Vec<Type>>,
    ) -> Result<Vec<Datum>, SqlError> {
        let table = Arc::clone(&changed.table);
        let mut given: Vec<Option<(Datum, Type)>> = vec![None; table.columns.len()];
        for (number, (value, at)) in row.into_iter().zip(places).enumerate() {
            if let Some(value) = value {
                let kind = kinds.and_then(|kinds| kinds.get(number)).unwrap_or(&table.columns[*at].r#type);
                given[*at] = Some((value, kind.clone()));
            }
        }
        let mut out = Vec::with_capacity(table.columns.len());
        for (column, given) in table.columns.iter().zip(given) {
            out.push(match given {
                _ if column.computed.is_some() => Datum::Null,
                Some(_) if column.r#type == Type::RowVersion && !self.internal => {
                    return Err(errors::timestamp_column());
                }
                Some((value, kind)) => {
                    let value = self.assigned(&value, &kind, column, changed, "INSERT")?;
                    if column.identity.is_some() {
                        self.note_identity(changed, &value)?;
                    }
                    value
                }
                None => self.missing(column, changed)?,
            });
        }
        Ok(out)
    }

    /// What a column has when nothing is said.
    fn missing(&mut self, column: &TableColumn, changed: &Changed) -> Result<Datum, SqlError> {
        if column.identity.is_some() {
            return self.next_identity(changed, column);
        }
        if column.r#type == Type::RowVersion {
            let next = self.server.row_version.fetch_add(1, Ordering::SeqCst) + 1;
            return Ok(Datum::Bytes(next.to_be_bytes().to_vec()));
        }
        let (value, kind) = match &column.default {
            Some(default) => {
                let expr = parse::expression(&default.text).map_err(SqlError::from)?;
                self.value_of(&expr, &Frame::default())?
            }
            None => (Datum::Null, column.r#type.clone()),
        };
        self.assigned(&value, &kind, column, changed, "INSERT")
    }

    /// A value as the column takes it.
    pub(super) fn assigned(
        &self,
        value: &Datum,
        kind: &Type,
        column: &TableColumn,
        changed: &Changed,
        command: &str,
    ) -> Result<Datum, SqlError> {
        let table = &changed.table;
        if *value == Datum::Null {
            if column.nullable {
                return Ok(Datum::Null);
            }
            let full = format!("{}.{}", changed.database.name, table.full_name());
            return Err(errors::null_into(&column.name, &full, command));
        }
        match convert::allowed(kind, &column.r#type) {
            convert::Allowed::Implicit => {}
            convert::Allowed::Explicit => return Err(errors::implicit_conversion(kind, &column.r#type)),
            convert::Allowed::Never => return Err(errors::type_clash(kind, &column.r#type)),
        }
        let settings = Settings { style: None, order: self.date_order() };
        let (assigned, cut) = convert::assign(value, kind, &column.r#type, settings)?;
        if cut {
            let full = format!("{}.{}", changed.database.name, table.full_name());
            return Err(errors::truncated(&full, &column.name, &convert::key_text(&assigned, &column.r#type)));
        }
        Ok(assigned)
    }
}
