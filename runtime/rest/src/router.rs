use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use tower::Layer;
use tower_http::normalize_path::NormalizePathLayer;
use tributary_control::Herder;

use crate::error::ApiError;
use crate::options::{MetricsText, RestOptions};
use crate::response_headers::ResponseHeaders;
use crate::{
    access, admin, basic_auth, connectors, deadline, internal, methods, negotiation, offsets, plugins, root, tasks,
    transforms,
};

/// Far more than a record of the configuration topic can hold.
const MAX_BODY: usize = 8 << 20;

/// The state of handlers.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) herder: Arc<dyn Herder>,
    pub(crate) metrics: Option<MetricsText>,
}

/// The REST API of a worker.
pub fn router(herder: Arc<dyn Herder>, options: &RestOptions) -> Router {
    let mut routes = connector_routes().merge(plugin_routes());
    if !options.admin_elsewhere {
        routes = routes.merge(admin_routes());
    }
    finish(routes, transform_routes(), herder, options)
}

/// Only `/admin`, for `admin.listeners`. Extensions do not apply to it, as in Connect.
pub fn admin_router(herder: Arc<dyn Herder>, options: &RestOptions) -> Router {
    finish(admin_routes(), Router::new(), herder, &RestOptions { basic_auth: None, ..options.clone() })
}

fn connector_routes() -> Router<Worker> {
    Router::new()
        .route("/", get(root::worker_info))
        .route("/health", get(root::health))
        .route("/connectors", get(connectors::list).post(connectors::create))
        .route("/connectors/{connector}", get(connectors::info).delete(connectors::delete))
        .route(
            "/connectors/{connector}/config",
            get(connectors::config).put(connectors::put_config).patch(connectors::patch_config),
        )
        .route("/connectors/{connector}/status", get(connectors::status))
        .route("/connectors/{connector}/processing", get(connectors::processing))
        .route("/connectors/{connector}/progress", get(connectors::progress))
        .route("/connectors/{connector}/restart", post(connectors::restart))
        .route("/connectors/{connector}/pause", put(connectors::pause))
        .route("/connectors/{connector}/resume", put(connectors::resume))
        .route("/connectors/{connector}/stop", put(connectors::stop))
        .route("/connectors/{connector}/fence", put(internal::refuse))
        .route("/connectors/{connector}/tasks", get(tasks::list).post(internal::refuse))
        .route("/connectors/{connector}/tasks/{task}/status", get(tasks::status))
        .route("/connectors/{connector}/tasks/{task}/restart", post(tasks::restart))
        .route("/connectors/{connector}/topics", get(connectors::topics))
        .route("/connectors/{connector}/topics/reset", put(connectors::reset_topics))
        .route("/connectors/{connector}/offsets", get(offsets::get).patch(offsets::alter).delete(offsets::reset))
}

fn plugin_routes() -> Router<Worker> {
    Router::new()
        .route("/connector-plugins", get(plugins::list))
        .route("/connector-plugins/{plugin}/config", get(plugins::config))
        .route("/connector-plugins/{plugin}/config/validate", put(plugins::validate))
}

fn admin_routes() -> Router<Worker> {
    Router::new()
        .route("/admin/loggers", get(admin::list))
        .route("/admin/loggers/{logger}", get(admin::get).put(admin::set))
}

/// Not part of Connect's API: what transforms answer themselves.
fn transform_routes() -> Router<Worker> {
    let answered = || get(transforms::get).put(transforms::put).delete(transforms::delete);
    Router::new()
        .route("/connectors/{connector}/transforms/{alias}/{*path}", answered())
        .method_not_allowed_fallback(methods::other)
}

fn finish(
    routes: Router<Worker>,
    transforms: Router<Worker>,
    herder: Arc<dyn Herder>,
    options: &RestOptions,
) -> Router {
    let worker = Worker { herder, metrics: options.metrics.clone() };
    let mut routes = routes.method_not_allowed_fallback(methods::other);
    // Not all of JSON: metrics are text, and a plugin says itself what it takes.
    let mut others = Router::new().route("/metrics", get(root::metrics)).merge(transforms);
    if let Some(auth) = &options.basic_auth {
        let check = middleware::from_fn_with_state(auth.clone(), basic_auth::check);
        routes = routes.route_layer(check.clone());
        others = others.route_layer(check);
    }
    let mut routes = routes
        .route_layer(middleware::from_fn(negotiation::json_only))
        .merge(others)
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(worker.clone(), deadline::enforce));
    if !options.response_headers.is_empty() {
        routes = routes.layer(middleware::from_fn_with_state(options.response_headers.clone(), add_headers));
    }
    if let Some(cors) = &options.cors {
        routes = routes.layer(cors.clone());
    }
    let routes = routes.layer(middleware::from_fn(access::log)).with_state(worker);
    // Around the router, because the router matches the path before its own layers run, and sets `Allow` after them.
    let routes = NormalizePathLayer::trim_trailing_slash().layer(routes);
    Router::new().fallback_service(routes).layer(middleware::from_fn(methods::list))
}

pub(crate) async fn not_found() -> Response {
    ApiError::of_status(StatusCode::NOT_FOUND).into_response()
}

async fn add_headers(State(headers): State<ResponseHeaders>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    headers.apply(response.headers_mut());
    response
}
