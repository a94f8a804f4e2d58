//! The server, and what options change.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use support::Recorded;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary_api::Props;
use tributary_listener::{Connections, ListenerOptions};
use tributary_rest::{ListenerUrl, RestOptions, Server, admin_router, router, starting};

struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

#[allow(clippy::disallowed_methods)] // the test waits for it
async fn start(settings: &[(&str, &str)], with_metrics: bool) -> Running {
    let props: Props = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut options = RestOptions::from_props(&props).unwrap();
    if with_metrics {
        options = options.metrics(Arc::new(|| "up 1\n".to_owned()));
    }
    let server =
        Server::bind(&ListenerUrl::parse_list("http://127.0.0.1:0").unwrap(), &options_of_listener()).await.unwrap();
    let (address, stop) = (server.addresses()[0], CancellationToken::new());
    let herder = Arc::new(Recorded::new(200, json!([])));
    let served = tokio::spawn({
        let stop = stop.clone();
        async move { server.serve(router(herder, &options), &options, stop).await }
    });
    Running { address, stop, served }
}

fn options_of_listener() -> ListenerOptions {
    ListenerOptions::new("rest", Connections::new(100))
}

/// Sends text as it is, and answers all that comes back until the other side closes.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_ask() {
    let settings = [("access.control.allow.origin", "http://shop"), ("access.control.allow.methods", "GET,PUT")];
    let server = start(&settings, false).await;
    let answer = exchange(server.address, &get("/connectors", "Origin: http://shop\r\n")).await;
    assert!(answer.contains("access-control-allow-origin: http://shop"), "{answer}");
    let answer = exchange(server.address, &get("/connectors", "Origin: http://other\r\n")).await;
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    let preflight = get("/connectors", "Origin: http://shop\r\nAccess-Control-Request-Method: PUT\r\n");
    let answer = exchange(server.address, &preflight.replacen("GET", "OPTIONS", 1)).await;
    assert!(answer.contains("access-control-allow-methods: get,put"), "{answer}");
}

#[tokio::test]
async fn on_loopback_only_this_machine_is_served() {
    let server = start(&[], false).await;
    let answer = exchange(server.address, &get("/connectors", "").replace("localhost", "evil.example")).await;
    assert!(answer.starts_with("http/1.1 403") && answer.contains("rest.allowed.hosts"), "{answer}");
    let restart = get("/connectors/c/restart", "Origin: http://evil.example\r\n").replacen("GET", "POST", 1);
    let answer = exchange(server.address, &restart).await;
    assert!(answer.starts_with("http/1.1 403") && answer.contains("access.control.allow.origin"), "{answer}");
    let restart = restart.replace("http://evil.example", "http://localhost");
    assert!(!exchange(server.address, &restart).await.starts_with("http/1.1 403"));
}

#[tokio::test]
async fn with_an_extension_everything_needs_a_password_but_a_separate_admin_listener() {
    let folder = tempfile::tempdir().unwrap();
    let (login, passwords) = (folder.path().join("jaas.conf"), folder.path().join("passwords"));
    let package = "org.apache.kafka.connect.rest.basic.auth.extension";
    let entry =
        format!("KafkaConnect {{ {package}.PropertyFileLoginModule required file=\"{}\"; }};", passwords.display());
    std::fs::write(&login, entry).unwrap();
    std::fs::write(&passwords, "admin=geheim").unwrap();
    let (class, login) = (format!("{package}.BasicAuthSecurityRestExtension"), login.to_string_lossy().into_owned());
    let settings = [("rest.extension.classes", class.as_str()), ("rest.basic.auth.login.config", login.as_str())];
    let server = start(&settings, true).await;
    let right = "Authorization: Basic YWRtaW46Z2VoZWlt\r\n";
    for path in
        ["/", "/health", "/connectors", "/connectors/c/config", "/connector-plugins", "/admin/loggers", "/metrics"]
    {
        for wrong in ["", "Authorization: Basic YWRtaW46Z2VoZWlu\r\n"] {
            let answer = exchange(server.address, &get(path, wrong)).await;
            assert!(answer.starts_with("http/1.1 401") && !answer.contains("www-authenticate"), "{path} {answer}");
            assert!(answer.ends_with("user cannot access the resource."), "{path} {answer}");
        }
        assert!(!exchange(server.address, &get(path, right)).await.starts_with("http/1.1 401"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"] {
        let answer = exchange(server.address, &get("/connectors/c/config", "").replacen("GET", method, 1)).await;
        assert!(answer.starts_with("http/1.1 401"), "{method} {answer}");
    }
    // They are signed, and refused for want of a signature.
    let internal = get("/connectors/c/tasks", "Content-Type: application/json\r\n").replacen("GET", "POST", 1);
    assert!(exchange(server.address, &internal).await.starts_with("http/1.1 400"));
    assert!(exchange(server.address, &get("/nope", "")).await.starts_with("http/1.1 404"));
    let props: Props = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let routes = admin_router(Arc::new(Recorded::new(200, json!({}))), &RestOptions::from_props(&props).unwrap());
    let request = axum::http::Request::get("/admin/loggers").body(axum::body::Body::empty()).unwrap();
    assert_eq!(tower::ServiceExt::oneshot(routes, request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn headers_of_the_configuration_are_in_every_answer() {
    let server = start(&[("response.http.headers.config", "set X-Frame-Options: DENY")], false).await;
    for path in ["/connectors", "/nope"] {
        let answer = exchange(server.address, &get(path, "")).await;
        assert!(answer.contains("x-frame-options: deny"), "{answer}");
    }
}

#[tokio::test]
async fn metrics_are_text_where_there_are_some() {
    let server = start(&[], true).await;
    let answer = exchange(server.address, &get("/metrics", "Accept: text/plain\r\n")).await;
    assert!(answer.starts_with("http/1.1 200") && answer.ends_with("up 1\n"), "{answer}");
    let server = start(&[], false).await;
    assert!(exchange(server.address, &get("/metrics", "")).await.starts_with("http/1.1 404"));
}

#[tokio::test]
async fn what_a_processor_promises_has_a_place_of_its_own() {
    let promise = json!({"name": "p", "guarantee": "at_least_once", "reason": "because", "state_store": "redb"});
    let herder = Arc::new(Recorded::new(200, promise.clone()));
    let routes = router(herder.clone(), &RestOptions::default());
    let request = axum::http::Request::get("/connectors/p/processing").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(routes, request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), promise);
    assert_eq!(*herder.calls.lock().unwrap(), [json!(["processing", "p"])]);
}

#[tokio::test]
async fn the_progress_of_a_connector_has_a_place_of_its_own() {
    let measure = json!({"name": "RemainingTableCount", "tags": {"database": "shop"}, "value": 2.0});
    let progress = json!({"name": "c", "metrics": [], "tasks": [{"id": 0, "metrics": [measure]}]});
    let herder = Arc::new(Recorded::new(200, progress.clone()));
    let routes = router(herder.clone(), &RestOptions::default());
    let request = axum::http::Request::get("/connectors/c/progress").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(routes, request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), progress);
    assert_eq!(*herder.calls.lock().unwrap(), [json!(["progress", "c"])]);
}

#[tokio::test]
async fn requests_to_transforms_are_passed_on_with_path_and_body() {
    let herder = Arc::new(Recorded::new(200, json!({})));
    let routes = router(herder.clone(), &RestOptions::default());
    let place = "/connectors/p/transforms/a/rules/home%20and%20garden";
    for (method, body) in [("GET", ""), ("PUT", "version: 1"), ("DELETE", ""), ("POST", "")] {
        let request = axum::http::Request::builder().method(method).uri(place);
        let request = request.header("content-type", "application/yaml").body(axum::body::Body::from(body)).unwrap();
        let answer = tower::ServiceExt::oneshot(routes.clone(), request).await.unwrap();
        assert_eq!(answer.status(), if method == "POST" { 405 } else { 200 }, "{method}");
    }
    let call = |method, body| json!(["transform_request", "p", "a", method, ["rules", "home and garden"], body]);
    assert_eq!(*herder.calls.lock().unwrap(), [call("Get", ""), call("Put", "version: 1"), call("Delete", "")]);
}

#[tokio::test]
async fn admin_listeners_take_admin_off_the_others() {
    let server = start(&[("admin.listeners", "")], false).await;
    assert!(exchange(server.address, &get("/admin/loggers", "")).await.starts_with("http/1.1 404"));
    let herder = Arc::new(Recorded::new(200, json!({})));
    let routes = admin_router(herder, &RestOptions::default());
    let request = axum::http::Request::get("/admin/loggers").body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(routes, request).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_body_too_large_is_refused_as_json() {
    let server = start(&[], false).await;
    let body = format!("{{\"name\":\"{}\"}}", "x".repeat(9 << 20));
    let answer = reqwest::Client::new()
        .post(format!("http://{}/connectors", server.address))
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["error_code"], 413);
}

#[tokio::test]
async fn stopping_is_bounded_even_with_an_open_request() {
    let server = start(&[], false).await;
    let mut open = TcpStream::connect(server.address).await.unwrap();
    open.write_all(
        b"POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    )
    .await
    .unwrap();
    assert!(exchange(server.address, &get("/connectors", "")).await.starts_with("http/1.1 200"));
    // Below the 30 s after which the listener itself gives up on the body.
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), server.served).await.expect("stopping is bounded").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let taken =
        Server::bind(&ListenerUrl::parse_list("http://127.0.0.1:0").unwrap(), &options_of_listener()).await.unwrap();
    let again = ListenerUrl::parse_list(&format!("http://{}", taken.addresses()[0])).unwrap();
    let error = Server::bind(&again, &options_of_listener()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&taken.addresses()[0].to_string()), "{error}");
}

#[tokio::test]
async fn a_starting_worker_answers_503_until_it_is_ready() {
    let (sender, ready) = tokio::sync::watch::channel(None);
    let ask = |path: &'static str| {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        tower::ServiceExt::oneshot(starting(ready.clone()), request)
    };
    let answer = ask("/health").await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = axum::body::to_bytes(answer.into_body(), 1 << 10).await.unwrap();
    assert_eq!(body, r#"{"status":"starting","message":"Worker is still starting up."}"#);
    assert_eq!(ask("/connectors").await.unwrap().status(), 503);
    sender.send(Some(router(Arc::new(Recorded::new(200, json!([]))), &RestOptions::default()))).unwrap();
    assert_eq!(ask("/connectors/").await.unwrap().status(), 200);
    assert_eq!(ask("/nope").await.unwrap().status(), 404);
}
