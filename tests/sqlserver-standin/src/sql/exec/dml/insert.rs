//! `INSERT`.

use std::sync::Arc;

use super::{Changed, Pair, count_matches};
use crate::cdc::Change;
use crate::data::{Column, Datum, SqlError, Type};
use crate::locks::{Mode, Scope};
use crate::session::{Answer, Command};
use crate::sql::catalog::{Table, TableColumn};
use crate::sql::errors;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::exec::system::Collected;
use crate::sql::parse::ast::{Insert, InsertSource, ObjectName, Target};
use crate::sql::plan::Binder;

impl Core {
    pub(in crate::sql::exec) fn insert(
        &mut self,
        insert: &Insert,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        let changed = self.changed(&insert.target, frame)?;
        self.may_change(&changed, "INSERT")?;
        if !changed.temporary {
            self.begin_implicitly(answer);
        }
        let places = self.insert_places(&changed.table, &insert.columns)?;
        let (rows, kinds) = self.insert_source(insert, &places, &changed, frame, answer)?;
        self.lock(&changed.database, changed.table.id, Mode::IntentExclusive, Scope::Transaction, false)?;
        let count = rows.len();
        let pairs = self.writing(&changed.database.clone(), changed.temporary, |core| {
            core.insert_rows(&changed, &places, rows, &kinds)
        })?;
        self.output(insert.output.as_ref(), &changed, &pairs, frame, answer)?;
        self.rows = i64::try_from(count).unwrap_or(i64::MAX);
        answer.done(self.counted(count as u64), Command::Insert);
        Ok(())
    }

    /// The columns that values are given for, by their positions.
    pub(super) fn insert_places(&self, table: &Table, names: &[String]) -> Result<Vec<usize>, SqlError> {
        if !names.is_empty() {
            let mut places = Vec::new();
            for name in names {
                let at = table.position(name).ok_or_else(|| errors::unknown_column(name))?;
                if places.contains(&at) {
                    return Err(SqlError::new(
                        264,
                        16,
                        1,
                        format!(
                            "The column name '{name}' is specified more than once in the SET clause or column list of an INSERT."
                        ),
                    ));
                }
                if table.columns[at].computed.is_some() {
                    return Err(errors::computed_column(&table.columns[at].name));
                }
                places.push(at);
            }
            return Ok(places);
        }
        let explicit = self.identity_insert == Some(table.id);
        let given = |column: &TableColumn| {
            column.computed.is_none() && column.r#type != Type::RowVersion && (column.identity.is_none() || explicit)
        };
        Ok((0..table.columns.len()).filter(|at| given(&table.columns[*at])).collect())
    }

    /// The source's rows, and each column's type. `None` in a row is `DEFAULT`.
    #[expect(clippy::type_complexity, reason = "rows with gaps, and the types of their columns")]
    fn insert_source(
        &mut self,
        insert: &Insert,
        places: &[usize],
        changed: &Changed,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(Vec<Vec<Option<Datum>>>, Vec<Vec<Type>>), SqlError> {
        let whole = |rows: Vec<Vec<Datum>>| rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
        match &insert.source {
            InsertSource::Defaults => Ok((vec![vec![None; places.len()]], Vec::new())),
            InsertSource::Values(values) => {
                let (mut rows, mut kinds) = (Vec::new(), Vec::new());
                for row in values {
                    if row.len() != places.len() {
                        return Err(if insert.columns.is_empty() {
                            errors::values_count()
                        } else {
                            SqlError::new(
                                if row.len() < places.len() { 109 } else { 110 },
                                15,
                                1,
                                format!(
                                    "There are {} columns in the INSERT statement than values specified in the VALUES clause. The number of values in the VALUES clause must match the number of columns specified in the INSERT statement.",
                                    if row.len() < places.len() { "more" } else { "fewer" }
                                ),
                            )
                        });
                    }
                    let (mut out, mut of) = (Vec::new(), Vec::new());
                    for (value, at) in row.iter().zip(places) {
                        match value {
                            None => {
                                out.push(None);
                                of.push(changed.table.columns[*at].r#type.clone());
                            }
                            Some(expr) => {
                                let (value, kind) = self.value_of(expr, frame)?;
                                out.push(Some(value));
                                of.push(kind);
                            }
                        }
                    }
                    rows.push(out);
                    kinds.push(of);
                }
                Ok((rows, kinds))
            }
            InsertSource::Query(query) => {
                let plan = Binder::new(self, frame).plan_query(query)?;
                let kinds = count_matches(&plan.columns, places.len())?;
                Ok((whole(self.collect(&plan)?), vec![kinds]))
            }
            InsertSource::Execute(execute) => {
                let mut collected = Collected::new(answer);
                self.execute(execute, frame, &mut collected)?;
                let (columns, rows) = collected.into_rows();
                let kinds = count_matches(&columns, places.len()).map_err(|_| errors::values_count())?;
                Ok((whole(rows), vec![kinds]))
            }
        }
    }

    /// Inserts rows whose values are given for some columns.
    pub(super) fn insert_rows(
        &mut self,
        changed: &Changed,
        places: &[usize],
        rows: Vec<Vec<Option<Datum>>>,
        kinds: &[Vec<Type>],
    ) -> Result<Vec<Pair>, SqlError> {
        let table = Arc::clone(&changed.table);
        let explicit = self.identity_insert == Some(table.id);
        let identity_at = table.columns.iter().position(|column| column.identity.is_some());
        if let Some(at) = identity_at
            && !changed.temporary | table.name.starts_with('#')
        {
            let given = places.contains(&at);
            if given && !explicit && !self.internal {
                return Err(errors::identity_insert_off(&table.name));
            }
            if !given && explicit {
                return Err(errors::identity_insert_needed(&table.name));
            }
        }
        let mut full = Vec::with_capacity(rows.len());
        for (number, row) in rows.into_iter().enumerate() {
            let kinds = kinds.get(number).or_else(|| kinds.first());
            full.push(self.complete(changed, places, row, kinds)?);
        }
        self.store_rows(changed, &full, "INSERT", None)?;
        self.log(changed, full.iter().map(|row| Change::Insert { after: row.clone() }).collect())?;
        Ok(full.into_iter().map(|row| (None, Some(row))).collect())
    }

    /// Rows into a table that was just made from them.
    pub(in crate::sql::exec) fn insert_rows_into(
        &mut self,
        name: &ObjectName,
        rows: Vec<Vec<Datum>>,
        columns: &[Column],
    ) -> Result<(), SqlError> {
        let changed = self.changed(&Target::Named { name: name.clone(), hints: Vec::new() }, &Frame::default())?;
        let places: Vec<usize> = (0..changed.table.columns.len()).collect();
        let kinds: Vec<Type> = columns.iter().map(|column| column.r#type.clone()).collect();
        let rows = rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
        self.writing(&changed.database.clone(), changed.temporary, |core| {
            core.insert_rows(&changed, &places, rows, &[kinds])
        })?;
        Ok(())
    }
}
