//! Reads the changed tables concurrently and merges their changes in commit order.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tributary_api::{Error, Result, Value};

use super::Streaming;
use super::cursor::{Cursor, Step};
use super::page::{self, PageStart, Pages, Row, has_changed};
use super::sent_rows::{SentRows, fingerprint};
use super::tables;
use crate::clock::now_nanos;
use crate::config::{QueryMode, Watermarks};
use crate::failure::Failure;
use crate::lsn::Lsn;
use crate::metrics::Kind;
use crate::offset::{CommitRows, Offset};
use crate::reader::{Flow, Reader};
use crate::record::{Change, Positions, SnapshotMark, Source};
use crate::signal::WINDOW_CLOSE;
use crate::transaction::Transaction;
use crate::types::ConversionError;

const DELETE: i64 = 1;
const INSERT: i64 = 2;
const UPDATE_BEFORE: i64 = 3;
const UPDATE_AFTER: i64 = 4;

/// How many pages are read concurrently. One connection stays free.
const READERS: usize = 3;
/// About how many bytes all pages of a merge may take together.
const BUDGET: usize = 16 * 1024 * 1024;
const FEWEST_ROWS: usize = 20;
const MOST_ROWS: usize = 5_000;

impl Reader {
    /// Sends the changes of the instances `changed` from `low` to `to`, merged. Returns whether there were any.
    pub(super) async fn merge(
        &mut self,
        streaming: &mut Streaming,
        changed: &[usize],
        low: Lsn,
        to: Lsn,
    ) -> Result<bool, Failure> {
        // An older instance is not read beyond the first position of the newer one.
        let known =
            |place: &&usize| streaming.instances.get(**place).is_some_and(|instance| !instance.has_stopped(low));
        let mut cursors: Vec<Cursor> =
            changed.iter().filter(known).map(|place| Cursor::new(*place, PageStart::At(low))).collect();
        let mut before = SentRows::new(self.offset);
        let mut sent = false;
        let mut current = None;
        loop {
            // The cursor of the last row goes on while it is before all others, which have not moved.
            let next = match current.filter(|current: &CurrentCursor| current.has_first_row(&cursors)) {
                Some(current) => current.cursor,
                None => {
                    self.refill(streaming, &mut cursors, to).await?;
                    let Some(first) = CurrentCursor::of_first(&cursors) else { break };
                    current.insert(first).cursor
                }
            };
            let Some(cursor) = cursors.get_mut(next) else { break };
            let step = cursor.step();
            let Some(row) = cursor.take() else { break };
            let instance = cursor.instance;
            // The newer instance has these rows, too: they are skipped and not counted.
            if streaming.instances.get(instance).is_none_or(|instance| instance.has_stopped(row.key.commit)) {
                continue;
            }
            if before.enter(row.key.commit) {
                streaming.backwards = false;
                self.refuse_other_rows(streaming, &mut before, row.key.commit);
            }
            streaming.backwards |= step == Step::Backwards;
            if before.has(row.key, streaming.backwards) {
                before.count(1);
                continue;
            }
            if streaming.migrates_at.is_some_and(|at| at <= row.key.commit) {
                self.migrate(&mut streaming.instances, row.key.commit).await?;
                streaming.migrates_at = tables::next_migration(&streaming.instances);
            }
            let after = if row.key.operation == UPDATE_BEFORE {
                if cursors.get(next).is_some_and(Cursor::needs_page) {
                    self.refill(streaming, &mut cursors, to).await?;
                }
                let after = cursors.get_mut(next).and_then(Cursor::take);
                Some(after.filter(|after| after.key.operation == UPDATE_AFTER).ok_or_else(|| incomplete_update(&row))?)
            } else {
                None
            };
            before.count(if after.is_some() { 2 } else { 1 });
            let rows = streaming.backwards.then(|| before.rows(|commit| self.fingerprint_of_rows(streaming, commit)));
            if self.send(streaming, instance, row, after, rows).await? == Flow::Stop {
                return Ok(true);
            }
            sent = true;
            if self.heartbeats.is_some() {
                self.send_heartbeat().await?;
            }
            if self.out.offer().await == Flow::Stop || self.stopping.is_cancelled() {
                // The task receives no more records. The position is that of the last change that was sent.
                return Ok(true);
            }
        }
        Ok(sent)
    }

    /// A stored number of rows is of use only if the same rows are read in the same order. Otherwise, as after a change of
    /// `table.include.list`, the whole commit is sent again.
    fn refuse_other_rows(&mut self, streaming: &Streaming, before: &mut SentRows, commit: Lsn) {
        let counted = before.counted(commit);
        if counted.is_none_or(|counted| counted.fingerprint == self.fingerprint_of_rows(streaming, commit)) {
            return;
        }
        tracing::warn!(database = %self.database, %commit, "other tables are read than when a part of this transaction was \
            sent, or in another order: all of it is sent again");
        self.offset = Some(Offset { commit: Some(commit), ..Offset::NONE });
        self.transaction = Transaction::default();
        *before = SentRows::new(self.offset);
        before.enter(commit);
    }

    /// A number that identifies which rows of a commit are read, and their order.
    fn fingerprint_of_rows(&self, streaming: &Streaming, commit: Lsn) -> i64 {
        let begun = streaming.instances.iter().filter(|instance| {
            instance.table.start.is_some_and(|start| start <= commit) && !instance.has_stopped(commit)
        });
        let ordered = self.settings.query_mode == QueryMode::Direct;
        let mut tables: Vec<_> =
            begun.map(|instance| (instance.table.object, ordered && instance.table.ordered)).collect();
        tables.sort_unstable();
        fingerprint(&tables, &self.settings.skipped)
    }

    /// Reads the next page of each cursor that has no rows, several concurrently.
    async fn refill(&self, streaming: &mut Streaming, cursors: &mut [Cursor], to: Lsn) -> Result<(), Failure> {
        if !cursors.iter().any(Cursor::needs_page) {
            return Ok(());
        }
        let pages =
            Pages { database: &self.database, mode: self.settings.query_mode, skipped: &self.settings.skipped, to };
        let of_signals: Vec<i64> =
            self.settings.skipped.iter().copied().filter(|operation| !self.is_followed(*operation)).collect();
        let share = BUDGET / cursors.len().max(1);
        let instances = &streaming.instances;
        let wanted = cursors.iter().enumerate().filter(|(_, cursor)| cursor.needs_page());
        let reads: Vec<_> = wanted
            .filter_map(|(place, cursor)| {
                let instance = instances.get(cursor.instance)?;
                let fitting = (share / instance.row_bytes()).clamp(FEWEST_ROWS, MOST_ROWS);
                let rows = self.settings.page.unwrap_or(fitting);
                let (from, mut pages) = (cursor.from, pages.clone());
                if self.settings.signals.is_table(&instance.table.source) {
                    pages.skipped = &of_signals;
                }
                Some(async move {
                    let mut client = self.pool.take().await?;
                    let page = pages.read(&mut client, instance, from, rows).await?;
                    client.give_back();
                    Ok::<_, Failure>((place, page, rows))
                })
            })
            .collect();
        let read: Vec<(usize, Vec<Row>, usize)> = stream::iter(reads).buffer_unordered(READERS).try_collect().await?;
        for (place, page, rows) in read {
            let Some(cursor) = cursors.get_mut(place) else { continue };
            if let (Some(instance), false) = (streaming.instances.get_mut(cursor.instance), page.is_empty()) {
                instance.set_row_bytes(page.iter().map(page::bytes).sum::<usize>() / page.len());
            }
            cursor.refill(page, rows);
        }
        Ok(())
    }

    /// Whether a row of the signal table may be one to follow, even if its record is not sent.
    fn is_followed(&self, operation: i64) -> bool {
        match operation {
            INSERT => true,
            DELETE => self.settings.signals.watermarks == Watermarks::InsertDelete,
            _ => false,
        }
    }

    /// A row of the signal table is followed before its record is made, which so has what was begun in its offset.
    async fn send(
        &mut self,
        streaming: &mut Streaming,
        instance: usize,
        row: Row,
        after: Option<Row>,
        rows: Option<CommitRows>,
    ) -> Result<Flow, Failure> {
        let Some(known) = streaming.instances.get(instance) else { return Ok(Flow::Continue) };
        let Some(schema) = self.schemas.get(&known.table.source).cloned() else { return Ok(Flow::Continue) };
        let may_look = streaming.may_look(&schema);
        let Some(instance) = streaming.instances.get_mut(instance) else { return Ok(Flow::Continue) };
        let places = instance.places(&schema);
        let values = |row: Row| -> Result<Vec<Value>, Failure> {
            let (operation, mask) = (row.key.operation, row.mask);
            let mut values = if may_look {
                let altered = |error: ConversionError| match error {
                    ConversionError { error, altered: true } => Failure::Altered(Arc::clone(&schema), error),
                    ConversionError { error, .. } => error.into(),
                };
                schema.current_values(row.data, &places).map_err(altered)?
            } else {
                schema.values(row.data, &places)?
            };
            if schema.has_unavailable() && matches!(operation, UPDATE_BEFORE | UPDATE_AFTER) {
                for (captured, place) in places.iter().enumerate() {
                    let Some(place) = *place else { continue };
                    if values[place].is_null()
                        && !has_changed(&mask, captured)
                        && let Some(placeholder) = schema.unavailable(place)
                    {
                        values[place] = placeholder.clone();
                    }
                }
            }
            Ok(values)
        };
        let (key, nanos) = (row.key, row.nanos.unwrap_or_else(now_nanos));
        let kind = match key.operation {
            INSERT => Kind::Create,
            DELETE => Kind::Delete,
            _ => Kind::Update,
        };
        let (change, events) = match (key.operation, after) {
            (DELETE, _) => (Change::Delete(values(row)?), 1),
            (INSERT, _) => (Change::Create(values(row)?), 1),
            (UPDATE_BEFORE, Some(after)) => (Change::Update { before: values(row)?, after: values(after)? }, 2),
            (other, _) => {
                let message = format!(
                    "the change table of {} has an operation {other} at {}",
                    instance.table.instance, key.commit
                );
                return Err(Error::fatal(message).into());
            }
        };
        let before = self.offset.unwrap_or(Offset::NONE);
        let behind = Offset { rows, ..before.moved(key.commit, key.change, events) };
        let source = Source {
            table: &schema.table.id,
            nanos,
            snapshot: SnapshotMark::False,
            commit: Some(key.commit),
            change: Some(key.change),
            serial: Some(behind.serial),
        };
        let with_metadata = self.records.transactions.is_some();
        let of_signals = self.settings.signals.is_table(&schema.table.id);
        let signal = if of_signals { self.signal_of(&schema, &change) } else { None };
        let closes = signal.as_ref().is_some_and(|signal| signal.kind == WINDOW_CLOSE);
        // Rows of a window are sent before the record of the signal row that ends it. They have the position before that
        // row: if the worker ends in between, the row is read and sent again, and has no other effect.
        self.offset = Some(if closes { before } else { behind });
        let already = self.out.pending().len();
        let is_signal = signal.is_some();
        let followed = match signal {
            Some(signal) => self.follow_row(&signal, behind).await,
            None => Ok(Flow::Continue),
        };
        self.offset = Some(behind);
        if of_signals && self.settings.skipped.contains(&key.operation) {
            return followed;
        }
        let in_window = self.changed_in_window(&schema, &change)?;
        let transaction = with_metadata.then_some(&mut self.transaction);
        let positions = Positions { before, behind, transaction, members: self.incremental.members() };
        let sent = if is_signal && !closes {
            // Before the notifications, which have the position after the signal.
            let mut records = Vec::new();
            let sent = self.records.push(&mut records, &schema, change, source, positions)?;
            let pending = self.out.pending();
            let place = already.min(pending.len());
            pending.splice(place..place, records);
            sent
        } else {
            self.records.push(self.out.pending(), &schema, change, source, positions)?
        };
        self.metrics.changed(kind, key.commit, nanos, sent);
        if sent {
            self.take_from_window(&in_window);
        }
        // Not earlier: what was asked for may go on later, and the record would be missing.
        followed
    }
}

/// The cursor with the first row, of equal ones the first cursor, and the position of the first row of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CurrentCursor {
    cursor: usize,
    before: Option<MergePosition>,
}

/// What rows are merged by.
type MergePosition = (Lsn, Lsn, usize);

impl CurrentCursor {
    fn of_first(cursors: &[Cursor]) -> Option<Self> {
        let (mut first, mut second): (Option<MergePosition>, Option<MergePosition>) = (None, None);
        for place in (0..cursors.len()).filter_map(|cursor| place(cursors, cursor)) {
            if first.is_none_or(|first| place < first) {
                second = first.replace(place);
            } else if second.is_none_or(|second| place < second) {
                second = Some(place);
            }
        }
        first.map(|(.., cursor)| Self { cursor, before: second })
    }

    /// Whether its next row, which it has, is before those of all others.
    fn has_first_row(&self, cursors: &[Cursor]) -> bool {
        place(cursors, self.cursor).is_some_and(|place| self.before.is_none_or(|before| place < before))
    }
}

fn place(cursors: &[Cursor], cursor: usize) -> Option<MergePosition> {
    cursors.get(cursor)?.head().map(|head| (head.commit, head.change, cursor))
}

fn incomplete_update(row: &Row) -> Error {
    Error::fatal(format!(
        "an update at {} has no row with the new values: was the change table modified by hand?",
        row.key.commit
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::page::Key;
    use super::*;

    #[test]
    fn a_cursor_is_read_until_another_has_an_earlier_row_or_it_has_none() {
        let cursor = |number, rows: &[(u16, u16)]| {
            let mut cursor = Cursor::new(number, PageStart::At(Lsn::numbered(1)));
            let row = |(commit, change)| Row {
                key: Key::of_insert(commit, change),
                mask: Vec::new(),
                nanos: None,
                data: Vec::new(),
            };
            cursor.refill(rows.iter().copied().map(row).collect(), 10);
            cursor
        };
        let mut cursors = vec![cursor(0, &[(5, 3), (5, 4), (5, 6)]), cursor(1, &[(5, 4)]), cursor(2, &[])];
        let mut order = Vec::new();
        while let Some(current) = CurrentCursor::of_first(&cursors) {
            while current.has_first_row(&cursors) {
                cursors[current.cursor].take();
                order.push(current.cursor);
            }
        }
        // Of equals the first cursor's comes first.
        assert_eq!(order, [0, 0, 1, 0]);
    }
}
