use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tributary_api::{Config, Error, ErrorKind, Result};

use crate::retry;

/// Longer than any single part takes: a dead connection is detected, and a slow one is not aborted.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// A client for the bucket; sends no request yet. AWS's chain of credential providers is used only without static keys.
pub(crate) async fn connect(config: &Config) -> Result<Client> {
    let endpoint =
        config.optional_string("store.url")?.filter(|url| !url.is_empty()).map(|url| match url.contains("://") {
            true => url.to_owned(),
            false => format!("https://{url}"),
        });
    let http = aws_smithy_http_client::Builder::new();
    let http = match endpoint.as_deref().is_some_and(|url| url.starts_with("http://")) {
        true => http.build_http(),
        false => http.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https(),
    };
    let region = Region::new(config.string("s3.region")?.to_owned());
    let mut builder = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(region.clone())
        .retry_config(retry::of_requests(config)?)
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(config.boolean("s3.path.style.access.enabled")?);
    builder.set_endpoint_url(endpoint);
    builder = match (config.string("aws.access.key.id")?, config.secret("aws.secret.access.key")?) {
        ("", _) => {
            let chain = aws_config::defaults(BehaviorVersion::latest()).http_client(http).region(region).load().await;
            match chain.credentials_provider() {
                Some(provider) => builder.credentials_provider(provider),
                None => {
                    let message = "no AWS credentials found: set aws.access.key.id and its secret";
                    return Err(Error::config_at("aws.access.key.id", message));
                }
            }
        }
        (_, None) => {
            let message = "aws.secret.access.key is missing: set it, or leave out the key id too";
            return Err(Error::config_at("aws.secret.access.key", message));
        }
        (id, Some(secret)) => builder.credentials_provider(Credentials::new(id, secret.expose(), None, None, "config")),
    };
    Ok(Client::from_conf(builder.build()))
}

/// What to do about the answer of S3 to a request that was signed for, or sent to, another region than the bucket's.
pub(crate) fn wrong_region<E: ProvideErrorMetadata>(bucket: &str, error: &SdkError<E>) -> Option<String> {
    let response = error.raw_response()?;
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    if response.status().as_u16() != 301 && code != "AuthorizationHeaderMalformed" {
        return None;
    }
    Some(match response.headers().get("x-amz-bucket-region") {
        Some(region) => format!("bucket {bucket} is in another region: set s3.region to {region}"),
        None => {
            format!("bucket {bucket} is in another region: set s3.region to the bucket's, and store.url if it is set")
        }
    })
}

/// What a failed request means for the task.
pub(crate) fn failure<E>(what: &str, bucket: &str, error: &SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).unwrap_or_default();
    if let Some(message) = wrong_region(bucket, error) {
        return Error::config_at("s3.region", format!("{what}: {message}"));
    }
    let retriable = match (status, code) {
        (_, "NoSuchBucket") => {
            return Error::fatal(format!("{what}: there is no bucket {bucket}: create it, or correct s3.bucket.name"));
        }
        (Some(401 | 403), _) => {
            return Error::fatal(format!(
                "{what}: bucket {bucket} refuses these credentials: check the access key, its secret, the region and \
                 the bucket's policy ({code})"
            ));
        }
        // An error may be in the body of a response with a success status.
        (Some(200..=299 | 408 | 409 | 425 | 429 | 500..), _) | (_, "RequestTimeout") => true,
        (None, _) => !matches!(error, SdkError::ConstructionFailure(_)),
        _ => false,
    };
    let kind = if retriable { ErrorKind::Retriable } else { ErrorKind::Fatal };
    match service.and_then(ProvideErrorMetadata::message) {
        Some(message) => Error::new(kind, format!("{what}: {code}: {message}")),
        None => Error::new(kind, what).cause(error),
    }
}
