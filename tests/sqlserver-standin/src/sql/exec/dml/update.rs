//! `UPDATE`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::find::target_name;
use super::{Changed, Pair};
use crate::cdc::Change;
use crate::data::{Column, Datum, SqlError, Type};
use crate::locks::{Mode, Scope};
use crate::session::{Answer, Command};
use crate::sql::catalog::Table;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::parse::ast::{Assignment, Expr, Literal, Update};
use crate::sql::plan::Binder;
use crate::sql::{errors, parse};

impl Core {
    pub(in crate::sql::exec) fn update(
        &mut self,
        update: &Update,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        if !update.with.is_empty() {
            return Err(errors::unsupported("UPDATE", "UPDATE of a common table expression"));
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
        let sets = Sets::new(&update.sets, &table)?;
        let called = target_name(&update.target);
        let plan = self.matching(
            changed,
            &update.target,
            &update.from,
            update.filter.as_ref(),
            update.top.as_ref(),
            frame,
            |binder| update.sets.iter().map(|set| new_value(binder, set, &table, &called)).collect(),
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
            let values = row[width + 1..].iter().zip(&plan.columns[width + 1..]);
            after.push(self.set_row(changed, &sets, &old, values, &mut variables)?);
            ids.push(*id);
            before.push(old);
        }
        self.replace_rows(changed, &sets.places, &ids, &before, &after)?;
        let changes = before
            .iter()
            .zip(&after)
            .map(|(before, after)| Change::Update { before: before.clone(), after: after.clone() });
        self.log(changed, changes.collect())?;
        Ok((before.into_iter().map(Some).zip(after.into_iter().map(Some)).collect(), variables))
    }

    /// A row with its new values; the variables that are set on the way are added to those before.
    pub(super) fn set_row<'v>(
        &self,
        changed: &Changed,
        sets: &Sets<'_>,
        old: &[Datum],
        values: impl Iterator<Item = (&'v Datum, &'v Column)>,
        variables: &mut Vec<(String, Datum)>,
    ) -> Result<Vec<Datum>, SqlError> {
        let table = &changed.table;
        let mut new = old.to_vec();
        for ((set, place), (value, column)) in sets.sets.iter().zip(&sets.places).zip(values) {
            let mut assigned = value.clone();
            if let Some(at) = place {
                assigned = self.assigned(value, &column.r#type, &table.columns[*at], changed, "UPDATE")?;
                new[*at] = assigned.clone();
            }
            if let Some(variable) = &set.variable {
                variables.push((variable.clone(), assigned));
            }
        }
        for (value, _) in new.iter_mut().zip(&table.columns).filter(|(_, column)| column.r#type == Type::RowVersion) {
            let next = self.server.row_version.fetch_add(1, Ordering::SeqCst) + 1;
            *value = Datum::Bytes(next.to_be_bytes().to_vec());
        }
        Ok(new)
    }
}

/// What is set, and the positions of the columns among it.
pub(super) struct Sets<'a> {
    sets: &'a [Assignment],
    /// `None` for a variable alone.
    pub(super) places: Vec<Option<usize>>,
}

impl<'a> Sets<'a> {
    pub(super) fn new(sets: &'a [Assignment], table: &Table) -> Result<Self, SqlError> {
        let place = |set: &Assignment| {
            let Some(name) = &set.column else { return Ok(None) };
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
            Ok(Some(at))
        };
        Ok(Self { sets, places: sets.iter().map(place).collect::<Result<_, _>>()? })
    }
}

/// What a column or variable is set to, and its type; `called` is the target's name in the statement.
pub(super) fn new_value(
    binder: &mut Binder<'_>,
    set: &Assignment,
    table: &Table,
    called: &str,
) -> Result<(String, Type), SqlError> {
    let expr = match (&set.value, &set.column) {
        (Some(expr), _) => expr.clone(),
        (None, Some(column)) => match table.column(column).and_then(|column| column.default.as_ref()) {
            Some(default) => parse::expression(&default.text).map_err(SqlError::from)?,
            None => Expr::Literal(Literal::Null),
        },
        (None, None) => return Err(errors::syntax_near("DEFAULT")),
    };
    let expr = match (set.op, &set.column, &set.variable) {
        (Some(op), Some(column), _) => {
            Expr::Binary(Box::new(Expr::Column(vec![called.to_owned(), column.clone()])), op, Box::new(expr))
        }
        (Some(op), None, Some(variable)) => {
            Expr::Binary(Box::new(Expr::Variable(variable.clone())), op, Box::new(expr))
        }
        _ => expr,
    };
    let bound = binder.value(&expr)?;
    Ok((bound.sql, bound.r#type))
}
