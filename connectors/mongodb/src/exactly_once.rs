//! Writes offsets with the documents in one transaction, so that nothing is written twice.

use std::collections::BTreeMap;

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use mongodb::error::Error as DriverError;
use mongodb::options::WriteConcern;
use mongodb::{Client, ClientSession};
use tributary_api::{Error, Offsets, Result, TopicPartition};

use crate::client::failure;
use crate::server::Server;
use crate::write::{Job, Step};

const DUPLICATE_KEY: i64 = 11_000;
/// How often the commit is sent when its answer is lost.
const COMMITS: usize = 3;

/// The collection of offsets: documents `{_id: {connector, topic, partition}, offset}`, where `offset` is the next one
/// to read.
#[derive(Clone, Debug)]
pub(crate) struct OffsetStore {
    pub(crate) database: String,
    pub(crate) collection: String,
    pub(crate) connector: String,
}

/// The outcome of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It was committed.
    Yes,
    /// The stored offsets are not those that this task has last written: another task had the partitions meanwhile, or
    /// the answer to an earlier commit was lost.
    Overtaken,
}

impl OffsetStore {
    /// The stored offsets of partitions that have one.
    ///
    /// # Errors
    /// `Retriable` when the server is not there.
    pub(crate) async fn read(&self, client: &Client, partitions: &[TopicPartition]) -> Result<Offsets> {
        let ids: Vec<Bson> = partitions.iter().map(|partition| self.id(partition).into()).collect();
        let Ok(size) = i32::try_from(ids.len().max(1)) else { return Ok(Offsets::new()) };
        let find = doc! {
            "find": &self.collection, "filter": { "_id": { "$in": ids } }, "batchSize": size, "singleBatch": true,
            "readConcern": { "level": "majority" },
        };
        let answer = client.database(&self.database).run_command(find).await;
        let answer = answer.map_err(|error| failure("cannot read the stored offsets", &error))?;
        let mut offsets = Offsets::new();
        let found = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        for stored in found.map(Vec::as_slice).unwrap_or_default().iter().filter_map(Bson::as_document) {
            let (Ok(id), Some(offset)) = (stored.get_document("_id"), stored.get("offset").and_then(whole)) else {
                let what = format!("{}.{} holds {stored}, which is no offset", self.database, self.collection);
                let message = format!("{what}: give the offsets a collection of their own");
                return Err(Error::config_at("exactly.once.offsets.collection", message));
            };
            let of = partitions.iter().find(|partition| self.id(partition) == *id);
            offsets.extend(of.map(|partition| (partition.clone(), offset)));
        }
        Ok(offsets)
    }

    /// Sets the stored offsets on an operator's request. Without any: removes all of the connector's.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn alter(&self, client: &Client, offsets: &Offsets) -> Result<()> {
        let command = if offsets.is_empty() {
            let own = doc! { "_id.connector": &self.connector };
            doc! { "delete": &self.collection, "deletes": [{ "q": own, "limit": 0 }] }
        } else {
            let updates = offsets.iter().map(|(partition, offset)| {
                let set = doc! { "$set": { "offset": *offset } };
                Bson::from(doc! { "q": { "_id": self.id(partition) }, "u": set, "upsert": true })
            });
            doc! { "update": &self.collection, "updates": updates.collect::<Vec<_>>() }
        };
        let command =
            [command, doc! { "writeConcern": { "w": "majority" } }].into_iter().flatten().collect::<Document>();
        let answer = client.database(&self.database).run_command(command).await;
        let answer = answer.map_err(|error| failure("cannot alter the stored offsets", &error))?;
        match answer.get("writeErrors").or_else(|| answer.get("writeConcernError")) {
            None => Ok(()),
            Some(error) => Err(Error::fatal(format!("cannot alter the stored offsets: {error}"))),
        }
    }

    /// Writes the jobs and moves the offsets from this task's last ones to `ends`, in one transaction. If writes are
    /// refused and this is tolerated, the transaction is repeated without them.
    ///
    /// # Errors
    /// `Retriable` when the outcome is unknown: call it again with the same jobs. Any other error fails the task; then
    /// nothing was written.
    pub(crate) async fn commit(
        &self,
        server: &Server,
        jobs: &mut [Job],
        left: &Offsets,
        ends: &Offsets,
    ) -> Result<Committed> {
        let mut numbered = server.session().await?;
        let done = loop {
            let session = &mut numbered.session;
            match self.attempt(server, session, jobs, left, ends).await {
                Ok(Attempt::Committed) => break Ok(Committed::Yes),
                Ok(Attempt::Refused) => undo(session, jobs).await,
                Ok(Attempt::Overtaken) => {
                    undo(session, jobs).await;
                    break Ok(Committed::Overtaken);
                }
                Err(error) => {
                    undo(session, jobs).await;
                    break Err(error);
                }
            }
        };
        server.give_back(numbered);
        done
    }

    async fn attempt(
        &self,
        server: &Server,
        session: &mut ClientSession,
        jobs: &mut [Job],
        left: &Offsets,
        ends: &Offsets,
    ) -> Result<Attempt> {
        let begun = session.start_transaction().write_concern(WriteConcern::majority()).await;
        begun.map_err(|error| failure("cannot begin a transaction", &error))?;
        // Offsets first: if an earlier transaction was committed, its documents would otherwise be refused as
        // duplicates.
        let answer = server.run(&self.database, self.moves(left, ends)?, Some(session)).await;
        let answer = answer.map_err(|error| failure("cannot store the offsets", &error))?;
        if let Ok([first, ..]) = answer.get_array("writeErrors").map(Vec::as_slice) {
            let code = first.as_document().and_then(|error| error.get("code")).and_then(whole);
            return match code {
                Some(DUPLICATE_KEY) => Ok(Attempt::Overtaken),
                _ => Err(Error::fatal(format!("cannot store the offsets: {first}"))),
            };
        }
        for job in jobs {
            loop {
                match job.step(server, Some(session)).await? {
                    Step::Done => break,
                    Step::Written => {}
                    // The server has aborted the transaction because of it.
                    Step::Refused => return Ok(Attempt::Refused),
                }
            }
        }
        commit(session).await.map_err(|error| failure("cannot commit the transaction", &error))?;
        Ok(Attempt::Committed)
    }

    /// Updates that match only the offsets last written by this task; one that matches none becomes an insert, which
    /// fails on the existing document.
    fn moves(&self, left: &Offsets, ends: &Offsets) -> Result<RawDocumentBuf> {
        let updates = ends.iter().map(|(partition, end)| {
            let was = left.get(partition).copied().unwrap_or(-1);
            let query = doc! { "_id": self.id(partition), "offset": was };
            Bson::from(doc! { "q": query, "u": { "$set": { "offset": *end } }, "upsert": true })
        });
        let command = doc! { "update": &self.collection, "updates": updates.collect::<Vec<_>>() };
        RawDocumentBuf::try_from(&command).map_err(|error| Error::fatal("cannot encode the offsets").cause(&error))
    }

    fn id(&self, partition: &TopicPartition) -> Document {
        doc! { "connector": &self.connector, "topic": &*partition.topic, "partition": partition.partition }
    }
}

enum Attempt {
    Committed,
    Refused,
    Overtaken,
}

async fn undo(session: &mut ClientSession, jobs: &mut [Job]) {
    // The server aborts a transaction on timeout if this does not reach it.
    if let Err(error) = session.abort_transaction().await {
        tracing::debug!(%error, "the transaction is not aborted");
    }
    jobs.iter_mut().for_each(Job::restart);
}

async fn commit(session: &mut ClientSession) -> Result<(), DriverError> {
    let mut done = session.commit_transaction().await;
    for _ in 1..COMMITS {
        match &done {
            Err(error) if error.contains_label("UnknownTransactionCommitResult") => {
                done = session.commit_transaction().await;
            }
            _ => break,
        }
    }
    done
}

fn whole(value: &Bson) -> Option<i64> {
    value.as_i64().or_else(|| value.as_i32().map(Into::into))
}

/// The offset after the last record of each partition.
pub(crate) fn ends(records: &[tributary_api::Record]) -> Offsets {
    let mut ends: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let place = |record: &tributary_api::Record| {
        record.consumed_from().map(|(topic, partition, _)| (std::sync::Arc::as_ptr(topic).cast::<u8>(), partition))
    };
    for run in records.chunk_by(|one, other| place(one) == place(other)) {
        if let Some((topic, partition, offset)) = run.last().and_then(tributary_api::Record::consumed_from) {
            ends.insert(TopicPartition::new(topic.clone(), partition), offset + 1);
        }
    }
    ends
}
