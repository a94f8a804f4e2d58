//! Polls the signal topic and the signal file, and passes each signal to the readers that it concerns.

use std::sync::Arc;

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::mpsc;
use tributary_api::SourceTaskContext;

use super::Signal;
use super::file::SignalFile;
use super::topic::SignalTopic;
use crate::config::Settings;

/// The most signals that wait for a reader.
const QUEUE: usize = 64;

/// A signal that came by a topic or a file.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// Where it is in the signal topic.
    pub(crate) place: Option<Place>,
}

/// A place in the signal topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) offset: i64,
    /// The topic's end when the record was read.
    pub(crate) end: i64,
}

impl Place {
    /// Whether the signal was followed, if `known` is the offset of the last one that was. A known offset beyond the end is
    /// that of a deleted topic.
    pub(super) fn is_behind(self, known: i64) -> bool {
        known < self.end && self.offset <= known
    }
}

/// The signal topic and the signal file of a task.
pub(crate) struct Channels {
    settings: Arc<Settings>,
    topic: Option<SignalTopic>,
    file: Option<SignalFile>,
    readers: Vec<(ByteString, mpsc::Sender<Arrived>)>,
}

impl Channels {
    /// `None` without a topic and a file. `stored` are the topic's offsets that the readers have stored.
    pub(crate) fn new(cx: &SourceTaskContext, settings: &Arc<Settings>, stored: &[Option<i64>]) -> Option<Self> {
        let signals = &settings.signals;
        // Readers skip signals that they have already followed. A reader without a stored offset may have followed none.
        let places = stored.iter().map(|offset| offset.map_or(0, |offset| offset.saturating_add(1)));
        let next = places.min().filter(|_| stored.iter().any(Option::is_some));
        let topic =
            signals.topic.clone().map(|topic| SignalTopic::new(cx.clone(), topic, &settings.names.prefix, next));
        let file = signals.file.clone().map(SignalFile::new);
        let any = topic.is_some() || file.is_some();
        any.then(|| Self { settings: Arc::clone(settings), topic, file, readers: Vec::new() })
    }

    /// Returns the signals for the reader of a database.
    pub(crate) fn add(&mut self, database: &ByteString) -> mpsc::Receiver<Arrived> {
        let (sender, arrived) = mpsc::channel(QUEUE);
        self.readers.push((database.clone(), sender));
        arrived
    }

    /// Polls until the task or all of its readers end.
    pub(crate) async fn run(mut self, cx: SourceTaskContext) {
        let stopping = cx.stopping().clone();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                all_ended = self.look() => if all_ended { return },
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(self.settings.signals.interval) => {}
            }
        }
    }

    /// Returns whether all readers have ended. If a channel cannot be read now, it is read at the next poll.
    async fn look(&mut self) -> bool {
        let mut arrived = Vec::new();
        if let Some(topic) = &mut self.topic {
            match topic.read().await {
                Ok(read) => arrived.extend(read),
                Err(error) => tracing::warn!(%error, "the signal topic cannot be read: it is tried again"),
            }
        }
        if let Some(file) = &self.file {
            match file.read().await {
                Ok(read) => arrived.extend(read.into_iter().map(|signal| Arrived { signal, place: None })),
                Err(error) => tracing::warn!(%error, "the signal file cannot be read: it is tried again"),
            }
        }
        for arrived in arrived {
            hand_out(&self.readers, arrived).await;
        }
        self.readers.iter().all(|(_, sender)| sender.is_closed())
    }
}

/// Passes a signal to the reader of the database of the first table that it names, or to all readers if it names none.
async fn hand_out(readers: &[(ByteString, mpsc::Sender<Arrived>)], arrived: Arrived) {
    let named = database_of(&arrived.signal);
    let is_named = |database: &str| named.as_deref().is_some_and(|named| named.eq_ignore_ascii_case(database));
    let known = readers.iter().any(|(database, _)| is_named(database));
    for (database, sender) in readers {
        if !known || is_named(database) {
            // A reader that has ended receives no signals.
            let _ = sender.send(arrived.clone()).await;
        }
    }
}

fn database_of(signal: &Signal) -> Option<String> {
    let data: Value = serde_json::from_str(&signal.data).ok()?;
    let mut names = data["data-collections"].as_array()?.iter().filter_map(Value::as_str);
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
        assert_eq!(database(r#"{"message": "a"}"#), None);
        assert_eq!(database(""), None);
    }
}
