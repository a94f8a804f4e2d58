use std::time::Duration;

use tributary_api::{Config, ConfigIssue, Props};

use super::definition::properties;
use super::overrides;
use super::rules;
use crate::mapping::Rules;

/// The settings of one topic, overrides applied.
#[derive(Debug)]
pub(crate) struct TopicSettings {
    /// `max.batch.size`: the maximum number of records in a bulk; none: as many as the server accepts.
    pub(crate) max_batch_size: Option<usize>,
    /// `bulk.write.ordered`.
    pub(crate) ordered: bool,
    /// `rate.limiting.*`.
    pub(crate) rate_limit: Option<RateLimit>,
    /// How failed records and refused writes are handled.
    pub(crate) errors: ErrorSettings,
    /// `timeseries.*`, when a time field is given.
    pub(crate) timeseries: Option<Timeseries>,
    /// How records become writes.
    pub(crate) rules: Rules,
}

/// A wait after every `n` bulks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimit {
    pub(crate) every: u32,
    pub(crate) wait: Duration,
}

/// How failed records and refused writes are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErrorSettings {
    /// `mongo.errors.tolerance`, else `errors.tolerance`.
    pub(crate) tolerance: Tolerance,
    /// Whether tolerated errors are logged: `mongo.errors.log.enable`, else `errors.log.enable`. Errors that are not
    /// tolerated always are.
    pub(crate) log: bool,
    /// `errors.tolerance.duplicate.key`.
    pub(crate) duplicates: Duplicates,
}

/// Which errors are reported instead of failing the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tolerance {
    /// None.
    None,
    /// Records that cannot be mapped, and writes that the server refuses; not a server that cannot be reached.
    Data,
    /// All.
    All,
}

/// How an insert of an existing `_id` is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplicates {
    /// It is an error like any other.
    Fail,
    /// It is considered a replay: there is nothing to write.
    Ignore,
}

/// The time-series collection to create if it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timeseries {
    pub(crate) time_field: String,
    pub(crate) meta_field: Option<String>,
    pub(crate) expire_after: Option<Duration>,
    /// `seconds`, `minutes` or `hours`.
    pub(crate) granularity: Option<String>,
}

impl TopicSettings {
    /// The settings of a topic by the connector's properties.
    ///
    /// # Errors
    /// All issues, each with the property as written.
    pub(super) fn new(topic: &str, props: &Props) -> Result<Self, Vec<ConfigIssue>> {
        let merged = overrides::of_topic(topic, props);
        let with_property = |mut issue: ConfigIssue| {
            let written = overrides::name_for(topic, &issue.name, props);
            if written != issue.name {
                issue.message = issue
                    .message
                    .replace(&format!("configuration {}:", issue.name), &format!("configuration {written}:"));
                issue.name = written;
            }
            issue
        };
        let faults = properties().validate(&merged).into_iter().flat_map(|value| {
            let name = value.name;
            value.errors.into_iter().map(move |message| ConfigIssue::new(name.clone(), message))
        });
        let faults: Vec<ConfigIssue> = faults.map(with_property).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let config =
            properties().parse(&merged).map_err(|error| vec![ConfigIssue::new("database", error.to_string())])?;
        Self::of(topic, &config).map_err(|issues| issues.into_iter().map(with_property).collect())
    }

    fn of(topic: &str, config: &Config) -> Result<Self, Vec<ConfigIssue>> {
        let broken = |error: tributary_api::Error| vec![ConfigIssue::new("database", error.to_string())];
        let timeseries = timeseries(config).map_err(broken)?;
        let mut issues = Vec::new();
        let errors = errors(config).unwrap_or_else(|issue| {
            issues.push(issue);
            ErrorSettings { tolerance: Tolerance::None, log: false, duplicates: Duplicates::Fail }
        });
        issues.extend(lonely_time_series(config, timeseries.is_some()));
        let rules = rules::rules(topic, config, timeseries.as_ref(), &mut issues);
        let (Some(rules), true) = (rules, issues.is_empty()) else { return Err(issues) };
        Ok(Self {
            max_batch_size: Some(config.int("max.batch.size").map_err(broken)?).filter(|most| *most > 0),
            ordered: config.boolean("bulk.write.ordered").map_err(broken)?,
            rate_limit: rate_limit(config).map_err(broken)?,
            errors,
            timeseries,
            rules,
        })
    }
}

fn rate_limit(config: &Config) -> tributary_api::Result<Option<RateLimit>> {
    let wait = Duration::from_millis(config.int("rate.limiting.timeout")?);
    let every = config.int("rate.limiting.every.n")?;
    Ok((every > 0 && !wait.is_zero()).then_some(RateLimit { every, wait }))
}

fn errors(config: &Config) -> Result<ErrorSettings, ConfigIssue> {
    let given = config.originals();
    let first = |own: &'static str, workers: &'static str| {
        [own, workers].into_iter().find_map(|name| Some((name, given.get(name)?.trim())))
    };
    let tolerance = match first("mongo.errors.tolerance", "errors.tolerance") {
        None => Tolerance::None,
        Some((name, text)) => match text.to_ascii_lowercase().as_str() {
            "none" => Tolerance::None,
            "data" => Tolerance::Data,
            "all" => Tolerance::All,
            _ => return Err(super::classes::invalid(name, text, "it must be none, data or all")),
        },
    };
    let log = first("mongo.errors.log.enable", "errors.log.enable")
        .is_some_and(|(_, text)| text.eq_ignore_ascii_case("true"));
    let ignores = config.string("errors.tolerance.duplicate.key").is_ok_and(|text| text.eq_ignore_ascii_case("ignore"));
    Ok(ErrorSettings { tolerance, log, duplicates: if ignores { Duplicates::Ignore } else { Duplicates::Fail } })
}

fn timeseries(config: &Config) -> tributary_api::Result<Option<Timeseries>> {
    let given = |name: &str| Ok(config.optional_string(name)?.filter(|text| !text.is_empty()).map(str::to_owned));
    let Some(time_field) = given("timeseries.timefield")? else { return Ok(None) };
    let seconds: u64 = config.int("timeseries.expire.after.seconds")?;
    Ok(Some(Timeseries {
        time_field,
        meta_field: given("timeseries.metafield")?,
        expire_after: (seconds > 0).then(|| Duration::from_secs(seconds)),
        granularity: given("timeseries.granularity")?.map(|granularity| granularity.to_ascii_lowercase()),
    }))
}

/// Properties of a time series have no effect without its time field.
fn lonely_time_series(config: &Config, is_one: bool) -> Vec<ConfigIssue> {
    let given = |name: &str| config.originals().get(name).is_some_and(|text| !matches!(text.trim(), "" | "0"));
    let lonely = ["timeseries.metafield", "timeseries.expire.after.seconds", "timeseries.granularity"];
    let lonely = lonely.into_iter().filter(|name| !is_one && given(name));
    lonely.map(|name| ConfigIssue::new(name, format!("{name} needs timeseries.timefield: set it too"))).collect()
}
