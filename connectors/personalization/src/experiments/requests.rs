//! Reports over REST.

use tributary_api::{
    Config, PluginAnswer, RawTopicReader, RequestHost, RequestMethod, Result, TopicReaderOptions, TopicRecord, Value,
    json,
};

use super::attribution::{Attribution, Periods};
use super::log;
use super::report::{Design, report};
use crate::rules::{Experiment, RulePack};

const READ: usize = 1000;

/// Answers `GET experiments` and `GET experiments/KEY`.
pub(crate) async fn answer(
    (method, path): (RequestMethod, &[&str]),
    config: &Config,
    packs: &[&RulePack],
    host: &dyn RequestHost,
) -> Result<PluginAnswer> {
    match (method, path) {
        (RequestMethod::Get, []) => Ok(PluginAnswer::new(200, list(packs))),
        (RequestMethod::Get, [key]) => of_experiment(key, config, packs, host).await,
        _ => Ok(PluginAnswer::refused(404, "there are GET experiments and GET experiments/KEY")),
    }
}

fn list(packs: &[&RulePack]) -> Value {
    let about = |pack: &RulePack, offer: &str, experiment: &Experiment| {
        let design = Design::new(experiment);
        let variants = design
            .variants
            .into_iter()
            .map(|(name, weight)| Value::map([("variant", Value::string(name)), ("weight", Value::Float64(weight))]));
        Value::map([
            ("experiment", Value::string(experiment.key.as_str())),
            ("offer", Value::string(offer)),
            ("pack", Value::string(pack.name())),
            ("ruleset_version", Value::Int64(pack.version())),
            ("variants", Value::Array(variants.collect())),
        ])
    };
    Value::Array(experiments(packs).map(|(pack, offer, experiment)| about(pack, offer, experiment)).collect())
}

fn experiments<'p>(packs: &'p [&'p RulePack]) -> impl Iterator<Item = (&'p RulePack, &'p str, &'p Experiment)> {
    let offers = packs.iter().flat_map(|pack| pack.offers.iter().map(|offer| (*pack, offer)));
    offers.filter_map(|(pack, offer)| Some((pack, offer.id.as_str(), offer.experiment.as_ref()?)))
}

async fn of_experiment(
    key: &str,
    config: &Config,
    packs: &[&RulePack],
    host: &dyn RequestHost,
) -> Result<PluginAnswer> {
    let Some(topic) = log::topic(config)? else {
        return Ok(PluginAnswer::refused(409, format!("exposures are not written: set {}", log::TOPIC)));
    };
    let design = experiments(packs).find(|(_, _, experiment)| experiment.key == key).map(|found| Design::new(found.2));
    let mut attribution = Attribution::new(key, Periods::new(config)?);
    let ends = read(&topic, &[], host, &mut |value| attribution.take_exposure(value)).await?;
    attribution.unreadable += ends.unreadable;
    if design.is_none() && attribution.arms.is_empty() {
        return Ok(PluginAnswer::refused(
            404,
            format!("no rule pack has an experiment {key}, and nobody was exposed to it"),
        ));
    }
    // Up to where exposures were read: an order after that may be of somebody who was exposed after that.
    read(&topic, &ends.offsets, host, &mut |value| attribution.take_outcome(value)).await?;
    let report = report(&attribution, design.as_ref());
    let json = serde_json::to_vec(&report)
        .map_err(|error| tributary_api::Error::data("cannot write the report as JSON").cause(&error))?;
    Ok(PluginAnswer::new(200, json::from_slice(&json)?))
}

/// How far a topic was read.
#[derive(Default)]
struct Ends {
    /// Of each partition, where reading began: the offset after the last record.
    offsets: Vec<i64>,
    unreadable: u64,
}

/// Reads all partitions once, each to its end or to the offset that is given for it.
async fn read(
    topic: &str,
    ends: &[i64],
    host: &dyn RequestHost,
    take: &mut (dyn FnMut(&Value) + Send),
) -> Result<Ends> {
    let mut read = Ends::default();
    for partition in 0.. {
        let Some(mut reader) = host.topic_reader(TopicReaderOptions::new(topic, partition)).await? else { break };
        let end = usize::try_from(partition).ok().and_then(|at| ends.get(at)).copied();
        let end = if ends.is_empty() { i64::MAX } else { end.unwrap_or_default() };
        read.offsets.push(reader.end());
        while let Some(unreadable) = read_some(&mut *reader, end, take).await? {
            read.unreadable += unreadable;
        }
    }
    Ok(read)
}

/// None at the end; otherwise how many records were not readable.
async fn read_some(
    reader: &mut dyn RawTopicReader,
    end: i64,
    take: &mut (dyn FnMut(&Value) + Send),
) -> Result<Option<u64>> {
    let records = reader.read(READ).await?;
    if records.is_empty() {
        return Ok(None);
    }
    let mut unreadable = 0;
    for (offset, record) in records {
        if offset >= end {
            return Ok(None);
        }
        match decoded(&record) {
            Some(value) => take(&value),
            None => unreadable += u64::from(record.value.is_some()),
        }
    }
    Ok(Some(unreadable))
}

/// JSON, with a schema around it or without one.
fn decoded(record: &TopicRecord) -> Option<Value> {
    let value = json::from_slice(record.value.as_ref()?).ok()?;
    match (value.get("schema"), value.get("payload")) {
        (Some(_), Some(payload)) => Some(payload.clone()),
        _ => matches!(value, Value::Map(_)).then_some(value),
    }
}
