use std::collections::BTreeMap;
use std::time::Duration;

use tributary_api::{Config, Error, Result};

use super::read::{credentials, given, limit_of, millis, region_of, simple_name, unknown_provider, with_scheme};
use super::{Access, AccessProperties, Credentials, Functions, Limits, Mode, OnError, Proxy, Retries, Role, Settings};
use crate::payload::{Format, Visibility};

/// The default of `max.poll.records` in Kafka's consumers.
const MAX_POLL_RECORDS: usize = 500;

const PROPERTIES: AccessProperties = AccessProperties {
    region: "aws.region",
    proxy: "http.proxy.host",
    credentials: "aws.credentials.provider.class",
    key_id: "aws.credentials.provider.aws.access.key.id",
};

/// Reads Nordstrom's properties.
pub(super) fn settings(config: &Config) -> Result<Settings> {
    let mode = if config.string("aws.lambda.invocation.mode")? == "ASYNC" { Mode::Async } else { Mode::Sync };
    let default = config.string("aws.lambda.function.arn")?.to_owned();
    let batches = config.boolean("aws.lambda.batch.enabled")?;
    let provider = simple_name(config.string("aws.credentials.provider.class")?);
    let prefix = "aws.credentials.provider.";
    let with_keys =
        credentials(config, &format!("{prefix}aws.access.key.id"), &format!("{prefix}aws.secret.access.key"));
    let arn = given(config, &format!("{prefix}role.arn"))?;
    let (credentials, arn) = match provider {
        "DefaultAWSCredentialsProviderChain" | "DefaultCredentialsProvider" => (Credentials::Chain, None),
        "AWSUserCredentialsProvider" => (with_keys?, None),
        "AWSAssumeRoleCredentialsProvider" if arn.is_none() => {
            let property = format!("{prefix}role.arn");
            let message = format!("{property} is missing: name the role to assume");
            return Err(Error::config_at(property, message));
        }
        "AWSAssumeRoleCredentialsProvider" => (Credentials::Chain, arn),
        other => {
            let known =
                "DefaultAWSCredentialsProviderChain, AWSUserCredentialsProvider or AWSAssumeRoleCredentialsProvider";
            return Err(unknown_provider(other, known));
        }
    };
    let mut statuses = Vec::new();
    for code in config.list("retriable.error.codes")? {
        let parsed = code.parse().map_err(|_| {
            Error::config_at("retriable.error.codes", format!("retriable.error.codes holds {code}: write statuses"))
        })?;
        statuses.push(parsed);
    }
    let host = given(config, "http.proxy.host")?;
    let port: i64 = config.int("http.proxy.port")?;
    let backoff = millis(config, "retry.backoff.millis")?;
    let session = given(config, &format!("{prefix}session.name"))?;
    let external_id = given(config, &format!("{prefix}external.id"))?;
    Ok(Settings {
        mode,
        format: nordstrom_format(config, batches)?,
        limits: Limits {
            records: if batches { max_poll_records(config)? } else { 1 },
            bytes: limit_of(mode),
            window: Duration::ZERO,
            concurrency: 1,
            rate: None,
        },
        retries: Retries {
            requests: Some(config.int("retries.max")?),
            statuses: Some(statuses),
            backoff,
            backoff_max: backoff.saturating_mul(64),
            functions: 0,
            items: None,
            bisect: false,
        },
        on_error: match config.string("aws.lambda.invocation.failure.mode")? {
            "DROP" => OnError::Log,
            _ => OnError::Fail,
        },
        log_tail: false,
        access: Access {
            region: given(config, "aws.region")?.or_else(|| region_of(&default)),
            endpoint: host.clone().filter(|_| port < 0).map(|host| with_scheme(&host)),
            credentials,
            role: arn.map(|arn| Role { arn, session, external_id, region: None }),
            proxy: host.filter(|_| port >= 0).map(|host| Proxy { url: with_port(&host, port), user: None }),
            timeout: millis(config, "aws.lambda.invocation.timeout.ms")?,
            application: None,
            properties: &PROPERTIES,
        },
        reports: None,
        functions: Functions { default, of_topics: BTreeMap::new() },
    })
}

/// Nordstrom's sink sends the records of one poll.
fn max_poll_records(config: &Config) -> Result<usize> {
    let property = "consumer.override.max.poll.records";
    let Some(text) = config.originals().get(property) else { return Ok(MAX_POLL_RECORDS) };
    match text.trim().parse() {
        Ok(records) if records > 0 => Ok(records),
        _ => Err(Error::config_at(property, format!("{property} is {text}: write a number from 1"))),
    }
}

fn nordstrom_format(config: &Config, array: bool) -> Result<Format> {
    let visibility = |part: &str| {
        Ok::<_, Error>(match config.string(&format!("payload.formatter.{part}.schema.visibility"))? {
            "none" => Visibility::None,
            "all" => Visibility::All,
            _ => Visibility::Name,
        })
    };
    match simple_name(config.string("payload.formatter.class")?) {
        "PlainPayloadFormatter" => Ok(Format::NordstromPlain { array }),
        "JsonPayloadFormatter" => {
            Ok(Format::NordstromJson { array, key: visibility("key")?, value: visibility("value")? })
        }
        other => Err(Error::config_at(
            "payload.formatter.class",
            format!(
                "payload.formatter.class {other} is not known: there are PlainPayloadFormatter and JsonPayloadFormatter"
            ),
        )),
    }
}

fn with_port(host: &str, port: i64) -> String {
    let host = with_scheme(host);
    // A port in the host property takes precedence.
    let has_port = host.rsplit(':').next().is_some_and(|end| end.parse::<u16>().is_ok());
    if has_port { host } else { format!("{}:{port}", host.trim_end_matches('/')) }
}
