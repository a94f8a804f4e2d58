//! Notifications about a reader's snapshots, in the log or as records in a topic.

mod snapshot;

use tributary_api::{
    Datum, Record, Result, Schema, SchemaRef, SchemaType, SourceOffset, SourcePartition, Struct, Topic, Value,
};
use uuid::Uuid;

use crate::clock::now_millis;
use crate::config::NotificationSettings;
use crate::offset::Offset;
use crate::reader::Reader;

/// An event of a snapshot.
#[derive(Debug)]
pub(crate) struct Notification {
    /// The id of the signal that requested it, or else a new one.
    pub(crate) id: Option<String>,
    pub(crate) aggregate: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) data: Vec<(&'static str, String)>,
}

/// The destinations of notifications.
#[derive(Debug)]
pub(crate) struct Notifications {
    log: bool,
    sink: Option<Sink>,
    /// The connector's name in notifications: its topic prefix.
    connector: String,
}

#[derive(Debug)]
struct Sink {
    topic: Topic,
    key: SchemaRef,
    value: SchemaRef,
}

impl Notifications {
    pub(crate) fn new(settings: &NotificationSettings, prefix: &str) -> Self {
        let text = Schema::new(SchemaType::String).into_ref();
        let key = Schema::structure([("id", text.clone())])
            .named("io.debezium.connector.common.NotificationKey")
            .with_version(1)
            .into_ref();
        let value = Schema::structure([
            ("id", text.clone()),
            ("type", text.clone()),
            ("aggregate_type", text.clone()),
            ("additional_data", Schema::map(text.clone(), text).optional().into_ref()),
            ("timestamp", Schema::new(SchemaType::Int64).into_ref()),
        ])
        .named("io.debezium.connector.common.Notification")
        .with_version(1)
        .into_ref();
        let sink = settings.topic.as_deref().map(|topic| Sink { topic: Topic::from(topic), key, value });
        Self { log: settings.log, sink, connector: prefix.to_owned() }
    }

    /// Whether there is no destination.
    pub(crate) fn are_off(&self) -> bool {
        !self.log && self.sink.is_none()
    }

    /// Logs the notification if that is configured, and returns the record for the topic if there is one.
    fn record(
        &self,
        notification: Notification,
        partition: &SourcePartition,
        offset: SourceOffset,
    ) -> Result<Option<Record>> {
        let id = notification.id.unwrap_or_else(|| Uuid::new_v4().to_string());
        let mut data = notification.data;
        data.push(("connector_name", self.connector.clone()));
        let millis = now_millis();
        if self.log {
            tracing::info!("{}", log_text(&id, notification.aggregate, notification.kind, &data, millis));
        }
        let Some(sink) = &self.sink else { return Ok(None) };
        let data = data.into_iter().map(|(name, text)| (Value::from(name), Value::from(text))).collect();
        let values = vec![
            id.as_str().into(),
            notification.kind.into(),
            notification.aggregate.into(),
            Value::Map(data),
            Value::Int64(millis),
        ];
        let key = Struct::new(sink.key.clone(), vec![id.into()])?;
        let value = Struct::new(sink.value.clone(), values)?;
        let record = Record::new(Topic::clone(&sink.topic), Datum::new(sink.value.clone(), value))
            .with_key(Datum::new(sink.key.clone(), key))
            .from_source(partition, offset);
        Ok(Some(record))
    }
}

/// The text is the same as Debezium's: who watches logs for it finds it.
fn log_text(id: &str, aggregate: &str, kind: &str, data: &[(&str, String)], millis: i64) -> String {
    let data: Vec<String> = data.iter().map(|(name, text)| format!("{name}={text}")).collect();
    let data = data.join(", ");
    format!(
        "[Notification Service] {{id='{id}', aggregateType='{aggregate}', type='{kind}', additionalData={{{data}}}, timestamp={millis}}}"
    )
}

impl Reader {
    /// Sends a notification, at the position of the reader.
    pub(crate) fn notify(&mut self, notification: Notification) -> Result<()> {
        self.notify_at(notification, self.offset.unwrap_or(Offset::NONE))
    }

    pub(crate) fn notify_at(&mut self, notification: Notification, at: Offset) -> Result<()> {
        if self.notifications.are_off() {
            return Ok(());
        }
        let transaction = self.records.transactions.as_ref().map(|_| &self.transaction);
        let offset = at.store_in(transaction, self.incremental.members());
        let record = self.notifications.record(notification, &self.records.partition, offset)?;
        self.out.pending().extend(record);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_in_the_log_is_debeziums_text() {
        let data = [("status", "SUCCEEDED".to_owned()), ("connector_name", "server".to_owned())];
        assert_eq!(
            log_text("7", "Initial Snapshot", "COMPLETED", &data, 5),
            "[Notification Service] {id='7', aggregateType='Initial Snapshot', type='COMPLETED', \
             additionalData={status=SUCCEEDED, connector_name=server}, timestamp=5}"
        );
    }
}
