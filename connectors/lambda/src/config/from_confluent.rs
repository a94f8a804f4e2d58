use std::collections::BTreeMap;
use std::time::Duration;

use tributary_api::{Config, Error, Props, Result, Secret};

use super::read::{credentials, given, limit_of, millis, region_of, simple_name, unknown_provider, with_scheme};
use super::settings::{ADMIN, PRODUCER};
use super::{
    Access, AccessProperties, Functions, LONGER_THAN_ANY, Limits, Mode, OnError, Proxy, Report, Reports, Retries, Role,
    Settings, Text,
};
use crate::payload::{Format, Visibility};

const PROPERTIES: AccessProperties = AccessProperties {
    region: "aws.lambda.region",
    proxy: "aws.lambda.proxy.url",
    credentials: "aws.access.key.id",
    key_id: "aws.access.key.id",
};

/// Reads Confluent's properties, and Tributary's own.
pub(super) fn settings(config: &Config) -> Result<Settings> {
    let mode = match config.string("aws.lambda.invocation.type")?.eq_ignore_ascii_case("async") {
        true => Mode::Async,
        false => Mode::Sync,
    };
    let functions = functions(config)?;
    let limit = limit_of(mode);
    let asked: Option<usize> = config.optional_int("aws.lambda.batch.bytes")?;
    if let Some(asked) = asked.filter(|asked| *asked > limit) {
        return Err(Error::config_at(
            "aws.lambda.batch.bytes",
            format!(
                "aws.lambda.batch.bytes is {asked}, but Lambda accepts only {limit} bytes in an asynchronous event: \
                 lower it, or set aws.lambda.invocation.type to sync"
            ),
        ));
    }
    let retries_max: i64 = config.int("aws.lambda.retries.max")?;
    let timeout: Option<u64> = config.optional_int("aws.lambda.socket.timeout")?;
    let role = "aws.credentials.provider.sts.";
    let has_role = given(config, &format!("{role}role.arn"))?;
    let provider = simple_name(config.string("aws.credentials.provider.class")?);
    match (provider, &has_role) {
        (
            "DefaultCredentialsProvider" | "DefaultAWSCredentialsProviderChain" | "AwsAssumeRoleCredentialsProvider",
            _,
        ) => {}
        (other, _) => {
            return Err(unknown_provider(other, "DefaultCredentialsProvider or AwsAssumeRoleCredentialsProvider"));
        }
    }
    if provider == "AwsAssumeRoleCredentialsProvider" && has_role.is_none() {
        let property = format!("{role}role.arn");
        let message = format!("{property} is missing: name the role to assume");
        return Err(Error::config_at(property, message));
    }
    Ok(Settings {
        mode,
        format: confluent_format(config)?,
        limits: Limits {
            records: config.int("aws.lambda.batch.size")?,
            bytes: asked.unwrap_or(limit),
            window: millis(config, "aws.lambda.batch.window.ms")?,
            concurrency: config.int("aws.lambda.concurrency")?,
            rate: Some(config.int("aws.lambda.rate.limit")?).filter(|rate| *rate > 0),
        },
        retries: Retries {
            requests: u32::try_from(retries_max).ok(),
            statuses: None,
            backoff: millis(config, "aws.lambda.retry.backoff.ms")?,
            backoff_max: millis(config, "aws.lambda.retry.backoff.max.ms")?,
            functions: config.int("aws.lambda.function.retries")?,
            items: match config.boolean("aws.lambda.batch.item.failures")? {
                true => Some(config.int("aws.lambda.batch.item.retries")?),
                false => None,
            },
            bisect: config.boolean("aws.lambda.bisect.on.function.error")?,
        },
        on_error: match config.string("behavior.on.error")?.to_ascii_lowercase().as_str() {
            "log" => OnError::Log,
            "ignore" => OnError::Ignore,
            _ => OnError::Fail,
        },
        log_tail: config.boolean("aws.lambda.log.tail")?,
        access: Access {
            region: given(config, "aws.lambda.region")?.or_else(|| region_of(&functions.default)),
            endpoint: given(config, "aws.lambda.endpoint.url")?,
            credentials: credentials(config, "aws.access.key.id", "aws.secret.access.key")?,
            role: match has_role {
                None => None,
                Some(arn) => Some(Role {
                    arn,
                    session: given(config, &format!("{role}role.session.name"))?,
                    external_id: given(config, &format!("{role}role.external.id"))?,
                    region: given(config, &format!("{role}region"))?,
                }),
            },
            proxy: proxy(config)?,
            timeout: timeout.map_or(LONGER_THAN_ANY, Duration::from_millis),
            application: given(config, "aws.lambda.user.agent")?,
            properties: &PROPERTIES,
        },
        reports: if mode == Mode::Sync { reports(config)? } else { None },
        functions,
    })
}

fn functions(config: &Config) -> Result<Functions> {
    const MAP: &str = "aws.lambda.topic2function.map";
    let default = config.string("aws.lambda.function.name")?.to_owned();
    let mut of_topics = BTreeMap::new();
    for entry in config.list(MAP)? {
        match entry.split_once(';').map(|(topic, function)| (topic.trim(), function.trim())) {
            Some((topic, function)) if !topic.is_empty() && !function.is_empty() => {
                of_topics.insert(topic.to_owned(), function.to_owned());
            }
            _ => return Err(Error::config_at(MAP, format!("{MAP} holds {entry:?}: write each as topic;function"))),
        }
    }
    let multiple = config.string("aws.lambda.configuration.mode")? == "multiple";
    if !of_topics.is_empty() && !multiple {
        return Err(Error::config_at(MAP, format!("{MAP} is set: set aws.lambda.configuration.mode to multiple too")));
    }
    Ok(Functions { default, of_topics })
}

fn confluent_format(config: &Config) -> Result<Format> {
    let escaped = match simple_name(config.string("record.converter.class")?) {
        "JsonKeyValueConverter" => false,
        "EscapedJsonKeyValueConverter" => true,
        other => {
            return Err(Error::config_at(
                "record.converter.class",
                format!(
                    "record.converter.class {other} is not known: there are JsonKeyValueConverter and \
                 EscapedJsonKeyValueConverter"
                ),
            ));
        }
    };
    Ok(match config.string("aws.lambda.payload.format")? {
        "confluent" => Format::Confluent { escaped: false },
        "confluent-escaped" => Format::Confluent { escaped: true },
        "esm" => Format::Esm {
            servers: config.string("aws.lambda.esm.bootstrap.servers")?.to_owned(),
            arn: given(config, "aws.lambda.esm.event.source.arn")?,
        },
        "nordstrom-plain" => Format::NordstromPlain { array: true },
        "nordstrom-json" => Format::NordstromJson { array: true, key: Visibility::Name, value: Visibility::Name },
        _ => Format::Confluent { escaped },
    })
}

/// None unless a property asks for reports: otherwise unexpected topics would be created.
fn reports(config: &Config) -> Result<Option<Reports>> {
    let servers = match config.list("reporter.bootstrap.servers")? {
        [] => given(config, "aws.lambda.response.bootstrap.servers")?,
        servers => Some(servers.join(",")),
    };
    let old_topic = given(config, "aws.lambda.response.topic")?;
    let is_named = |what: &str| config.originals().contains_key(&format!("reporter.{what}.topic.name"));
    if servers.is_none() && old_topic.is_none() && !is_named("result") && !is_named("error") {
        return Ok(None);
    }
    let mut result = report(config, "result")?;
    if let (Some(topic), false, Some(report)) = (old_topic, is_named("result"), &mut result) {
        report.topic = topic;
    }
    let error = report(config, "error")?;
    let mut producer = under(config.originals(), PRODUCER);
    if let Some(servers) = servers {
        producer.insert("bootstrap.servers".to_owned(), servers);
    }
    if let Some(id) = given(config, "aws.lambda.response.client.id")? {
        producer.entry("client.id".to_owned()).or_insert(id);
    }
    let admin = under(config.originals(), ADMIN);
    let any = result.is_some() || error.is_some();
    Ok(any.then_some(Reports { result, error, producer, admin }))
}

fn report(config: &Config, what: &str) -> Result<Option<Report>> {
    let name = |end: &str| format!("reporter.{what}.topic.{end}");
    let text = |part: &str| {
        let schema = config.boolean(&name(&format!("{part}.format.schemas.enable")))?;
        Ok::<_, Error>(match config.string(&name(&format!("{part}.format")))? {
            "json" if schema => Text::Schema,
            "json" => Text::Json,
            _ => Text::Plain,
        })
    };
    let Some(topic) = given(config, &name("name"))? else { return Ok(None) };
    Ok(Some(Report {
        topic,
        replication: config.int(&name("replication.factor"))?,
        partitions: config.int(&name("partitions"))?,
        key: text("key")?,
        value: text("value")?,
    }))
}

fn proxy(config: &Config) -> Result<Option<Proxy>> {
    let Some(url) = given(config, "aws.lambda.proxy.url")? else { return Ok(None) };
    let user = match (given(config, "aws.lambda.proxy.user")?, config.secret("aws.lambda.proxy.password")?) {
        (Some(user), Some(password)) => Some((user, password.clone())),
        (Some(user), None) => Some((user, Secret::new(""))),
        (None, _) => None,
    };
    Ok(Some(Proxy { url: with_scheme(&url), user }))
}

fn under(props: &Props, prefix: &str) -> Props {
    let own = |(name, value): (&String, &String)| Some((name.strip_prefix(prefix)?.to_owned(), value.clone()));
    props.iter().filter_map(own).collect()
}
