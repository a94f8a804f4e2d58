//! `FROM`: tables, views, functions, derived tables and joins.

use std::sync::Arc;

use crate::data::{Column, SqlError};
use crate::sql::catalog::{Table, View, physical_column};
use crate::sql::exec::{InDatabase, Source};
use crate::sql::function::Rows;
use crate::sql::parse::ast::{Expr, Hint, JoinKind, ObjectName, Query, StatementKind, TableRef};
use crate::sql::{errors, parse};

use super::query::{BoundQuery, Place, facts_of};
use super::{Binder, Bound, Read, Scope, ScopeColumn, ScopeTable, recursion};

impl Binder<'_> {
    pub(super) fn from(&mut self, tables: &[TableRef]) -> Result<String, SqlError> {
        let parts: Vec<_> = tables.iter().map(|table| self.table_ref(table)).collect::<Result<_, _>>()?;
        Ok(parts.join(", "))
    }

    /// Puts a table in sight; its SQL.
    pub(crate) fn table_ref(&mut self, table: &TableRef) -> Result<String, SqlError> {
        match table {
            TableRef::Named { name, alias, hints } => self.named(name, alias.as_deref(), hints),
            TableRef::Variable { name, alias } => {
                let table = self.core.table_variable(self.frame, name)?;
                let called = alias.clone().unwrap_or_else(|| name.clone());
                let database = self.database.clone();
                let physical = self.core.temporary_name(&table);
                self.table(&table, &physical, &database, &called, alias.is_some())
            }
            TableRef::Function { name, arguments, alias, columns } => {
                self.function(name, arguments, alias.as_deref(), columns)
            }
            TableRef::Derived { query, alias, columns } => {
                let query = self.beside(|binder| binder.query(query, Place::Derived))?;
                self.derived(query, alias, columns)
            }
            TableRef::Values { rows, alias, columns } => self.values(rows, alias, columns),
            TableRef::Join { left, right, kind, on } => self.join(left, right, *kind, on.as_ref()),
            TableRef::Apply { left, right, outer } => {
                let left = self.table_ref(left)?;
                let before = self.tables_in_sight();
                let right = self.table_ref(right).map_err(|error| match error.number {
                    4104 | 207 => errors::unsupported("APPLY", "APPLY of what refers to the table before it"),
                    _ => error,
                })?;
                if *outer {
                    self.make_nullable(before, usize::MAX);
                    return Ok(format!("{left} LEFT JOIN {right} ON 1"));
                }
                Ok(format!("{left} CROSS JOIN {right}"))
            }
        }
    }

    /// Tables of one `FROM` do not see one another, only those of queries around.
    fn beside<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        let own = self.scopes.pop();
        let result = bind(self);
        self.scopes.extend(own);
        result
    }

    fn tables_in_sight(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.tables.len())
    }

    fn make_nullable(&mut self, from: usize, to: usize) {
        let Some(scope) = self.scopes.last_mut() else { return };
        let to = to.min(scope.tables.len());
        for table in &mut scope.tables[from.min(to)..to] {
            for column in &mut table.columns {
                column.bound.nullable = true;
            }
        }
    }

    fn join(
        &mut self,
        left: &TableRef,
        right: &TableRef,
        kind: JoinKind,
        on: Option<&Expr>,
    ) -> Result<String, SqlError> {
        let start = self.tables_in_sight();
        let left = self.table_ref(left)?;
        let middle = self.tables_in_sight();
        let nested = matches!(right, TableRef::Join { .. });
        let right = self.table_ref(right)?;
        let right = if nested { format!("({right})") } else { right };
        let on = on.map(|on| self.condition(on)).transpose()?;
        let word = match kind {
            JoinKind::Inner => "JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::Full => "FULL JOIN",
            JoinKind::Cross => "CROSS JOIN",
        };
        if matches!(kind, JoinKind::Left | JoinKind::Full) {
            self.make_nullable(middle, usize::MAX);
        }
        if matches!(kind, JoinKind::Right | JoinKind::Full) {
            self.make_nullable(start, middle);
        }
        let on = on.map(|on| format!(" ON {on}")).unwrap_or_default();
        Ok(format!("{left} {word} {right}{on}"))
    }

    fn named(&mut self, name: &ObjectName, alias: Option<&str>, hints: &[Hint]) -> Result<String, SqlError> {
        let called = alias.unwrap_or(&name.object);
        let bare = name.schema.is_none() && name.database.is_none();
        if bare && let Some(itself) = self.recursive_reference(&name.object, called)? {
            return Ok(itself);
        }
        if bare && let Some(at) = self.ctes.iter().rposition(|cte| cte.name.eq_ignore_ascii_case(&name.object)) {
            return self.cte(at, called);
        }
        match self.core.resolve(name, &self.database.clone())? {
            Source::Table { table, physical, database } => {
                if self.depth == 0 {
                    self.core.check_select(&database, &table.schema, &table.name, table.id)?;
                }
                self.reads.push(Read { database: database.id, object_id: table.id, hints: hints.to_vec() });
                self.table(&table, &physical, &database, called, alias.is_some())
            }
            Source::View { view, database } => {
                if self.depth == 0 {
                    self.core.check_select(&database, &view.schema, &view.name, view.id)?;
                }
                self.view(&view, database, called)
            }
            Source::Rows { physical, columns, schema, database, table } => {
                if let Some(table) = table.filter(|_| self.depth == 0) {
                    self.core.check_select(&database, &schema, &name.object, table)?;
                }
                self.rows(&physical, &columns, &schema, &database, called)
            }
        }
    }

    /// A common table expression: bound anew wherever it is named, with what it saw itself.
    fn cte(&mut self, at: usize, called: &str) -> Result<String, SqlError> {
        let cte = self.ctes[at].clone();
        let hidden = self.ctes.split_off(cte.sees);
        let query = self.beside(|binder| match recursion::members(&cte.query, &cte.name) {
            Some((anchor, member)) => binder.recursive(&cte.name, &cte.columns, anchor, member),
            None => binder.query(&cte.query, Place::Derived),
        });
        self.ctes.extend(hidden);
        self.derived(query?, called, &cte.columns)
    }

    /// A table of a database, or a temporary one. Public to DML, which reads its target so.
    pub(crate) fn table(
        &mut self,
        table: &Arc<Table>,
        physical: &str,
        database: &InDatabase,
        called: &str,
        aliased: bool,
    ) -> Result<String, SqlError> {
        let alias = self.alias();
        let mut scope_table = ScopeTable {
            name: called.to_owned(),
            schema: if aliased { String::new() } else { table.schema.clone() },
            database: if aliased { String::new() } else { database.name.clone() },
            columns: Vec::new(),
        };
        for column in table.columns.iter().filter(|column| column.computed.is_none()) {
            let sql = format!("{alias}.{}", physical_column(&column.name));
            let large = column.r#type.is_legacy_large();
            let of =
                if large { vec![database.name.clone(), table.schema.clone(), table.name.clone()] } else { Vec::new() };
            let facts = facts_of(&column.name, column.identity.is_some(), false, of);
            let bound = Bound { column: Some(facts), ..Bound::new(sql, column.r#type.clone(), column.nullable) };
            scope_table.columns.push(ScopeColumn { name: column.name.clone(), bound });
        }
        self.computed_columns(table, database, &mut scope_table)?;
        self.put(scope_table);
        Ok(format!("{physical} AS {alias}"))
    }

    /// Computed columns are their expressions over the others, at the place that they have.
    fn computed_columns(
        &mut self,
        table: &Table,
        database: &InDatabase,
        scope_table: &mut ScopeTable,
    ) -> Result<(), SqlError> {
        for (at, column) in table.columns.iter().enumerate() {
            let Some(computed) = &column.computed else { continue };
            let expr = parse::expression(&computed.text).map_err(SqlError::from)?;
            let only = Scope { tables: vec![scope_table.clone()], ..Scope::default() };
            let bound = self.in_function(database.clone(), Vec::new(), |binder| {
                binder.scopes.push(only);
                let bound = binder.value(&expr)?;
                binder.in_type(&bound, &column.r#type)
            })?;
            let facts = facts_of(&column.name, false, true, Vec::new());
            let bound = Bound { column: Some(facts), ..Bound::new(bound, column.r#type.clone(), column.nullable) };
            scope_table
                .columns
                .insert(at.min(scope_table.columns.len()), ScopeColumn { name: column.name.clone(), bound });
        }
        Ok(())
    }

    pub(super) fn put(&mut self, table: ScopeTable) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.tables.push(table);
        }
    }

    fn view(&mut self, view: &View, database: InDatabase, called: &str) -> Result<String, SqlError> {
        let statements = parse::batch(&view.text, true).map_err(SqlError::from)?;
        let Some(StatementKind::CreateView { query, columns, .. }) =
            statements.into_iter().next().map(|statement| statement.kind)
        else {
            return Err(errors::unknown_object(&view.name));
        };
        let query = self.in_function(database, Vec::new(), |binder| binder.query(&query, Place::Derived))?;
        self.derived(query, called, &columns)
    }

    fn rows(
        &mut self,
        physical: &str,
        columns: &[Column],
        schema: &str,
        database: &InDatabase,
        called: &str,
    ) -> Result<String, SqlError> {
        let alias = self.alias();
        let columns = columns.iter().enumerate().map(|(at, column)| ScopeColumn {
            name: column.name.clone(),
            bound: Bound {
                column: Some(facts_of(&column.name, false, false, Vec::new())),
                ..Bound::new(format!("{alias}.c{at}"), column.r#type.clone(), column.nullable)
            },
        });
        let table = ScopeTable {
            name: called.to_owned(),
            schema: schema.to_owned(),
            database: database.name.clone(),
            columns: columns.collect(),
        };
        self.put(table);
        Ok(format!("{physical} AS {alias}"))
    }

    fn derived(&mut self, query: BoundQuery, called: &str, names: &[String]) -> Result<String, SqlError> {
        let alias = self.alias();
        if !names.is_empty() && names.len() != query.columns.len() {
            let message = format!(
                "'{called}' has {} columns than were specified in the column list.",
                if names.len() < query.columns.len() { "more" } else { "fewer" }
            );
            return Err(SqlError::new(if names.len() < query.columns.len() { 8158 } else { 8159 }, 16, 1, message));
        }
        let mut columns: Vec<ScopeColumn> = Vec::new();
        for (at, column) in query.columns.iter().enumerate() {
            let name = names.get(at).cloned().unwrap_or_else(|| column.name.clone());
            if name.is_empty() {
                return Err(errors::no_column_name(at + 1, called));
            }
            if columns.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
                return Err(SqlError::new(
                    8156,
                    16,
                    1,
                    format!("The column '{name}' was specified multiple times for '{called}'."),
                ));
            }
            let bound = Bound { sql: format!("{alias}.c{at}"), constant: None, ..column.bound.clone() };
            columns.push(ScopeColumn { name, bound });
        }
        self.put(ScopeTable { name: called.to_owned(), columns, ..ScopeTable::default() });
        Ok(format!("({}) AS {alias}", query.sql))
    }

    fn values(&mut self, rows: &[Vec<Expr>], called: &str, names: &[String]) -> Result<String, SqlError> {
        let bound: Vec<Vec<Bound>> =
            self.beside(|binder| rows.iter().map(|row| row.iter().map(|expr| binder.value(expr)).collect()).collect())?;
        let width = bound.first().map_or(0, Vec::len);
        if bound.iter().any(|row| row.len() != width) {
            return Err(SqlError::new(
                10_709,
                16,
                1,
                "The number of columns for each row in a table value constructor must be the same.",
            ));
        }
        let mut columns = Vec::new();
        for at in 0..width {
            let all: Vec<_> = bound.iter().map(|row| &row[at]).collect();
            let nullable = all.iter().any(|bound| bound.nullable);
            columns.push((self.common(&all), nullable));
        }
        let mut selects = Vec::new();
        for row in &bound {
            let mut items = Vec::new();
            for (at, (bound, (kind, _))) in row.iter().zip(&columns).enumerate() {
                items.push(format!("{} AS c{at}", self.in_type(bound, kind)?));
            }
            selects.push(format!("SELECT {}", items.join(", ")));
        }
        let alias = self.alias();
        let columns = columns.into_iter().enumerate().map(|(at, (kind, nullable))| ScopeColumn {
            name: names.get(at).cloned().unwrap_or_default(),
            bound: Bound::new(format!("{alias}.c{at}"), kind, nullable),
        });
        let table = ScopeTable { name: called.to_owned(), columns: columns.collect(), ..ScopeTable::default() };
        self.put(table);
        Ok(format!("({}) AS {alias}", selects.join(" UNION ALL ")))
    }

    /// A table-valued function: checked with its arguments' values now, expanded as the query that it is.
    fn function(
        &mut self,
        name: &ObjectName,
        arguments: &[Expr],
        alias: Option<&str>,
        columns: &[String],
    ) -> Result<String, SqlError> {
        let database = match &name.database {
            Some(database) => self.core.in_database(database)?,
            None => self.database.clone(),
        };
        let called = alias.unwrap_or(&name.object).to_owned();
        if name.schema.is_none()
            && let Some((found, rows)) = self.built_in_rows(&name.object, arguments)?
        {
            let physical = self.core.materialise(&found, &rows)?;
            return self.rows(&physical, &found, "", &database, &called);
        }
        let schema = name.schema.as_deref().unwrap_or("dbo");
        let function = self.core.table_function(&database, schema, &name.object)?;
        let Some(function) = function else { return Err(errors::unknown_object(&name.text())) };
        let full_name = format!("{schema}.{}", name.object);
        if arguments.len() < function.parameters.len() {
            return Err(errors::too_few_arguments(&full_name));
        }
        if arguments.len() > function.parameters.len() {
            return Err(errors::too_many_arguments(&full_name));
        }
        let refused = || errors::permission_denied("SELECT", &name.object, &database.name, schema);
        if let Some(source) = self.core.catalog(database.id)?.tables.get(&function.source)
            && self.core.check_select(&database, &source.schema, &source.name, source.id).is_err()
        {
            return Err(refused());
        }
        if let Some(role) = &function.role
            && !self.core.is_member_in(&database, role)?
        {
            return Err(refused());
        }
        let mut values = Vec::new();
        let mut parameters = Vec::new();
        for (argument, (parameter, kind)) in arguments.iter().zip(&function.parameters) {
            let bound = self.beside(|binder| binder.value(argument))?;
            let value = self.evaluate(&bound, kind)?;
            let bound = self.constant(value.clone(), kind.clone(), true);
            parameters.push((parameter.clone(), bound));
            values.push(value);
        }
        self.core.check_function(&database, &*function.check, &values)?;
        let query = parse_query(&function.select)?;
        let query = self.in_function(database, parameters, |binder| binder.query(&query, Place::Derived))?;
        self.derived(query, &called, columns)
    }

    fn built_in_rows(&mut self, name: &str, arguments: &[Expr]) -> Result<Option<Rows>, SqlError> {
        if !crate::sql::function::is_table_function(name) {
            return Ok(None);
        }
        let mut values = Vec::new();
        for argument in arguments {
            let bound = self.beside(|binder| binder.value(argument))?;
            let kind = bound.r#type.clone();
            values.push((self.evaluate(&bound, &kind)?, kind));
        }
        crate::sql::function::table_rows(name, &values).map(Some)
    }
}

/// A query that the stand-in itself wrote.
pub(crate) fn parse_query(text: &str) -> Result<Query, SqlError> {
    let mut statements = parse::batch(text, true).map_err(SqlError::from)?;
    match statements.pop().map(|statement| statement.kind) {
        Some(StatementKind::Query(query)) if statements.is_empty() => Ok(*query),
        _ => Err(errors::syntax_near(text)),
    }
}
