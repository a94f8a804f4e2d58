//! Offsets over REST: read, altered and reset, for sources in the offset topic and for sinks in the consumer group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tributary_api::{Factory, OffsetMap, OffsetValue, Offsets, PluginKind, Props, TopicPartition};
use tributary_control::{ConnectorOffset, ConnectorOffsets, Error, Result, TargetState};
use tributary_kafka::Admin;

use super::context::HerderContext;
use super::fencing;
use crate::processor;
use crate::settings::ExactlyOnce;
use crate::stores::ConnectorEntry;
use crate::supervision::PluginMailbox;
use crate::tasks::OffsetStore;

const PLUGIN_DEADLINE: Duration = Duration::from_secs(60);

/// The stored offsets of a connector.
pub(super) async fn read(context: &HerderContext, name: &str) -> Result<ConnectorOffsets> {
    let config = connector(context, name)?.config.clone();
    let kind = context.plugin(&config)?.description.kind;
    let offsets = if kind == PluginKind::Source {
        let stored = source_store(context, name, &config).await?.all(name).await?;
        stored.into_iter().map(|(partition, offset)| ConnectorOffset { partition, offset: Some(offset) }).collect()
    } else {
        let group = admin(context, name, &config).await?.group_offsets(&group(context, name, &config)).await?;
        group.into_iter().map(|(partition, offset)| sink_offset(&partition, offset)).collect()
    };
    Ok(ConnectorOffsets { offsets })
}

/// Stores offsets on an operator's request.
pub(super) async fn alter(context: &HerderContext, name: &str, request: ConnectorOffsets) -> Result<String> {
    if request.offsets.is_empty() {
        return Err(Error::bad_request("Partitions / offsets need to be provided for an alter offsets request"));
    }
    let config = stopped(context, name)?;
    let plugin = context.plugin(&config)?;
    let complete = if plugin.description.kind == PluginKind::Source {
        let offsets: Vec<_> = request.offsets.into_iter().map(|one| (one.partition, one.offset)).collect();
        let complete = ask_plugin(context, &config, Change::Source(offsets.clone())).await?;
        let store = source_store(context, name, &config).await?;
        fence(context, name, &config).await?;
        store.put(name, offsets).await?;
        complete
    } else {
        let changes = parse_sink(request)?;
        let set: Offsets = changes.iter().filter_map(|(tp, offset)| Some((tp.clone(), (*offset)?))).collect();
        let removed: Vec<TopicPartition> =
            changes.into_iter().filter(|(_, offset)| offset.is_none()).map(|(tp, _)| tp).collect();
        let complete = ask_plugin(context, &config, Change::Sink(set.clone())).await?;
        let (admin, group) = (admin(context, name, &config).await?, group(context, name, &config));
        refuse_active(&admin, &group, name, "alter").await?;
        if matches!(plugin.factory, Factory::Processor) {
            refuse_backwards(&admin.group_offsets(&group).await?, &set, &removed)?;
        }
        if !set.is_empty() {
            admin.alter_group_offsets(&group, &set).await?;
        }
        if !removed.is_empty() {
            admin.delete_group_offsets(&group, &removed).await?;
        }
        complete
    };
    Ok(message(complete, "altered"))
}

/// Removes all stored offsets.
pub(super) async fn reset(context: &HerderContext, name: &str) -> Result<String> {
    let config = stopped(context, name)?;
    let plugin = context.plugin(&config)?;
    let complete = if plugin.description.kind == PluginKind::Source {
        let store = source_store(context, name, &config).await?;
        fence(context, name, &config).await?;
        let stored = store.all(name).await?;
        let removed: Vec<_> = stored.into_iter().map(|(partition, _)| (partition, None)).collect();
        let complete = ask_plugin(context, &config, Change::Source(removed.clone())).await?;
        store.put(name, removed).await?;
        complete
    } else {
        let complete = ask_plugin(context, &config, Change::Sink(Offsets::new())).await?;
        let (admin, group) = (admin(context, name, &config).await?, group(context, name, &config));
        refuse_active(&admin, &group, name, "reset").await?;
        if matches!(plugin.factory, Factory::Processor) {
            // The state is removed first: if the request fails half-way, the records must not be read again over the
            // old state, which would count them twice.
            let config = context.transformer.resolve_async(&config).await?;
            admin.delete_topics(&processor::changelogs(&config, &context.settings, &context.plugins)?).await?;
        }
        admin.delete_groups(&[group]).await?;
        complete
    };
    Ok(message(complete, "reset"))
}

/// Where a source connector's offsets are.
async fn source_store(context: &HerderContext, name: &str, config: &Props) -> Result<Arc<dyn OffsetStore>> {
    let config = context.transformer.resolve_async(config).await?;
    Ok(context.offsets.of(name, &config).await?)
}

/// What a task of the connector has not committed by now it never does: it would undo what an operator wants.
async fn fence(context: &HerderContext, name: &str, config: &Props) -> Result<()> {
    if context.settings.exactly_once != ExactlyOnce::Enabled {
        return Ok(());
    }
    let entry = connector(context, name)?;
    let config = context.transformer.resolve_async(config).await?;
    fencing::fence(context, name, &entry, &config).await.map_err(|error| {
        let reason = context.transformer.redaction().apply(&error.to_string()).into_owned();
        Error::internal(format!(
            "Failed to perform zombie fencing for source connector prior to modifying offsets: {reason}"
        ))
    })
}

/// A processor's state includes the records it has read: reading them again would count them twice.
fn refuse_backwards(now: &Offsets, set: &Offsets, removed: &[TopicPartition]) -> Result<()> {
    let back = set.iter().find(|(tp, offset)| now.get(tp).is_some_and(|now| *offset < now)).map(|(tp, _)| tp);
    let Some(partition) = removed.iter().find(|tp| now.contains_key(tp)).or(back) else { return Ok(()) };
    Err(Error::bad_request(format!(
        "The offset of {partition} cannot be moved back: the state of this processor includes the records read up to there, and \
         would count it twice. A 'DELETE' request resets offsets and state together; offsets can be moved forward"
    )))
}

enum Change {
    Source(Vec<(OffsetMap, Option<OffsetMap>)>),
    Sink(Offsets),
}

/// Asks the plugin to accept or refuse the change of offsets.
async fn ask_plugin(context: &HerderContext, config: &Props, change: Change) -> Result<bool> {
    let (what, executor) = ("alter_offsets", &context.settings.executor);
    let plugin = context.plugin(config)?;
    let definition = plugin.description.config.clone();
    let props = context.transformer.resolve_async(config).await?;
    let answered = match (plugin.factory.clone(), change) {
        (Factory::Source(source), Change::Source(offsets)) => {
            PluginMailbox::open(executor, move || (source.connector)())
                .call(what, PLUGIN_DEADLINE, move |connector| {
                    async move { connector.alter_offsets(&definition.parse(&props)?, &offsets).await }.boxed()
                })
                .await
        }
        (Factory::Sink(sink), Change::Sink(offsets)) => {
            PluginMailbox::open(executor, move || (sink.connector)())
                .call(what, PLUGIN_DEADLINE, move |connector| {
                    async move { connector.alter_offsets(&definition.parse(&props)?, &offsets).await }.boxed()
                })
                .await
        }
        // A processor has no plugin to ask: its offsets are its group's.
        _ => Ok(true),
    };
    // Connect answers 500 for everything that a connector refuses here.
    answered.map_err(|error| Error::internal(context.transformer.redaction().apply(&error.to_string())))
}

/// Checks that the connector is stopped and has no tasks.
fn stopped(context: &HerderContext, name: &str) -> Result<Props> {
    let entry = connector(context, name)?;
    if entry.target != TargetState::Stopped || !entry.tasks.is_empty() {
        return Err(Error::bad_request(format!(
            "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
             specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
        )));
    }
    Ok(entry.config.clone())
}

fn connector(context: &HerderContext, name: &str) -> Result<Arc<ConnectorEntry>> {
    context.configs.connector(name).ok_or_else(|| Error::not_found(format!("Connector {name} not found")))
}

async fn admin(context: &HerderContext, name: &str, config: &Props) -> Result<Admin> {
    let config = context.transformer.resolve_async(config).await?;
    Ok(Admin::new(&context.settings.admin(name, 0, &config))?)
}

/// The consumer group of its tasks.
fn group(context: &HerderContext, name: &str, config: &Props) -> String {
    let consumer = context.settings.consumer(name, 0, config);
    consumer.get("group.id").map_or_else(|| format!("connect-{name}"), str::to_owned)
}

async fn refuse_active(admin: &Admin, group: &str, name: &str, verb: &str) -> Result<()> {
    if admin.group_is_active(group).await? {
        return Err(Error::internal(format!(
            "Failed to {verb} consumer group offsets for connector {name} either because its tasks haven't stopped \
             completely yet or the resources set aside for them have not been released; try again in a moment"
        )));
    }
    Ok(())
}

fn message(complete: bool, verb: &str) -> String {
    if complete {
        return format!("The offsets for this connector have been {verb} successfully");
    }
    format!(
        "The Connect framework-managed offsets for this connector have been {verb} successfully. However, if this \
         connector manages offsets externally, they will need to be manually {verb} in the system that the connector \
         uses."
    )
}

fn sink_offset(partition: &TopicPartition, offset: i64) -> ConnectorOffset {
    let place = OffsetMap::new([
        ("kafka_partition", i64::from(partition.partition).into()),
        ("kafka_topic", partition.topic.as_ref().into()),
    ]);
    ConnectorOffset { partition: place, offset: Some(OffsetMap::new([("kafka_offset", offset.into())])) }
}

/// The sink form: `{"kafka_topic", "kafka_partition"}` with `{"kafka_offset"}`; numbers may be quoted.
fn parse_sink(request: ConnectorOffsets) -> Result<BTreeMap<TopicPartition, Option<i64>>> {
    request.offsets.into_iter().map(|one| Ok((parse_partition(&one.partition)?, parse_offset(one.offset)?))).collect()
}

fn parse_partition(partition: &OffsetMap) -> Result<TopicPartition> {
    let (Some(topic), Some(number)) = (partition.get("kafka_topic"), partition.get("kafka_partition")) else {
        return Err(Error::bad_request(
            "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
        ));
    };
    let OffsetValue::String(topic) = topic else {
        return Err(Error::bad_request("Kafka topic names must be valid strings and may not be null"));
    };
    let shown = show(number);
    let number = integer(number).and_then(|number| i32::try_from(number).ok()).ok_or_else(|| {
        Error::bad_request(format!(
            "Failed to parse the following Kafka partition value in the provided offsets: '{shown}'. Partition values \
             for sink connectors need to be integers."
        ))
    })?;
    Ok(TopicPartition::new(&**topic, number))
}

fn parse_offset(offset: Option<OffsetMap>) -> Result<Option<i64>> {
    let Some(offset) = offset else { return Ok(None) };
    let Some(value) = offset.get("kafka_offset") else {
        return Err(Error::bad_request(
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
        ));
    };
    let parsed = integer(value).ok_or_else(|| {
        Error::bad_request(format!(
            "Failed to parse the following Kafka offset value in the provided offsets: '{}'. Offset values for sink \
             connectors need to be integers.",
            show(value)
        ))
    })?;
    Ok(Some(parsed))
}

fn integer(value: &OffsetValue) -> Option<i64> {
    match value {
        OffsetValue::Int(number) => Some(*number),
        OffsetValue::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn show(value: &OffsetValue) -> String {
    match value {
        OffsetValue::Null => "null".to_owned(),
        OffsetValue::Boolean(value) => value.to_string(),
        OffsetValue::Int(number) => number.to_string(),
        OffsetValue::Float(number) => number.to_string(),
        OffsetValue::String(text) => text.to_string(),
    }
}
