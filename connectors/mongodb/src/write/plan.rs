//! Which writes go into one command.

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
    /// Whether some of the writes may be done, under no number by which the server would know.
    pub(super) doubtful: bool,
}

/// What bounds a chunk.
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

/// The end of the chunk that begins with the first of these writes: at `max.batch.size`, at what the server takes in one
/// message, or where a topic with another order or size comes.
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
    let mut collections: Vec<(&Namespace, VecDeque<Run>, Placed<'_>)> = Vec::new();
    for place in chunk {
        let Write { namespace, model, .. } = &writes[place];
        let known =
            collections.iter().rposition(|(known, ..)| std::ptr::eq(*known, &**namespace) || **known == **namespace);
        let known = known.unwrap_or_else(|| {
            collections.push((namespace, VecDeque::new(), Placed::default()));
            collections.len() - 1
        });
        let (_, runs, placed) = &mut collections[known];
        let kind = Kind::of(model);
        let last = runs.len().saturating_sub(1);
        let earliest = if ordered { last } else { placed.earliest(model, last) };
        let found = (earliest..runs.len()).rev().find(|&run| runs[run].kind == Some(kind));
        let run = found.unwrap_or_else(|| {
            runs.push_back(Run { kind: Some(kind), writes: Vec::new(), doubtful: false });
            runs.len() - 1
        });
        runs[run].writes.push(place);
        if !ordered {
            placed.note(model, run);
        }
    }
    collections.into_iter().flat_map(|(_, runs, _)| runs).collect()
}

/// In which run the last write of each `_id` is.
#[derive(Default)]
struct Placed<'a> {
    by_id: HashMap<Id<'a>, usize>,
    /// Behind a write that may be to any document nothing moves to the front of it.
    barrier: usize,
}

impl<'a> Placed<'a> {
    /// The first run in which the write may be.
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
