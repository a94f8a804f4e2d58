use aws_config::sts::AssumeRoleProvider;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::{
    AppName, BehaviorVersion, Credentials as Keys, ProvideCredentials, Region, SharedCredentialsProvider,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use tributary_api::{Error, Result};

use crate::config::{Access, Credentials, Role};
use crate::http;

/// A client for Lambda. Sends nothing to Lambda yet, but looks up credentials.
///
/// The SDK does not retry: the sink decides whether a function may be invoked again.
///
/// # Errors
/// `Config` when no region or no credentials are found.
pub(crate) async fn connect(access: &Access) -> Result<Client> {
    let region = match &access.region {
        Some(region) => Region::new(region.clone()),
        None => environment(None).await.region().cloned().ok_or_else(|| {
            let property = access.properties.region;
            let message = format!("{property} is missing: set it, or AWS_REGION, or name the function by its ARN");
            Error::config_at(property, message)
        })?,
    };
    let mut builder = aws_sdk_lambda::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http::client(access)?)
        .region(region.clone())
        .retry_config(RetryConfig::disabled())
        // A connection is silent while a function runs.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .credentials_provider(credentials(access, &region).await?);
    builder.set_endpoint_url(access.endpoint.clone());
    builder.set_app_name(access.application.as_ref().and_then(|name| AppName::new(name.clone()).ok()));
    Ok(Client::from_conf(builder.build()))
}

async fn credentials(access: &Access, region: &Region) -> Result<SharedCredentialsProvider> {
    let none =
        |advice: &str| Error::config_at(access.properties.credentials, format!("no AWS credentials found: {advice}"));
    let base = match &access.credentials {
        Credentials::Static { id, secret } => {
            SharedCredentialsProvider::new(Keys::new(id.expose(), secret.expose(), None, None, "config"))
        }
        Credentials::Chain => {
            let chain = environment(Some(region.clone())).await.credentials_provider();
            chain.ok_or_else(|| none(&format!("set {} and its secret", access.properties.key_id)))?
        }
    };
    let provider = match &access.role {
        None => base,
        Some(role) => assume(role, base, region).await,
    };
    let found = provider.provide_credentials().await;
    found.map_err(|error| none("check the access key or the role").cause(&error))?;
    Ok(provider)
}

async fn assume(role: &Role, base: SharedCredentialsProvider, region: &Region) -> SharedCredentialsProvider {
    let region = role.region.clone().map_or_else(|| region.clone(), Region::new);
    let settings = environment(Some(region.clone())).await.into_builder().credentials_provider(base.clone()).build();
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(role.session.as_deref().unwrap_or("tributary-lambda-sink"))
        .region(region)
        .configure(&settings);
    if let Some(id) = &role.external_id {
        provider = provider.external_id(id);
    }
    SharedCredentialsProvider::new(provider.build_from_provider(base).await)
}

/// The configuration from the environment and AWS's configuration files.
async fn environment(region: Option<Region>) -> aws_config::SdkConfig {
    let tls = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(tls.build_https());
    match region {
        Some(region) => loader.region(region).load().await,
        None => loader.load().await,
    }
}
