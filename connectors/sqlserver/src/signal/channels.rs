//! Polls the signal topic and the signal file, and passes each signal to the readers that it concerns.

use std::sync::Arc;

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::mpsc;
use tributary_api::{Result, SourcePartition, SourceTaskContext};

use super::Signal;
use super::file::SignalFile;
use super::topic::SignalTopic;
use crate::config::Settings;
use crate::incremental::followed_signal;

/// The most signals that wait for a reader.
const QUEUE: usize = 64;

/// A signal that came by a topic or a file.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedSignal {
    pub(crate) signal: Signal,
    /// Where it is in the signal topic.
    pub(crate) position: Option<SignalPosition>,
}

/// A position in the signal topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalPosition {
    pub(crate) offset: i64,
    /// The topic's end when the record was read.
    pub(crate) end: i64,
}

impl SignalPosition {
    /// Whether the signal was followed, if `known` is the offset of the last one that was. A known offset beyond the end is
    /// that of a deleted topic.
    pub(super) fn is_behind(self, known: i64) -> bool {
        known < self.end && self.offset <= known
    }
}

/// The first task: it alone commits the group's offset, as several would overwrite each other's.
const COMMITTING_TASK: &str = "0";

/// The signal topic and the signal file of a task.
pub(crate) struct Channels {
    settings: Arc<Settings>,
    topic: Option<SignalTopic>,
    file: Option<SignalFile>,
    targets: Vec<Target>,
}

/// The reader of a database.
struct Target {
    database: ByteString,
    partition: SourcePartition,
    /// `None`: another task reads this database.
    sender: Option<mpsc::Sender<ReceivedSignal>>,
    /// The offset of the last signal that it had followed when the task started.
    followed: Option<i64>,
    /// The first and the last signal that it was handed and that no stored offset says to be followed.
    waiting: Option<(i64, i64)>,
}

impl Channels {
    /// `None` without a topic and a file.
    pub(crate) fn new(cx: &SourceTaskContext, settings: &Arc<Settings>) -> Option<Self> {
        let signals = &settings.signals;
        let topic = signals.topic.clone().map(|topic| SignalTopic::new(cx.clone(), topic, &settings.names.prefix));
        let file = signals.file.clone().map(SignalFile::new);
        let any = topic.is_some() || file.is_some();
        any.then(|| Self { settings: Arc::clone(settings), topic, file, targets: Vec::new() })
    }

    /// Returns the signals for the reader of a database. `followed` is the offset of the last one that it has followed.
    pub(crate) fn add(
        &mut self,
        database: &ByteString,
        partition: SourcePartition,
        followed: Option<i64>,
    ) -> mpsc::Receiver<ReceivedSignal> {
        let (sender, received) = mpsc::channel(QUEUE);
        let (database, sender) = (database.clone(), Some(sender));
        self.targets.push(Target { database, partition, sender, followed, waiting: None });
        received
    }

    /// A database whose reader is in another task: its stored offset says which signals it has followed.
    pub(crate) fn add_other(&mut self, database: &str, partition: SourcePartition) {
        let database = ByteString::from(database);
        self.targets.push(Target { database, partition, sender: None, followed: None, waiting: None });
    }

    /// Polls until the task or all of its readers end.
    pub(crate) async fn run(mut self, cx: SourceTaskContext) {
        let stopping = cx.stopping().clone();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                all_ended = self.poll(&cx) => if all_ended { return },
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(self.settings.signals.interval) => {}
            }
        }
    }

    /// Returns whether all readers have ended. If a channel cannot be read now, it is read at the next poll.
    async fn poll(&mut self, cx: &SourceTaskContext) -> bool {
        let mut received = Vec::new();
        if let Some(topic) = &mut self.topic {
            let own = self.targets.iter().filter(|target| target.sender.is_some());
            let followed: Vec<_> = own.map(|target| target.followed).collect();
            match topic.read(&followed).await {
                Ok(read) => received.extend(read),
                Err(error) => tracing::warn!(%error, "the signal topic cannot be read: it is tried again"),
            }
        }
        if let Some(file) = &self.file {
            match file.read().await {
                Ok(read) => received.extend(read.into_iter().map(|signal| ReceivedSignal { signal, position: None })),
                Err(error) => tracing::warn!(%error, "the signal file cannot be read: it is tried again"),
            }
        }
        let begin = self.topic.as_ref().map_or(0, SignalTopic::begin);
        for received in received {
            dispatch(&mut self.targets, received, begin).await;
        }
        if let Err(error) = self.commit(cx).await {
            tracing::debug!(%error, "the position in the signal topic is not committed: it is tried again");
        }
        self.targets.iter().filter_map(|target| target.sender.as_ref()).all(mpsc::Sender::is_closed)
    }

    /// Commits the place up to which all signals are followed, so that another connector of this group continues there.
    /// Not earlier: a signal whose effect is not stored must be read again, in whichever task.
    async fn commit(&mut self, cx: &SourceTaskContext) -> Result<()> {
        let Some(topic) = self.topic.as_mut().filter(|_| self.settings.task == COMMITTING_TASK) else { return Ok(()) };
        let waiting: Vec<&mut Target> = self.targets.iter_mut().filter(|target| target.waiting.is_some()).collect();
        if !waiting.is_empty() {
            let partitions: Vec<_> = waiting.iter().map(|target| target.partition.clone()).collect();
            let stored = cx.offsets(&partitions).await?;
            for (target, stored) in waiting.into_iter().zip(stored) {
                // An offset beyond the end is that of a deleted topic.
                let followed = stored.as_ref().and_then(followed_signal).filter(|followed| *followed < topic.end());
                let left = |(first, last): (i64, i64)| match followed {
                    Some(followed) if followed >= last => None,
                    Some(followed) => Some((first.max(followed.saturating_add(1)), last)),
                    None => Some((first, last)),
                };
                target.waiting = target.waiting.and_then(left);
            }
        }
        let first = self.targets.iter().filter_map(|target| target.waiting).map(|(first, _)| first).min();
        topic.commit(first).await
    }
}

/// Passes a signal to the reader of the database that it names, or that its first table is of; to all readers if it names
/// none. `begin` is where readers begin that have followed no signal yet.
async fn dispatch(targets: &mut [Target], received: ReceivedSignal, begin: i64) {
    let named = database_of(&received.signal);
    let is_named = |database: &str| named.as_deref().is_some_and(|named| named.eq_ignore_ascii_case(database));
    let known = targets.iter().any(|target| is_named(&target.database));
    for target in targets {
        if known && !is_named(&target.database) {
            continue;
        }
        if let Some(SignalPosition { offset, end }) = received.position {
            let is_old = match target.followed {
                Some(followed) => SignalPosition { offset, end }.is_behind(followed),
                None => offset < begin,
            };
            if is_old {
                continue;
            }
            let first = target.waiting.map_or(offset, |(first, _)| first);
            target.waiting = Some((first, offset));
        }
        if let Some(sender) = &target.sender {
            // A reader that has ended receives no signals.
            let _ = sender.send(received.clone()).await;
        }
    }
}

fn database_of(signal: &Signal) -> Option<String> {
    let data: Value = serde_json::from_str(&signal.data).ok()?;
    let Some(names) = data["data-collections"].as_array() else {
        // A signal about the structure of tables has the database by itself.
        return data["database"].as_str().map(str::to_owned);
    };
    let mut names = names.iter().filter_map(Value::as_str);
    let (database, _) = names.find_map(|name| name.trim().split_once('.'))?;
    // In a regular expression the point is escaped.
    Some(database.trim_end_matches('\\').trim_matches(['[', ']', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_for_the_database_of_its_first_table() {
        let database =
            |data: &str| database_of(&Signal { id: String::new(), kind: String::new(), data: data.to_owned() });
        assert_eq!(database(r#"{"data-collections": ["[shop].dbo.a", "other.dbo.b"]}"#).as_deref(), Some("shop"));
        assert_eq!(database(r#"{"data-collections": ["shop\\.dbo\\.a"]}"#).as_deref(), Some("shop"));
        assert_eq!(database(r#"{"database": "shop", "changes": []}"#).as_deref(), Some("shop"));
        assert_eq!(database(r#"{"message": "a"}"#), None);
        assert_eq!(database(""), None);
    }
}
