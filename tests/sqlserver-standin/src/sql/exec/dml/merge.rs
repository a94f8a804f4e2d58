//! `MERGE`: rows of the target and the source are put side by side, each row's action is found, then all of it is done.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::update::{Sets, new_value};
use super::{Changed, Pair};
use crate::cdc::Change;
use crate::data::{Column, Datum, SqlError, Type};
use crate::locks::{Mode, Scope};
use crate::session::{Answer, Command};
use crate::sql::catalog::physical_column;
use crate::sql::errors;
use crate::sql::exec::core::Core;
use crate::sql::exec::frame::Frame;
use crate::sql::parse::ast::{Merge, MergeAction, MergeThen, MergeWhen, Target};
use crate::sql::plan::{Binder, Plan, Scope as NameScope};

/// An action, and where its values stand in a row: the condition first.
struct Step<'a> {
    action: &'a MergeAction,
    at: usize,
    kind: StepKind<'a>,
}

enum StepKind<'a> {
    Update(Sets<'a>),
    Delete,
    /// The positions of the columns that values are given for, each with whether it is `DEFAULT`.
    Insert(Vec<(usize, bool)>),
}

/// What is to be done.
#[derive(Default)]
struct Work {
    touched: HashSet<i64>,
    deleted: Vec<(i64, Vec<Datum>)>,
    updated: Vec<(i64, Vec<Datum>, Vec<Datum>)>,
    set: BTreeSet<usize>,
    inserted: Vec<Vec<Option<Datum>>>,
    insert_places: Vec<usize>,
    insert_kinds: Vec<Type>,
}

impl Core {
    pub(in crate::sql::exec) fn merge(
        &mut self,
        merge: &Merge,
        frame: &mut Frame,
        answer: &mut dyn Answer,
    ) -> Result<(), SqlError> {
        let changed = self.changed(&merge.target, frame)?;
        for action in &merge.actions {
            self.may_change(&changed, permission(action))?;
        }
        if !changed.temporary {
            self.begin_implicitly(answer);
        }
        self.lock(&changed.database, changed.table.id, Mode::IntentExclusive, Scope::Transaction, false)?;
        let database = changed.database.clone();
        let seen = &*frame;
        let pairs = self.writing(&database, changed.temporary, |core| core.merge_rows(merge, &changed, seen))?;
        let count = pairs.len();
        self.output_of(merge.output.as_ref(), &changed, &pairs, frame, answer, true)?;
        self.rows = i64::try_from(count).unwrap_or(i64::MAX);
        answer.done(self.counted(count as u64), Command::Merge);
        Ok(())
    }

    fn merge_rows(&mut self, merge: &Merge, changed: &Changed, frame: &Frame) -> Result<Vec<Pair>, SqlError> {
        let mut work = Work::default();
        let by_source = |action: &&MergeAction| action.when == MergeWhen::NotMatchedBySource;
        for left_over in [false, true] {
            let actions: Vec<_> = merge.actions.iter().filter(|action| by_source(action) == left_over).collect();
            if !actions.is_empty() {
                let (plan, steps) = self.side_by_side(merge, &actions, changed, frame, left_over)?;
                self.sort_out(&plan, &steps, changed, &mut work)?;
            }
        }
        self.carry_out(work, changed)
    }

    /// The rows of the source with those of the target that match, or the target's rows that no row of the source matches.
    fn side_by_side<'a>(
        &mut self,
        merge: &Merge,
        actions: &[&'a MergeAction],
        changed: &Changed,
        frame: &Frame,
        left_over: bool,
    ) -> Result<(Plan, Vec<Step<'a>>), SqlError> {
        let table = Arc::clone(&changed.table);
        let given = actions.iter().map(|action| match &action.then {
            MergeThen::Insert { columns, values } => self.insert_places(&table, columns).and_then(|places| {
                let width = values.as_ref().map_or(places.len(), Vec::len);
                if width == places.len() { Ok(places) } else { Err(errors::values_count()) }
            }),
            MergeThen::Update(_) | MergeThen::Delete => Ok(Vec::new()),
        });
        let given: Vec<Vec<usize>> = given.collect::<Result<_, _>>()?;
        let mut binder = Binder::new(self, frame);
        binder.scopes.push(NameScope::default());
        let source = binder.table_ref(&merge.source)?;
        let called = merge.alias.as_deref().unwrap_or(match &merge.target {
            Target::Named { name, .. } => &name.object,
            Target::Variable(name) => name,
        });
        let aliased = merge.alias.is_some();
        let target = binder.table(&table, &changed.physical, &changed.database, called, aliased)?;
        let on = binder.condition(&merge.on)?;
        let alias = target.rsplit(' ').next().unwrap_or_default();
        let mut items = vec![(format!("{alias}._rowid_"), Type::BigInt)];
        items.extend(table.columns.iter().map(|column| {
            let stored = column.computed.is_none().then(|| format!("{alias}.{}", physical_column(&column.name)));
            (stored.unwrap_or_else(|| "NULL".to_owned()), column.r#type.clone())
        }));
        let mut steps = Vec::new();
        for (action, places) in actions.iter().zip(given) {
            let at = items.len();
            let condition = action.condition.as_ref().map(|condition| binder.condition(condition)).transpose()?;
            items.push((condition.unwrap_or_else(|| "1".to_owned()), Type::Bit));
            let kind = match &action.then {
                MergeThen::Update(sets) => {
                    for set in sets {
                        items.push(new_value(&mut binder, set, &table, called)?);
                    }
                    StepKind::Update(Sets::new(sets, &table)?)
                }
                MergeThen::Delete => StepKind::Delete,
                MergeThen::Insert { values, .. } => {
                    let mut filled = Vec::new();
                    for (number, place) in places.into_iter().enumerate() {
                        let value = values.as_ref().and_then(|values| values[number].as_ref());
                        filled.push((place, value.is_none()));
                        items.push(match value {
                            Some(expr) => {
                                let bound = binder.value(expr)?;
                                (bound.sql, bound.r#type)
                            }
                            None => ("NULL".to_owned(), table.columns[place].r#type.clone()),
                        });
                    }
                    StepKind::Insert(filled)
                }
            };
            steps.push(Step { action, at, kind });
        }
        let shown: Vec<_> = items.iter().map(|(sql, _)| sql.as_str()).collect();
        let shown = shown.join(", ");
        let sql = if left_over {
            format!("SELECT {shown} FROM {target} WHERE NOT EXISTS (SELECT 1 FROM {source} WHERE {on})")
        } else {
            format!("SELECT {shown} FROM ({source}) LEFT JOIN {target} ON {on}")
        };
        let columns = items.into_iter().map(|(_, kind)| Column::new("", kind)).collect();
        Ok((binder.into_plan(sql, columns, Vec::new()), steps))
    }

    /// Finds what is to be done with each row: the first action that is for it and whose condition holds.
    fn sort_out(
        &mut self,
        plan: &Plan,
        steps: &[Step<'_>],
        changed: &Changed,
        work: &mut Work,
    ) -> Result<(), SqlError> {
        let width = changed.table.columns.len();
        for row in self.collect(plan)? {
            let id = if let Datum::BigInt(id) = row[0] { Some(id) } else { None };
            let step = steps.iter().find(|step| {
                let for_it = (step.action.when == MergeWhen::NotMatchedByTarget) == id.is_none();
                for_it && row[step.at] == Datum::Bit(true)
            });
            let Some(step) = step else { continue };
            if id.is_some_and(|id| !work.touched.insert(id)) {
                return Err(errors::merged_twice());
            }
            let old = row[1..=width].to_vec();
            let values = row[step.at + 1..].iter().zip(&plan.columns[step.at + 1..]);
            match (&step.kind, id) {
                (StepKind::Update(sets), Some(id)) => {
                    let new = self.set_row(changed, sets, &old, values, &mut Vec::new())?;
                    work.set.extend(sets.places.iter().flatten());
                    work.updated.push((id, old, new));
                }
                (StepKind::Delete, Some(id)) => work.deleted.push((id, old)),
                (StepKind::Insert(filled), _) => {
                    let values = filled.iter().zip(values);
                    let given = values.clone().map(|((_, default), (value, _))| (!default).then(|| value.clone()));
                    work.inserted.push(given.collect());
                    work.insert_kinds = values.map(|(_, (_, column))| column.r#type.clone()).collect();
                    work.insert_places = filled.iter().map(|(place, _)| *place).collect();
                }
                (StepKind::Update(_) | StepKind::Delete, None) => {}
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, work: Work, changed: &Changed) -> Result<Vec<Pair>, SqlError> {
        let (ids, removed): (Vec<i64>, Vec<Vec<Datum>>) = work.deleted.into_iter().unzip();
        self.delete_ids(changed, &ids)?;
        let mut changes: Vec<Change> = removed.iter().map(|before| Change::Delete { before: before.clone() }).collect();
        let (mut ids, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new());
        for (id, old, new) in work.updated {
            changes.push(Change::Update { before: old.clone(), after: new.clone() });
            ids.push(id);
            before.push(old);
            after.push(new);
        }
        let places: Vec<_> = work.set.into_iter().map(Some).collect();
        self.replace_rows(changed, &places, &ids, &before, &after)?;
        self.check_referenced(changed, &removed, "MERGE")?;
        self.log(changed, changes)?;
        let inserted = if work.inserted.is_empty() {
            Vec::new()
        } else {
            self.insert_rows(changed, &work.insert_places, work.inserted, &[work.insert_kinds])?
        };
        let updated = before.into_iter().map(Some).zip(after.into_iter().map(Some));
        Ok(inserted.into_iter().chain(updated).chain(removed.into_iter().map(|row| (Some(row), None))).collect())
    }
}

fn permission(action: &MergeAction) -> &'static str {
    match action.then {
        MergeThen::Update(_) => "UPDATE",
        MergeThen::Delete => "DELETE",
        MergeThen::Insert { .. } => "INSERT",
    }
}
