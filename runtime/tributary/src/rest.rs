//! The addresses of REST, and the worker's advertised name.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_control::Herder;
use tributary_listener::{Connections, ListenerOptions, Share};
use tributary_rest::{ListenerUrl, MetricsText, RestOptions, Router, Server, admin_router, router, starting, tls};

use crate::settings::Settings;

/// The REST servers of this process. Until the worker is ready they answer 503.
pub(crate) struct Rest {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The address of the advertised listener.
    pub(crate) address: SocketAddr,
    /// The preferred port; another one is used if it is taken and not configured.
    pub(crate) wanted: u16,
    /// `host:port` under which others reach this worker.
    pub(crate) worker_id: String,
    options: RestOptions,
    ready: watch::Sender<Option<Router>>,
    admin_ready: watch::Sender<Option<Router>>,
    stop: CancellationToken,
    servers: TaskTracker,
}

impl Rest {
    /// Binds `listeners` and `admin.listeners`. If the default port is taken and not configured, a free one is used.
    pub(crate) async fn start(settings: &Settings) -> Result<Self> {
        let options = RestOptions::from_props(&settings.props)?.own_host(&hostname());
        let parse = |name: &str| {
            let parsed = ListenerUrl::parse_list(&settings.list(name)?.join(","));
            parsed.map_err(|error| error.context(name).with_property(name)).map_err(anyhow::Error::from)
        };
        let listeners = parse("listeners")?;
        let advertised = advertised(settings, &listeners)?;
        let server = bind(settings, &listeners, Share::Rest, "listeners.https.").await?;
        let address = *server.addresses().get(advertised).context("listeners is empty: write http://host:port")?;
        let admin_listeners = parse("admin.listeners")?;
        let admin = match admin_listeners.is_empty() {
            false => Some(bind(settings, &admin_listeners, Share::Admin, "admin.listeners.https.").await?),
            true => None,
        };
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        let serve = |server: Server, router| {
            let (options, stop) = (options.clone(), stop.clone());
            servers.spawn(async move { server.serve(starting(router), &options, stop).await });
        };
        let (ready, router) = watch::channel(None);
        serve(server, router);
        let (admin_ready, router) = watch::channel(None);
        if let Some(admin) = admin {
            serve(admin, router);
        }
        servers.close();
        let listener = listeners.get(advertised);
        let worker_id = worker_id(settings, listener.map_or("", |listener| &listener.host), address)?;
        let scheme = if listener.is_some_and(|listener| listener.https) { "https" } else { "http" };
        let wanted = listener.map_or(0, |listener| listener.port);
        Ok(Self { scheme, address, wanted, worker_id, options, ready, admin_ready, stop, servers })
    }

    /// Switches to the worker's router.
    pub(crate) fn ready(&self, herder: &Arc<dyn Herder>, metrics: MetricsText) {
        let options = self.options.clone().metrics(metrics);
        self.ready.send_replace(Some(router(Arc::clone(herder), &options)));
        self.admin_ready.send_replace(Some(admin_router(Arc::clone(herder), &self.options)));
    }

    /// Completes open requests, for up to a second.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.servers.wait().await;
    }
}

/// The listener under which others reach this worker: `rest.advertised.listener`, else one of HTTP if there is one.
fn advertised(settings: &Settings, listeners: &[ListenerUrl]) -> Result<usize> {
    let first = |https: bool| listeners.iter().position(|listener| listener.https == https);
    match settings.text("rest.advertised.listener")? {
        None => Ok(first(false).unwrap_or(0)),
        Some(scheme @ ("http" | "https")) => first(scheme == "https")
            .with_context(|| format!("rest.advertised.listener is {scheme}: listeners has none of that kind")),
        Some(other) => bail!("rest.advertised.listener is {other}: write http or https"),
    }
}

/// TLS is by the settings under the prefix.
async fn bind(settings: &Settings, listeners: &[ListenerUrl], share: Share, prefix: &str) -> Result<Server> {
    let mut options = ListenerOptions::new("rest", Connections::sharing(share));
    if listeners.iter().any(|listener| listener.https) {
        options.tls = Some(tls(&settings.props, prefix)?);
    }
    let any_port = settings.any_rest_port && prefix == "listeners.https.";
    let bound = match Server::bind(listeners, &options).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && any_port => {
            let free = |listener: &ListenerUrl| ListenerUrl { port: 0, ..listener.clone() };
            Server::bind(&listeners.iter().map(free).collect::<Vec<_>>(), &options).await
        }
        bound => bound,
    };
    bound.context("start rest; set listeners to an address that is free")
}

/// `rest.advertised.host.name` and `.port`, else the listener's own.
fn worker_id(settings: &Settings, host: &str, address: SocketAddr) -> Result<String> {
    let anywhere = host.is_empty() || host == "0.0.0.0" || host == "::";
    let host = match settings.text("rest.advertised.host.name")? {
        Some(name) => name.to_owned(),
        None if anywhere => hostname(),
        None => host.to_owned(),
    };
    let port = settings.optional_port("rest.advertised.port")?.unwrap_or_else(|| address.port());
    Ok(format!("{host}:{port}"))
}

fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::settings::Written;

    fn settings(props: &[(&str, &str)], any_rest_port: bool) -> Settings {
        Written { any_rest_port, ..Written::for_test(props) }.parse().unwrap()
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_only_when_it_was_chosen() {
        let first = Rest::start(&settings(&[("listeners", "http://127.0.0.1:0")], false)).await.unwrap();
        assert_eq!(first.worker_id, first.address.to_string());
        let listeners = format!("http://{}", first.address);
        let chosen = Rest::start(&settings(&[("listeners", &listeners)], false)).await;
        assert!(format!("{:#}", chosen.err().unwrap()).contains(&first.address.to_string()));
        let usual = Rest::start(&settings(&[("listeners", &listeners)], true)).await.unwrap();
        assert_ne!(usual.address.port(), first.address.port());
    }

    #[tokio::test]
    async fn what_protects_rest_in_java_is_heeded_or_refused() {
        let refused = async |more: &[(&str, &str)]| {
            let given = [&[("listeners", "http://127.0.0.1:0")], more].concat();
            let error = Rest::start(&settings(&given, false)).await.err().unwrap();
            format!("{error:#}")
        };
        let audit = Written::for_test(&[("rest.extension.classes", "com.example.Audit")]).parse();
        assert!(audit.err().unwrap().to_string().contains("com.example.Audit"));
        assert!(refused(&[("rest.extension.classes", "BasicAuthSecurityRestExtension")]).await.contains("KAFKA_OPTS"));
        let https = ("listeners", "https://127.0.0.1:0");
        assert!(refused(&[https]).await.contains("ssl.keystore.location"));
        assert!(refused(&[("admin.listeners", "https://127.0.0.1:0")]).await.contains("ssl.keystore.location"));
        let store = ("listeners.https.ssl.keystore.location", "/nowhere/keystore.p12");
        assert!(refused(&[https, store]).await.contains("/nowhere/keystore.p12"));
        assert!(refused(&[("rest.advertised.listener", "https")]).await.contains("rest.advertised.listener is https"));
    }

    #[tokio::test]
    async fn the_advertised_name_is_the_workers() {
        let names = [
            ("listeners", "http://127.0.0.1:0"),
            ("rest.advertised.host.name", "worker-1"),
            ("rest.advertised.port", "80"),
        ];
        assert_eq!(Rest::start(&settings(&names, false)).await.unwrap().worker_id, "worker-1:80");
    }
}
