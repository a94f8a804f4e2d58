//! `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`: what each changes is found first, then changed row by row, checked, logged for
//! change data capture and answered by `OUTPUT`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::types::Value;

use super::core::{Core, InDatabase};
use super::frame::Frame;
use super::server::lock;
use crate::cdc::Change;
use crate::data::{Column, Datum, SqlError, Type};
use crate::locks::{Mode, Scope};
use crate::session::{Answer, Command, Flow};
use crate::sql::catalog::{Index, IndexKind, Table, TableColumn, identity, physical_column, set_identity};
use crate::sql::parse::ast::{
    Assignment, Delete, Expr, Insert, InsertSource, ObjectName, Output, SelectItem, TableRef, Target, Top, Update,
};
use crate::sql::plan::{Binder, Bound, Plan, Scope as NameScope, ScopeColumn, ScopeTable};
use crate::sql::value::convert::{self, Settings};
use crate::sql::value::encode::to_sqlite;
use crate::sql::{errors, parse, types};

/// The table that a statement changes.
struct Changed {
    table: Arc<Table>,
    physical: String,
    database: InDatabase,
    temporary: bool,
}

/// A row that was changed, as `OUTPUT` sees it.
type Pair = (Option<Vec<Datum>>, Option<Vec<Datum>>);

impl Core {
    fn changed(&mut self, target: &Target, frame: &Frame) -> Result<Changed, SqlError> {
        match target {
            Target::Variable(name) => {
                let table = self.table_variable(frame, name)?;
                let physical = self.temporary_name(&table);
                Ok(Changed { table, physical, database: self.current(), temporary: true })
            }
            Target::Named { name, .. } => {
                let (table, physical, database) = self.find_table(name)?;
                let temporary = name.object.starts_with('#');
                Ok(Changed { table, physical, database, temporary })
            }
        }
    }

    fn may_change(&mut self, changed: &Changed, permission: &str) -> Result<(), SqlError> {
        if changed.temporary {
            return Ok(());
        }
        let table = &changed.table;
        self.check(&changed.database, permission, &table.schema, &table.name, table.id)?;
        if table.schema.eq_ignore_ascii_case("cdc") && table.shipped && !self.is_sysadmin() {
            return Err(errors::permission_denied(permission, &table.name, &changed.database.name, &table.schema));
        }
        Ok(())
    }

    pub(super) fn insert(
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
    fn insert_places(&self, table: &Table, names: &[String]) -> Result<Vec<usize>, SqlError> {
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
                let mut collected = super::system::Collected::new(answer);
                self.execute(execute, frame, &mut collected)?;
                let (columns, rows) = collected.into_rows();
                let kinds = count_matches(&columns, places.len()).map_err(|_| errors::values_count())?;
                Ok((whole(rows), vec![kinds]))
            }
        }
    }

    /// Inserts rows whose values are given for some columns.
    fn insert_rows(
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
            let kinds = kinds.get(number).or(kinds.first());
            full.push(self.complete(changed, places, row, kinds)?);
        }
        self.store_rows(changed, &full, "INSERT", None)?;
        self.log(changed, full.iter().map(|row| Change::Insert { after: row.clone() }).collect())?;
        Ok(full.into_iter().map(|row| (None, Some(row))).collect())
    }

    /// A whole row: given values in their columns' types, defaults, identity, row version, null for what is computed.
    fn complete(
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
    fn assigned(
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

    /// Writes whole rows, and checks what the table demands of them.
    fn store_rows(
        &mut self,
        changed: &Changed,
        rows: &[Vec<Datum>],
        command: &str,
        row_ids: Option<&[i64]>,
    ) -> Result<(), SqlError> {
        let table = &changed.table;
        let stored: Vec<&TableColumn> = table.columns.iter().filter(|column| column.computed.is_none()).collect();
        let mut names: Vec<_> = stored.iter().map(|column| physical_column(&column.name)).collect();
        if row_ids.is_some() {
            names.push("_rowid_".to_owned());
        }
        let places: Vec<_> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", changed.physical, names.join(", "), places.join(", "));
        let mut written = Vec::with_capacity(rows.len());
        {
            let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.failure(error))?;
            for (number, row) in rows.iter().enumerate() {
                let kept = row.iter().zip(&table.columns).filter(|(_, column)| column.computed.is_none());
                let mut values: Vec<Value> = kept.map(|(value, _)| to_sqlite(value)).collect();
                if let Some(ids) = row_ids {
                    values.push(Value::Integer(ids[number]));
                }
                statement
                    .execute(rusqlite::params_from_iter(values))
                    .map_err(|error| self.refused(error, changed, row))?;
                written.push(self.connection.last_insert_rowid());
            }
        }
        self.check_rows(changed, &written, command)
    }

    /// The error for a row that the storage did not take: a key that is there already.
    fn refused(&self, error: rusqlite::Error, changed: &Changed, row: &[Datum]) -> SqlError {
        let constraint = error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation);
        let text = error.to_string();
        let table = &changed.table;
        let violated =
            table.indexes.iter().filter(|index| index.unique).find(|index| self.has_key(changed, index, row));
        match violated {
            Some(index) if constraint => {
                let key: Vec<_> = key_places(table, index)
                    .iter()
                    .map(|at| convert::key_text(&row[*at], &table.columns[*at].r#type))
                    .collect();
                let key = key.join(", ");
                match index.kind {
                    IndexKind::PrimaryKey => {
                        errors::unique_constraint("PRIMARY KEY", &index.name, &table.full_name(), &key)
                    }
                    IndexKind::UniqueConstraint => {
                        errors::unique_constraint("UNIQUE KEY", &index.name, &table.full_name(), &key)
                    }
                    IndexKind::Index => errors::unique_index(&table.full_name(), &index.name, &key),
                }
            }
            _ if constraint => errors::unsupported(&format!("a constraint of the storage: {text}")),
            _ => self.failure(error),
        }
    }

    fn has_key(&self, changed: &Changed, index: &Index, row: &[Datum]) -> bool {
        let places = key_places(&changed.table, index);
        let columns = &changed.table.columns;
        let conditions: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(number, at)| {
                let collation = columns[*at]
                    .r#type
                    .collation()
                    .map(|c| format!(" COLLATE {}", crate::sql::value::collate::sqlite_name(c)));
                format!("{} IS ?{}{}", physical_column(&columns[*at].name), number + 1, collation.unwrap_or_default())
            })
            .collect();
        let sql = format!("SELECT count(*) FROM {} WHERE {}", changed.physical, conditions.join(" AND "));
        let values = places.iter().map(|at| to_sqlite(&row[*at]));
        let found: rusqlite::Result<i64> =
            self.connection.query_row(&sql, rusqlite::params_from_iter(values), |row| row.get(0));
        found.is_ok_and(|found| found > 0)
    }

    /// Checks and foreign keys of rows that were written.
    fn check_rows(&mut self, changed: &Changed, rows: &[i64], command: &str) -> Result<(), SqlError> {
        let table = Arc::clone(&changed.table);
        for check in &table.checks {
            let expr = parse::expression(&check.text).map_err(SqlError::from)?;
            let wrong = Expr::Not(Box::new(expr));
            if self.any_row(changed, rows, &wrong)? {
                let column = table.column_by_id(check.column).map(|column| column.name.clone()).unwrap_or_default();
                return Err(errors::constraint_conflict(
                    command,
                    "CHECK",
                    &check.name,
                    &changed.database.name,
                    &table.full_name(),
                    &column,
                ));
            }
        }
        for key in &table.foreign_keys {
            let catalog = self.catalog(changed.database.id)?;
            let Some(referenced) = catalog.tables.get(&key.referenced) else { continue };
            let target = super::lookup::physical_name(&changed.database, referenced);
            let mut pairs = Vec::new();
            let mut present = Vec::new();
            for (own, other) in &key.columns {
                let (Some(own), Some(other)) = (table.column_by_id(*own), referenced.column_by_id(*other)) else {
                    continue;
                };
                pairs.push(format!("o.{} = n.{}", physical_column(&other.name), physical_column(&own.name)));
                present.push(format!("n.{} IS NOT NULL", physical_column(&own.name)));
            }
            let sql = format!(
                "SELECT count(*) FROM {} AS n WHERE n._rowid_ = ?1 AND {} AND NOT EXISTS (SELECT 1 FROM {target} AS o WHERE {})",
                changed.physical,
                present.join(" AND "),
                pairs.join(" AND ")
            );
            for row in rows {
                let count = || self.connection.prepare_cached(&sql)?.query_row([row], |row| row.get::<_, i64>(0));
                if count().map_err(|error| self.failure(error))? > 0 {
                    let column = key
                        .columns
                        .first()
                        .filter(|_| key.columns.len() == 1)
                        .and_then(|(_, other)| referenced.column_by_id(*other));
                    let column = column.map(|column| column.name.clone()).unwrap_or_default();
                    return Err(errors::constraint_conflict(
                        command,
                        "FOREIGN KEY",
                        &key.name,
                        &changed.database.name,
                        &referenced.full_name(),
                        &column,
                    ));
                }
            }
        }
        Ok(())
    }

    fn any_row(&mut self, changed: &Changed, rows: &[i64], condition: &Expr) -> Result<bool, SqlError> {
        let frame = Frame::default();
        let mut binder = Binder::new(self, &frame);
        binder.scopes.push(NameScope::default());
        let from = binder.table(&changed.table, &changed.physical, &changed.database, &changed.table.name, false)?;
        let sql = binder.condition(condition)?;
        let alias = from.rsplit(' ').next().unwrap_or_default().to_owned();
        let plan = binder.into_plan(String::new(), Vec::new(), Vec::new());
        let mut values = plan.parameters.clone();
        let place = values.len() + 1;
        let sql = format!("SELECT count(*) FROM {from} WHERE {alias}._rowid_ = ?{place} AND {sql}");
        for row in rows {
            values.truncate(place - 1);
            values.push(Value::Integer(*row));
            let count: i64 = self
                .connection
                .prepare_cached(&sql)
                .and_then(|mut statement| statement.query_row(rusqlite::params_from_iter(&values), |row| row.get(0)))
                .map_err(|error| self.failure(error))?;
            if count > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Rows of other tables that would refer to nothing.
    fn check_referenced(&mut self, changed: &Changed, removed: &[Vec<Datum>], command: &str) -> Result<(), SqlError> {
        if changed.temporary {
            return Ok(());
        }
        let catalog = self.catalog(changed.database.id)?;
        for other in catalog.tables.values() {
            for key in other.foreign_keys.iter().filter(|key| key.referenced == changed.table.id) {
                let mut conditions = Vec::new();
                let mut places = Vec::new();
                for (own, referenced) in &key.columns {
                    let at = changed.table.columns.iter().position(|column| column.id == *referenced);
                    let (Some(column), Some(at)) = (other.column_by_id(*own), at) else { continue };
                    places.push(at);
                    conditions.push(format!("{} = ?{}", physical_column(&column.name), places.len()));
                }
                let from = super::lookup::physical_name(&changed.database, other);
                // A row that still has the key, or has it again, is referred to rightly.
                let own: Vec<_> = places
                    .iter()
                    .enumerate()
                    .map(|(n, at)| format!("{} = ?{}", physical_column(&changed.table.columns[*at].name), n + 1))
                    .collect();
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM {from} WHERE {}) AND NOT EXISTS (SELECT 1 FROM {} WHERE {})",
                    conditions.join(" AND "),
                    changed.physical,
                    own.join(" AND ")
                );
                for row in removed {
                    let values: Vec<_> = places.iter().map(|at| to_sqlite(&row[*at])).collect();
                    let broken: bool = self
                        .connection
                        .prepare_cached(&sql)
                        .and_then(|mut statement| {
                            statement.query_row(rusqlite::params_from_iter(&values), |row| row.get(0))
                        })
                        .map_err(|error| self.failure(error))?;
                    if broken {
                        let column = key
                            .columns
                            .first()
                            .and_then(|(own, _)| other.column_by_id(*own))
                            .map(|column| column.name.clone());
                        return Err(errors::constraint_conflict(
                            command,
                            "REFERENCE",
                            &key.name,
                            &changed.database.name,
                            &other.full_name(),
                            &column.unwrap_or_default(),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    fn log(&mut self, changed: &Changed, changes: Vec<Change>) -> Result<(), SqlError> {
        if !changed.table.tracked || changes.is_empty() {
            return Ok(());
        }
        let layout = changed.table.layout();
        self.server.changes.statement(&self.log_point(changed.database.id), &layout, &changes)
    }

    /// The rows that an `UPDATE` or `DELETE` means: row number, values, and what else is asked for.
    #[expect(clippy::too_many_arguments, reason = "the parts of a statement")]
    fn matching(
        &mut self,
        changed: &Changed,
        target: &Target,
        from: &[TableRef],
        filter: Option<&Expr>,
        top: Option<&Top>,
        frame: &Frame,
        more: impl FnOnce(&mut Binder<'_>) -> Result<Vec<(String, Type)>, SqlError>,
    ) -> Result<Plan, SqlError> {
        let mut binder = Binder::new(self, frame);
        binder.scopes.push(NameScope::default());
        let mut parts: Vec<String> = Vec::new();
        for table in from {
            parts.push(binder.table_ref(table)?);
        }
        let called = target_name(target);
        let alias = match binder
            .scopes
            .last()
            .and_then(|scope| scope.tables.iter().find(|table| table.name.eq_ignore_ascii_case(&called)))
        {
            Some(table) => {
                table.columns.first().and_then(|column| column.bound.sql.split('.').next()).map(str::to_owned)
            }
            None => None,
        };
        let alias = match alias {
            Some(alias) => alias,
            None => {
                let sql = binder.table(&changed.table, &changed.physical, &changed.database, &called, false)?;
                let alias = sql.rsplit(' ').next().unwrap_or_default().to_owned();
                parts.push(sql);
                alias
            }
        };
        let filter = filter.map(|filter| binder.condition(filter)).transpose()?;
        let mut items = vec![(format!("{alias}._rowid_"), Type::BigInt)];
        for column in &changed.table.columns {
            let sql = if column.computed.is_some() {
                "NULL".to_owned()
            } else {
                format!("{alias}.{}", physical_column(&column.name))
            };
            items.push((sql, column.r#type.clone()));
        }
        items.extend(more(&mut binder)?);
        let shown: Vec<_> = items.iter().map(|(sql, _)| sql.as_str()).collect();
        let mut sql = format!("SELECT {} FROM {}", shown.join(", "), parts.join(", "));
        if let Some(filter) = filter {
            sql += &format!(" WHERE {filter}");
        }
        if let Some(top) = top {
            sql += &format!(" LIMIT {}", binder.row_count(&top.count)?);
        }
        let columns = items.into_iter().map(|(_, kind)| Column::new("", kind)).collect();
        Ok(binder.into_plan(sql, columns, Vec::new()))
    }

    /// The table behind a target that may be an alias of the statement's own `FROM`.
    fn aliased<'t>(target: &'t Target, from: &'t [TableRef]) -> Option<&'t ObjectName> {
        let Target::Named { name, .. } = target else { return None };
        if name.schema.is_some() || name.database.is_some() {
            return None;
        }
        from.iter().find_map(|table| find_alias(table, &name.object))
    }

    fn target_of(&mut self, target: &Target, from: &[TableRef], frame: &Frame) -> Result<Changed, SqlError> {
        match Self::aliased(target, from) {
            Some(name) => self.changed(&Target::Named { name: name.clone(), hints: Vec::new() }, frame),
            None => self.changed(target, frame),
        }
    }

    pub(super) fn update(
        &mut self,
        update: &Update,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        if !update.with.is_empty() {
            return Err(errors::unsupported("UPDATE of a common table expression"));
        }
        let changed = self.target_of(&update.target, &update.from, frame)?;
        self.may_change(&changed, "UPDATE")?;
        if !changed.temporary {
            self.begin_implicitly(answer);
        }
        self.lock(&changed.database, changed.table.id, Mode::IntentExclusive, Scope::Transaction, false)?;
        let database = changed.database.clone();
        let frame_ref = &*frame;
        let (pairs, variables) =
            self.writing(&database, changed.temporary, |core| core.update_rows(update, &changed, frame_ref))?;
        for (name, value) in variables {
            if let Some(variable) = frame.variable_mut(&name) {
                variable.value = value;
            }
        }
        let count = pairs.len();
        self.output(update.output.as_ref(), &changed, &pairs, frame, answer)?;
        self.rows = i64::try_from(count).unwrap_or(i64::MAX);
        answer.done(self.counted(count as u64), Command::Update);
        Ok(())
    }

    #[expect(clippy::type_complexity, reason = "rows, and the variables that were set on the way")]
    fn update_rows(
        &mut self,
        update: &Update,
        changed: &Changed,
        frame: &Frame,
    ) -> Result<(Vec<Pair>, Vec<(String, Datum)>), SqlError> {
        let table = Arc::clone(&changed.table);
        let mut places = Vec::new();
        for set in &update.sets {
            let Some(name) = &set.column else {
                places.push(None);
                continue;
            };
            let at = table.position(name).ok_or_else(|| errors::unknown_column(name))?;
            let column = &table.columns[at];
            if column.computed.is_some() {
                return Err(errors::computed_column(&column.name));
            }
            if column.identity.is_some() {
                return Err(errors::identity_update(&column.name));
            }
            if column.r#type == Type::RowVersion {
                return Err(SqlError::new(272, 16, 1, "Cannot update a timestamp column."));
            }
            places.push(Some(at));
        }
        let plan = self.matching(
            changed,
            &update.target,
            &update.from,
            update.filter.as_ref(),
            update.top.as_ref(),
            frame,
            |binder| update.sets.iter().map(|set| new_value(binder, set, &table)).collect(),
        )?;
        let mut rows = self.collect(&plan)?;
        // A row that a join finds twice is changed once.
        let mut seen = std::collections::HashSet::new();
        rows.retain(|row| matches!(row.first(), Some(Datum::BigInt(id)) if seen.insert(*id)));
        let width = table.columns.len();
        let (mut ids, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new());
        let mut variables = Vec::new();
        for row in rows {
            let Some(Datum::BigInt(id)) = row.first() else { continue };
            let old: Vec<Datum> = row[1..=width].to_vec();
            let mut new = old.clone();
            for (number, (set, place)) in update.sets.iter().zip(&places).enumerate() {
                let value = &row[width + 1 + number];
                let kind = &plan.columns[width + 1 + number].r#type;
                let mut assigned = value.clone();
                if let Some(at) = place {
                    assigned = self.assigned(value, kind, &table.columns[*at], changed, "UPDATE")?;
                    new[*at] = assigned.clone();
                }
                if let Some(variable) = &set.variable {
                    variables.push((variable.clone(), assigned));
                }
            }
            for (at, column) in table.columns.iter().enumerate().filter(|(_, column)| column.r#type == Type::RowVersion)
            {
                debug_assert!(column.computed.is_none());
                let next = self.server.row_version.fetch_add(1, Ordering::SeqCst) + 1;
                new[at] = Datum::Bytes(next.to_be_bytes().to_vec());
            }
            ids.push(*id);
            before.push(old);
            after.push(new);
        }
        self.replace_rows(changed, &places, &ids, &before, &after)?;
        let changes = before
            .iter()
            .zip(&after)
            .map(|(before, after)| Change::Update { before: before.clone(), after: after.clone() });
        self.log(changed, changes.collect())?;
        Ok((before.into_iter().map(Some).zip(after.into_iter().map(Some)).collect(), variables))
    }

    /// Writes changed rows. Where a key changes, all old rows go before the first new one comes: a statement may move keys
    /// about among its rows.
    fn replace_rows(
        &mut self,
        changed: &Changed,
        places: &[Option<usize>],
        ids: &[i64],
        before: &[Vec<Datum>],
        after: &[Vec<Datum>],
    ) -> Result<(), SqlError> {
        let table = Arc::clone(&changed.table);
        let key_changes = table
            .indexes
            .iter()
            .filter(|index| index.unique)
            .any(|index| key_places(&table, index).iter().any(|at| places.contains(&Some(*at))));
        if key_changes {
            self.delete_ids(changed, ids)?;
            self.store_rows(changed, after, "UPDATE", Some(ids))?;
            return self.check_referenced(changed, before, "UPDATE");
        }
        let mut written: Vec<usize> = places.iter().flatten().copied().collect();
        written.extend((0..table.columns.len()).filter(|at| table.columns[*at].r#type == Type::RowVersion));
        written.sort_unstable();
        written.dedup();
        if written.is_empty() {
            return Ok(());
        }
        let sets: Vec<_> = written
            .iter()
            .enumerate()
            .map(|(n, at)| format!("{} = ?{}", physical_column(&table.columns[*at].name), n + 1))
            .collect();
        let sql = format!("UPDATE {} SET {} WHERE _rowid_ = ?{}", changed.physical, sets.join(", "), written.len() + 1);
        {
            let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.failure(error))?;
            for (id, row) in ids.iter().zip(after) {
                let mut values: Vec<Value> = written.iter().map(|at| to_sqlite(&row[*at])).collect();
                values.push(Value::Integer(*id));
                statement.execute(rusqlite::params_from_iter(values)).map_err(|error| self.failure(error))?;
            }
        }
        self.check_rows(changed, ids, "UPDATE")
    }

    fn delete_ids(&self, changed: &Changed, ids: &[i64]) -> Result<(), SqlError> {
        let sql = format!("DELETE FROM {} WHERE _rowid_ = ?1", changed.physical);
        let mut statement = self.connection.prepare_cached(&sql).map_err(|error| self.failure(error))?;
        for id in ids {
            statement.execute([id]).map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        delete: &Delete,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        if !delete.with.is_empty() {
            return Err(errors::unsupported("DELETE of a common table expression"));
        }
        let changed = self.target_of(&delete.target, &delete.from, frame)?;
        self.may_change(&changed, "DELETE")?;
        if !changed.temporary {
            self.begin_implicitly(answer);
        }
        self.lock(&changed.database, changed.table.id, Mode::IntentExclusive, Scope::Transaction, false)?;
        let database = changed.database.clone();
        let frame_ref = &*frame;
        let pairs = self.writing(&database, changed.temporary, |core| {
            let plan = core.matching(
                &changed,
                &delete.target,
                &delete.from,
                delete.filter.as_ref(),
                delete.top.as_ref(),
                frame_ref,
                |_| Ok(Vec::new()),
            )?;
            let mut rows = core.collect(&plan)?;
            let mut seen = std::collections::HashSet::new();
            rows.retain(|row| matches!(row.first(), Some(Datum::BigInt(id)) if seen.insert(*id)));
            let ids: Vec<i64> =
                rows.iter().filter_map(|row| if let Datum::BigInt(id) = row[0] { Some(id) } else { None }).collect();
            let before: Vec<Vec<Datum>> = rows.into_iter().map(|mut row| row.split_off(1)).collect();
            core.delete_ids(&changed, &ids)?;
            core.check_referenced(&changed, &before, "DELETE")?;
            core.log(&changed, before.iter().map(|row| Change::Delete { before: row.clone() }).collect())?;
            Ok(before.into_iter().map(|row| (Some(row), None)).collect::<Vec<Pair>>())
        })?;
        let count = pairs.len();
        self.output(delete.output.as_ref(), &changed, &pairs, frame, answer)?;
        self.rows = i64::try_from(count).unwrap_or(i64::MAX);
        answer.done(self.counted(count as u64), Command::Delete);
        Ok(())
    }

    /// `OUTPUT inserted.a, deleted.b [INTO t]`: a query over the rows that were changed.
    fn output(
        &mut self,
        output: Option<&Output>,
        changed: &Changed,
        pairs: &[Pair],
        frame: &Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        let Some(output) = output else { return Ok(()) };
        let columns: Vec<Column> = changed
            .table
            .columns
            .iter()
            .map(|column| Column { nullable: column.nullable, ..Column::new(&column.name, column.r#type.clone()) })
            .collect();
        let both: Vec<Column> = columns.iter().chain(&columns).cloned().collect();
        let nothing = vec![Datum::Null; columns.len()];
        let rows: Vec<Vec<Datum>> = pairs
            .iter()
            .map(|(before, after)| {
                before.as_ref().unwrap_or(&nothing).iter().chain(after.as_ref().unwrap_or(&nothing)).cloned().collect()
            })
            .collect();
        let physical = self.materialise(&both, &rows)?;
        let mut binder = Binder::new(self, frame);
        let mut scope = NameScope::default();
        for (name, offset) in [("deleted", 0), ("inserted", columns.len())] {
            let shown = columns.iter().enumerate().map(|(at, column)| ScopeColumn {
                name: column.name.clone(),
                bound: Bound::new(format!("o.c{}", at + offset), column.r#type.clone(), column.nullable),
            });
            scope.tables.push(ScopeTable { name: name.to_owned(), columns: shown.collect(), ..ScopeTable::default() });
        }
        binder.scopes.push(scope);
        let mut found = Vec::new();
        for item in &output.items {
            match item {
                SelectItem::QualifiedStar(qualifier) => {
                    let mut star = Vec::new();
                    binder.star(qualifier, &mut star)?;
                    found.extend(star.into_iter().map(|column| (column.name, column.bound)));
                }
                SelectItem::Expr { expr, alias } => {
                    let own = if let Expr::Column(parts) = expr { parts.last().cloned() } else { None };
                    found.push((alias.clone().or(own).unwrap_or_default(), binder.value(expr)?));
                }
                SelectItem::Star | SelectItem::Assign { .. } => return Err(errors::syntax_near("*")),
            }
        }
        let items: Vec<_> = found.iter().map(|(_, bound)| bound.sql.as_str()).collect();
        let sql = format!("SELECT {} FROM {physical} AS o ORDER BY o._rowid_", items.join(", "));
        let shown: Vec<Column> = found
            .iter()
            .map(|(name, bound)| Column { nullable: bound.nullable, ..Column::new(name, bound.r#type.clone()) })
            .collect();
        let plan = binder.into_plan(sql, shown, Vec::new());
        let rows = self.collect(&plan)?;
        if let Some((target, names)) = &output.into {
            let into = self.changed(target, frame)?;
            let places = self.insert_places(&into.table, names)?;
            let kinds = count_matches(&plan.columns, places.len()).map_err(|_| errors::values_count())?;
            let rows = rows.into_iter().map(|row| row.into_iter().map(Some).collect()).collect();
            self.writing(&into.database.clone(), into.temporary, |core| {
                core.insert_rows(&into, &places, rows, &[kinds])
            })?;
            return Ok(());
        }
        if answer.columns(&plan.columns) == Flow::Continue {
            for row in &rows {
                if answer.row(row) == Flow::Stop {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Rows into a table that was just made from them.
    pub(super) fn insert_rows_into(
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

    pub(super) fn truncate(&mut self, name: &ObjectName, answer: &mut dyn Answer) -> Result<(), SqlError> {
        let changed = self.changed(&Target::Named { name: name.clone(), hints: Vec::new() }, &Frame::default())?;
        self.may_change(&changed, "ALTER")?;
        self.begin_implicitly(answer);
        let object_id = changed.table.id;
        self.lock(&changed.database, object_id, Mode::Exclusive, Scope::Transaction, false)?;
        if !changed.temporary {
            self.tell_before(&changed.database, &crate::cdc::Ddl::TruncateTable { object_id })?;
        }
        let database = changed.database.clone();
        self.writing(&database, changed.temporary, |core| {
            core.connection
                .execute_batch(&format!("DELETE FROM {}", changed.physical))
                .map_err(|error| core.failure(error))?;
            lock(&core.server.identities).remove(&(identity_scope(&changed), object_id));
            let sql = format!("DELETE FROM {}.standin_identity WHERE object_id = ?1", catalog_alias(&changed));
            core.connection.execute(&sql, [object_id]).map(|_| ()).map_err(|error| core.failure(error))
        })?;
        answer.done(None, Command::Truncate);
        Ok(())
    }

    /// The last identity value of a table; none if it never had one.
    pub(super) fn current_identity(&mut self, database: &InDatabase, table: &Table) -> Result<Option<i64>, SqlError> {
        if table.name.starts_with(['#', '@']) {
            return identity(&self.connection, "main", table.id).map_err(|error| self.failure(error));
        }
        if let Some(last) = lock(&self.server.identities).get(&(database.id, table.id)) {
            return Ok(Some(*last));
        }
        identity(&self.connection, &database.alias(), table.id).map_err(|error| self.failure(error))
    }

    fn next_identity(&mut self, changed: &Changed, column: &TableColumn) -> Result<Datum, SqlError> {
        let (seed, step) = column.identity.unwrap_or((1, 1));
        let last = self.current_identity(&changed.database, &changed.table)?;
        let next =
            last.map_or(Some(seed), |last| last.checked_add(step)).ok_or_else(|| errors::overflow(&column.r#type))?;
        let value = convert::from_number(
            crate::sql::value::number::Number::Exact { unscaled: i128::from(next), scale: 0 },
            &Type::BigInt,
            &column.r#type,
        )
        .map_err(|_| {
            SqlError::new(
                8115,
                16,
                1,
                format!("Arithmetic overflow error converting IDENTITY to data type {}.", types::name(&column.r#type)),
            )
        })?;
        self.keep_identity(changed, next)?;
        Ok(value)
    }

    /// A value that was given explicitly counts when it goes further.
    fn note_identity(&mut self, changed: &Changed, value: &Datum) -> Result<(), SqlError> {
        let given = crate::sql::value::number::Number::of(value).and_then(crate::sql::value::number::Number::truncated);
        let Some(given) = given.and_then(|given| i64::try_from(given).ok()) else { return Ok(()) };
        let last = self.current_identity(&changed.database, &changed.table)?;
        self.identity = Some(given);
        if last.is_none_or(|last| given > last) {
            self.keep_identity(changed, given)?;
        }
        Ok(())
    }

    fn keep_identity(&mut self, changed: &Changed, last: i64) -> Result<(), SqlError> {
        if !changed.temporary {
            lock(&self.server.identities).insert((changed.database.id, changed.table.id), last);
        }
        self.identity = Some(last);
        let alias = catalog_alias(changed);
        set_identity(&self.connection, &alias, changed.table.id, last).map_err(|error| self.failure(error))
    }
}

fn catalog_alias(changed: &Changed) -> String {
    if changed.temporary { "main".to_owned() } else { changed.database.alias() }
}

fn identity_scope(changed: &Changed) -> i32 {
    if changed.temporary { 0 } else { changed.database.id }
}

fn count_matches(columns: &[Column], wanted: usize) -> Result<Vec<Type>, SqlError> {
    match columns.len().cmp(&wanted) {
        std::cmp::Ordering::Less => Err(errors::column_count()),
        std::cmp::Ordering::Greater => Err(errors::too_many_values()),
        std::cmp::Ordering::Equal => Ok(columns.iter().map(|column| column.r#type.clone()).collect()),
    }
}

fn key_places(table: &Table, index: &Index) -> Vec<usize> {
    let position = |id: i32| table.columns.iter().position(|column| column.id == id);
    index.columns.iter().filter_map(|(id, _)| position(*id)).collect()
}

fn target_name(target: &Target) -> String {
    match target {
        Target::Named { name, .. } => name.object.clone(),
        Target::Variable(name) => name.clone(),
    }
}

fn find_alias<'t>(table: &'t TableRef, wanted: &str) -> Option<&'t ObjectName> {
    match table {
        TableRef::Named { name, alias: Some(alias), .. } if alias.eq_ignore_ascii_case(wanted) => Some(name),
        TableRef::Named { name, alias: None, .. } if name.object.eq_ignore_ascii_case(wanted) => Some(name),
        TableRef::Join { left, right, .. } | TableRef::Apply { left, right, .. } => {
            find_alias(left, wanted).or_else(|| find_alias(right, wanted))
        }
        _ => None,
    }
}

/// What a column or variable is set to, and its type.
fn new_value(binder: &mut Binder<'_>, set: &Assignment, table: &Table) -> Result<(String, Type), SqlError> {
    let expr = match (&set.value, &set.column) {
        (Some(expr), _) => expr.clone(),
        (None, Some(column)) => match table.column(column).and_then(|column| column.default.as_ref()) {
            Some(default) => parse::expression(&default.text).map_err(SqlError::from)?,
            None => Expr::Literal(crate::sql::parse::ast::Literal::Null),
        },
        (None, None) => return Err(errors::syntax_near("DEFAULT")),
    };
    let expr = match (set.op, &set.column, &set.variable) {
        (Some(op), Some(column), _) => Expr::Binary(Box::new(Expr::Column(vec![column.clone()])), op, Box::new(expr)),
        (Some(op), None, Some(variable)) => {
            Expr::Binary(Box::new(Expr::Variable(variable.clone())), op, Box::new(expr))
        }
        _ => expr,
    };
    let bound = binder.value(&expr)?;
    Ok((bound.sql, bound.r#type))
}
