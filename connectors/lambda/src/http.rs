//! An HTTP client for the SDK with TCP keep-alive, which the SDK's own client does not offer: a connection is silent
//! for minutes while a function runs, and routers on the way would drop it.

use std::fmt;
use std::time::Duration;

use aws_sdk_lambda::config::SharedHttpClient;
use aws_sdk_lambda::config::http::{HttpRequest, HttpResponse};
use aws_sdk_lambda::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::result::ConnectorError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tributary_api::{Error, Result};

use crate::config::{Access, Proxy};

/// The connect timeout.
const CONNECT: Duration = Duration::from_secs(10);
/// NAT gateways and load balancers drop a silent connection after 350 s.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// The interval between unanswered probes.
const PROBE_AGAIN: Duration = Duration::from_secs(10);
/// Below the time after which servers close an idle connection.
const IDLE: Duration = Duration::from_secs(20);

enum Http {
    Direct(Client<HttpsConnector<Tcp>, SdkBody>),
    Proxied(Client<HttpsConnector<Tunnel<Tcp>>, SdkBody>),
}

/// A client for the SDK.
///
/// # Errors
/// `Config` when the proxy cannot be used, or the system has no certificates to trust.
pub(crate) fn client(access: &Access) -> Result<SharedHttpClient> {
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(PROBE_AGAIN));
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| Error::config("cannot load the certificates that this system trusts").cause(&error))?
        .https_or_http()
        .enable_http1();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    let http = match &access.proxy {
        None => Http::Direct(builder.build(tls.wrap_connector(tcp))),
        Some(proxy) => Http::Proxied(builder.build(tls.wrap_connector(tunnel(proxy, access.properties.proxy, tcp)?))),
    };
    let connector = SharedHttpConnector::new(http);
    Ok(http_client_fn(move |_, _| connector.clone()))
}

fn tunnel(proxy: &Proxy, property: &str, tcp: Tcp) -> Result<Tunnel<Tcp>> {
    let wrong = || Error::config_at(property, format!("proxy {} cannot be used: write http://host:port", proxy.url));
    let uri: Uri = proxy.url.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("http") || uri.host().is_none() {
        return Err(wrong());
    }
    let tunnel = Tunnel::new(uri, tcp);
    let Some((user, password)) = &proxy.user else { return Ok(tunnel) };
    let basic = format!("Basic {}", BASE64.encode(format!("{user}:{}", password.expose())));
    let basic = HeaderValue::try_from(basic).map_err(|_| wrong())?;
    Ok(tunnel.with_auth(basic))
}

/// Whether a request failed before it was sent, so that it can have had no effect.
pub(crate) fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<ClientError>().is_some_and(ClientError::is_connect) {
            return true;
        }
        next = error.source();
    }
    false
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let answer = match self {
            Self::Direct(client) => client.request(request),
            Self::Proxied(client) => client.request(request),
        };
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Direct(_)) { "Http(direct)" } else { "Http(proxied)" })
    }
}
