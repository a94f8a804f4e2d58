use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tributary_clickstream::session::{DEFAULT_COOKIE, Session, Signer};
use tributary_listener::{Connections, Listener, ListenerOptions, Share, TowerToHyperService};

use crate::state::ShopState;
use crate::{DemoCustomer, Error, Product, Result, assets, forms, pages};

/// The options of the shop.
#[derive(Clone)]
pub struct ShopOptions {
    /// Where to listen; a free port when it is taken.
    pub listen: SocketAddr,
    /// The connectors' URL for browsers, such as `http://127.0.0.1:8081`.
    pub collector: String,
    /// The secret for session tokens, which the connectors have too.
    pub session_secret: String,
    /// Who can log in.
    pub customers: Vec<DemoCustomer>,
    /// What is on sale.
    pub products: Vec<Product>,
    /// Engaged time between two heartbeats of a page.
    pub heartbeat: Duration,
    /// Engaged time until the first one.
    pub min_visit: Duration,
    /// Engaged time after which the rules offer a voucher; only to say so on the page.
    pub linger: Duration,
}

/// The running shop.
#[derive(Debug)]
pub struct Shop {
    address: SocketAddr,
    closing: CancellationToken,
    serving: TaskTracker,
}

impl Shop {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot listen, or the secret or a customer's id cannot be used.
    pub async fn start(options: ShopOptions) -> Result<Self> {
        let signer = Signer::new(&options.session_secret).map_err(|error| Error::Options(error.to_string()))?;
        for customer in &options.customers {
            Session::of_customer(customer.customer_id.clone(), 0).map_err(|error| Error::Options(error.to_string()))?;
        }
        let listener = bind(options.listen).await?;
        let failed = |source| Error::Listen { address: options.listen.to_string(), source };
        let room = ListenerOptions::new("shop", Connections::sharing(Share::Shop));
        let listener = Listener::on(listener, room).map_err(failed)?;
        let address = listener.local_addr();
        let state = Arc::new(ShopState::new(options, signer, DEFAULT_COOKIE));
        let closing = CancellationToken::new();
        let serving = TaskTracker::new();
        serving.spawn(listener.serve(TowerToHyperService::new(router(state)), closing.clone()));
        serving.close();
        Ok(Self { address, closing, serving })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, within a second.
    pub async fn shutdown(self) {
        self.closing.cancel();
        self.serving.wait().await;
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = match TcpListener::bind(address).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(address.ip(), 0)).await
        }
        bound => bound,
    };
    listener.map_err(|source| Error::Listen { address: address.to_string(), source })
}

fn router(state: Arc<ShopState>) -> Router {
    Router::new()
        .route("/", get(pages::list))
        .route("/products/{id}", get(pages::product))
        .route("/login", get(pages::login).post(forms::login))
        .route("/logout", post(forms::logout))
        .route("/tag.js", get(assets::tag))
        .route("/shop.css", get(assets::style))
        .fallback(pages::not_found)
        .with_state(state)
}

impl std::fmt::Debug for ShopOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShopOptions")
            .field("listen", &self.listen)
            .field("collector", &self.collector)
            .field("customers", &self.customers.len())
            .field("products", &self.products.len())
            .finish_non_exhaustive()
    }
}
