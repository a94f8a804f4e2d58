//! Properties that both configurations share.

use std::time::Duration;

use tributary_api::{Config, Error, Result};

use super::{ASYNC_LIMIT, Credentials, Mode, SYNC_LIMIT};

pub(super) fn credentials(config: &Config, id: &str, secret: &str) -> Result<Credentials> {
    let set = |name: &str| Ok::<_, Error>(config.secret(name)?.filter(|secret| !secret.expose().is_empty()).cloned());
    match (set(id)?, set(secret)?) {
        (None, None) => Ok(Credentials::Chain),
        (Some(id), Some(secret)) => Ok(Credentials::Static { id, secret }),
        (Some(_), None) => {
            Err(Error::config_at(secret, format!("{secret} is missing: set it, or leave out the key id too")))
        }
        (None, Some(_)) => Err(Error::config_at(id, format!("{id} is missing: set it, or leave out the secret too"))),
    }
}

pub(super) fn unknown_provider(name: &str, known: &str) -> Error {
    let property = "aws.credentials.provider.class";
    Error::config_at(property, format!("{property} {name} is not known: use {known}"))
}

pub(super) fn limit_of(mode: Mode) -> usize {
    if mode == Mode::Async { ASYNC_LIMIT } else { SYNC_LIMIT }
}

pub(super) fn given(config: &Config, name: &str) -> Result<Option<String>> {
    Ok(config.optional_string(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
}

pub(super) fn millis(config: &Config, name: &str) -> Result<Duration> {
    Ok(Duration::from_millis(config.int(name)?))
}

pub(super) fn simple_name(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`
pub(super) fn region_of(function: &str) -> Option<String> {
    let mut parts = function.split(':');
    let is_arn = parts.next() == Some("arn") && parts.nth(1) == Some("lambda");
    parts.next().filter(|region| is_arn && !region.is_empty()).map(str::to_owned)
}

pub(super) fn with_scheme(host: &str) -> String {
    if host.contains("://") { host.to_owned() } else { format!("http://{host}") }
}
