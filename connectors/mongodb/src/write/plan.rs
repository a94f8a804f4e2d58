//! Groups writes into commands.

use std::collections::{HashMap, VecDeque};

use mongodb::bson::{RawBsonRef, RawDocumentBuf};

use super::Write;
use super::statement::{Kind, STATEMENT_OVERHEAD, size};
use crate::model::{Namespace, WriteModel};
use crate::server::Server;

/// Writes of one command, by their places among the writes of the batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The command; none: `bulkWrite`, which takes all kinds.
    pub(super) kind: Option<Kind>,
    pub(super) writes: Vec<usize>,
    /// Whether some of the writes may have been done, without a number by which the server would recognise them.
    pub(super) doubtful: bool,
}

/// The limits of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) bytes: usize,
    pub(super) writes: usize,
}

impl Limits {
    pub(super) fn of(server: &Server) -> Self {
        Self { bytes: server.max_message, writes: server.max_writes }
    }
}

/// The end of the chunk that begins with the first of these writes: at `max.batch.size`, at the server's message size,
/// or before a topic with another order or size.
pub(super) fn cut(writes: &[Write], limits: Limits) -> usize {
    let Some(first) = writes.first() else { return 0 };
    let most = first.settings.max_batch_size.unwrap_or(limits.writes).clamp(1, limits.writes);
    let alike = |write: &Write| {
        std::sync::Arc::ptr_eq(&write.settings, &first.settings)
            || (write.settings.ordered, write.settings.max_batch_size)
                == (first.settings.ordered, first.settings.max_batch_size)
    };
    let mut bytes = 0;
    for (count, write) in writes.iter().enumerate() {
        bytes += size(&write.model) + STATEMENT_OVERHEAD;
        if count == most || !alike(write) || (bytes > limits.bytes && count > 0) {
            return count;
        }
    }
    writes.len()
}

/// The commands of a chunk, collection by collection. Ordered: writes that follow each other and are of one kind.
/// Unordered: writes move to an earlier command of their kind, unless a write of the same `_id` is between.
pub(super) fn runs(writes: &[Write], chunk: impl Iterator<Item = usize>, ordered: bool) -> VecDeque<Run> {
    let mut collections: Vec<(&Namespace, VecDeque<Run>, RunIndex<'_>)> = Vec::new();
    for place in chunk {
        let Write { namespace, model, .. } = &writes[place];
        let known =
            collections.iter().rposition(|(known, ..)| std::ptr::eq(*known, &**namespace) || **known == **namespace);
        let known = known.unwrap_or_else(|| {
            collections.push((namespace, VecDeque::new(), RunIndex::default()));
            collections.len() - 1
        });
        let (_, runs, index) = &mut collections[known];
        let kind = Kind::of(model);
        let last = runs.len().saturating_sub(1);
        let earliest = if ordered { last } else { index.earliest(model, last) };
        let found = (earliest..runs.len()).rev().find(|&run| runs[run].kind == Some(kind));
        let run = found.unwrap_or_else(|| {
            runs.push_back(Run { kind: Some(kind), writes: Vec::new(), doubtful: false });
            runs.len() - 1
        });
        runs[run].writes.push(place);
        if !ordered {
            index.note(model, run);
        }
    }
    collections.into_iter().flat_map(|(_, runs, _)| runs).collect()
}

/// The run that contains the last write of each `_id`.
#[derive(Default)]
struct RunIndex<'a> {
    by_id: HashMap<Id<'a>, usize>,
    /// After a write that may match any document: no later write may move before this run.
    barrier: usize,
}

impl<'a> RunIndex<'a> {
    /// The first run that may contain the write.
    fn earliest(&self, model: &'a WriteModel, last: usize) -> usize {
        match id(model) {
            Some(id) => self.by_id.get(&id).copied().unwrap_or(0).max(self.barrier),
            None => last,
        }
    }

    fn note(&mut self, model: &'a WriteModel, run: usize) {
        match id(model) {
            Some(id) => {
                self.by_id.insert(id, run);
            }
            None => self.barrier = run,
        }
    }
}

/// An `_id` that equals another one only if these are equal.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Id<'a> {
    /// Whole numbers of different widths can be equal.
    Integer(i64),
    Text(&'a str),
    Object([u8; 12]),
    Binary(&'a [u8]),
}

/// The `_id` of the one document that a write is to. None: the filter is not a simple `_id` alone.
fn id(model: &WriteModel) -> Option<Id<'_>> {
    let (document, alone): (&RawDocumentBuf, bool) = match model {
        WriteModel::InsertOne { document } => (document, false),
        WriteModel::ReplaceOne { filter, .. }
        | WriteModel::UpdateOne { filter, .. }
        | WriteModel::DeleteOne { filter } => (filter, true),
    };
    let mut elements = document.iter();
    let (name, value) = elements.next()?.ok()?;
    if name.as_str() != "_id" || (alone && elements.next().is_some()) {
        return None;
    }
    match value {
        RawBsonRef::Int32(number) => Some(Id::Integer(number.into())),
        RawBsonRef::Int64(number) => Some(Id::Integer(number)),
        RawBsonRef::String(text) => Some(Id::Text(text)),
        RawBsonRef::ObjectId(id) => Some(Id::Object(id.bytes())),
        RawBsonRef::Binary(binary) => Some(Id::Binary(binary.bytes)),
        _ => None,
    }
}
