//! Where REST listens, and under which name the worker is known.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_control::Herder;
use tributary_listener::{Connections, ListenerOptions, Share};
use tributary_rest::{Listener, MetricsText, RestOptions, Router, Server, admin_router, router, starting};

use crate::settings::Settings;

/// The REST servers of this process. Until the worker is ready they say that it starts.
pub(crate) struct Rest {
    /// The first listener's address.
    pub(crate) address: SocketAddr,
    /// `host:port` under which others reach this worker.
    pub(crate) worker_id: String,
    options: RestOptions,
    ready: watch::Sender<Option<Router>>,
    admin_ready: watch::Sender<Option<Router>>,
    stop: CancellationToken,
    servers: TaskTracker,
}

impl Rest {
    /// Binds `listeners` and `admin.listeners`. The usual port gives way to a free one where nobody has chosen it.
    pub(crate) async fn start(settings: &Settings) -> Result<Self> {
        let options = RestOptions::from_props(&settings.props)?;
        let listeners = Listener::parse_list(settings.get("listeners").unwrap_or_default())?;
        let server = bind(&listeners, Share::Rest, settings.any_rest_port).await?;
        let address = *server.addresses().first().context("listeners is empty: write http://host:port")?;
        let admin = match settings.get("admin.listeners") {
            Some(list) => Some(bind(&Listener::parse_list(list)?, Share::Admin, false).await?),
            None => None,
        };
        let (stop, servers) = (CancellationToken::new(), TaskTracker::new());
        let (ready, router) = watch::channel(None);
        servers.spawn(server.serve(starting(router), stop.clone()));
        let (admin_ready, router) = watch::channel(None);
        if let Some(admin) = admin {
            servers.spawn(admin.serve(starting(router), stop.clone()));
        }
        servers.close();
        let host = listeners.first().map(|listener| listener.host.as_str()).unwrap_or_default();
        let worker_id = worker_id(settings, host, address);
        Ok(Self { address, worker_id, options, ready, admin_ready, stop, servers })
    }

    /// Lets the worker answer.
    pub(crate) fn ready(&self, herder: &Arc<dyn Herder>, metrics: MetricsText) {
        let options = self.options.clone().metrics(metrics);
        self.ready.send_replace(Some(router(Arc::clone(herder), &options)));
        self.admin_ready.send_replace(Some(admin_router(Arc::clone(herder), &self.options)));
    }

    /// Lets open requests end, for a second.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.servers.wait().await;
    }
}

async fn bind(listeners: &[Listener], share: Share, any_port: bool) -> Result<Server> {
    let options = ListenerOptions::new("rest", Connections::sharing(share));
    let bound = match Server::bind(listeners, &options).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && any_port => {
            let free = |listener: &Listener| Listener { port: 0, ..listener.clone() };
            Server::bind(&listeners.iter().map(free).collect::<Vec<_>>(), &options).await
        }
        bound => bound,
    };
    bound.context("start rest; set listeners to an address that is free")
}

/// `rest.advertised.host.name` and `.port`, else the listener's own.
fn worker_id(settings: &Settings, host: &str, address: SocketAddr) -> String {
    let anywhere = host.is_empty() || host == "0.0.0.0" || host == "::";
    let host = match settings.get("rest.advertised.host.name") {
        Some(name) => name.to_owned(),
        None if anywhere => hostname(),
        None => host.to_owned(),
    };
    let port = settings.get("rest.advertised.port").map_or_else(|| address.port().to_string(), str::to_owned);
    format!("{host}:{port}")
}

fn hostname() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(props: &[(&str, &str)], any_rest_port: bool) -> Settings {
        Settings {
            props: props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            configs: "configs".into(),
            data: "data".into(),
            embedded: true,
            any_rest_port,
        }
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
    async fn the_advertised_name_is_the_workers() {
        let names = [
            ("listeners", "http://127.0.0.1:0"),
            ("rest.advertised.host.name", "worker-1"),
            ("rest.advertised.port", "80"),
        ];
        assert_eq!(Rest::start(&settings(&names, false)).await.unwrap().worker_id, "worker-1:80");
    }
}
