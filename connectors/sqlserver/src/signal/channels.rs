//! Looks for signals that come by a topic or a file, and hands each to the readers that it is for.

use std::sync::Arc;

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::mpsc;
use tributary_api::SourceTaskContext;

use super::Signal;
use super::file::SignalFile;
use super::topic::SignalTopic;
use crate::config::Settings;

/// Signals that wait for a reader.
const QUEUE: usize = 64;

/// A signal that came by another way than the signal table.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) signal: Signal,
    /// Its place in the topic that it came by.
    pub(crate) offset: Option<i64>,
}

/// The ways by which signals come to the readers of a task.
pub(crate) struct Channels {
    settings: Arc<Settings>,
    topic: Option<SignalTopic>,
    file: Option<SignalFile>,
    readers: Vec<(ByteString, mpsc::Sender<Arrived>)>,
}

impl Channels {
    /// None without a topic or a file to look at. `stored` are the places in the topic that the readers have stored.
    pub(crate) fn new(cx: &SourceTaskContext, settings: &Arc<Settings>, stored: &[Option<i64>]) -> Option<Self> {
        let signals = &settings.signals;
        // Readers leave out what they have followed.
        let next = stored.iter().map(|offset| offset.map_or(0, |offset| offset.saturating_add(1))).min().unwrap_or(0);
        let topic =
            signals.topic.clone().map(|topic| SignalTopic::new(cx.clone(), topic, &settings.names.prefix, next));
        let file = signals.file.clone().map(SignalFile::new);
        let any = topic.is_some() || file.is_some();
        any.then(|| Self { settings: Arc::clone(settings), topic, file, readers: Vec::new() })
    }

    /// What comes for the reader of a database.
    pub(crate) fn add(&mut self, database: &ByteString) -> mpsc::Receiver<Arrived> {
        let (sender, arrived) = mpsc::channel(QUEUE);
        self.readers.push((database.clone(), sender));
        arrived
    }

    /// Looks again and again, until the task or all of its readers end.
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

    /// Whether nobody is left to hand signals to. What cannot be looked at now is looked at the next time.
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
                Ok(read) => arrived.extend(read.into_iter().map(|signal| Arrived { signal, offset: None })),
                Err(error) => tracing::warn!(%error, "the signal file cannot be read: it is tried again"),
            }
        }
        for arrived in arrived {
            hand_out(&self.readers, arrived).await;
        }
        self.readers.iter().all(|(_, sender)| sender.is_closed())
    }
}

/// To the reader of the database of the first table that is named; to all where none is.
async fn hand_out(readers: &[(ByteString, mpsc::Sender<Arrived>)], arrived: Arrived) {
    let named = database_of(&arrived.signal);
    let is_named = |database: &str| named.as_deref().is_some_and(|named| named.eq_ignore_ascii_case(database));
    let known = readers.iter().any(|(database, _)| is_named(database));
    for (database, sender) in readers {
        if !known || is_named(database) {
            // One that has ended follows nothing.
            let _ = sender.send(arrived.clone()).await;
        }
    }
}

fn database_of(signal: &Signal) -> Option<String> {
    let data: Value = serde_json::from_str(&signal.data).ok()?;
    let mut names = data["data-collections"].as_array()?.iter().filter_map(Value::as_str);
    let (database, _) = names.find_map(|name| name.trim().split_once('.'))?;
    Some(database.trim_matches(['[', ']', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_for_the_database_of_its_first_table() {
        let database =
            |data: &str| database_of(&Signal { id: String::new(), kind: String::new(), data: data.to_owned() });
        assert_eq!(database(r#"{"data-collections": ["[shop].dbo.a", "other.dbo.b"]}"#).as_deref(), Some("shop"));
        assert_eq!(database(r#"{"message": "a"}"#), None);
        assert_eq!(database(""), None);
    }
}
