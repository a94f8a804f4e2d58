//! Roles, proxies, refusals: the way to Lambda.

use std::sync::{Arc, Mutex};

use lambda_front::Outcome;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tributary_api::{ErrorKind, Props};
use tributary_testkit::FakeSinkHost;

use crate::battery::nordstrom_props;
use crate::support::{FUNCTION, Setup, Task, nordstrom, plugin};

#[tokio::test]
async fn a_function_that_is_not_there_fails_the_task_whatever_is_tolerated() {
    let place = Setup::new().await;
    let more = [("aws.lambda.function.name", "no-such-one"), ("behavior.on.error", "ignore")];
    let mut task = Task::start_with(&place.props(&more), FakeSinkHost::tolerant()).await;
    task.put(0..3).await.unwrap();
    let error = task.wait_until_failed().await;
    assert!(
        error.kind() == ErrorKind::Fatal && error.to_string().contains("there is no function no-such-one"),
        "{error}"
    );
    assert_eq!(task.safe(3).await, 0);
}

#[tokio::test]
async fn functions_are_named_in_all_of_awss_ways() {
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:upsert";
    for name in ["upsert", "upsert:live", "upsert:7", arn, &format!("{arn}:live")] {
        let place = Setup::set_up(|_| None, |function| function.alias("live", "7"), |functions| functions).await;
        let mut task = Task::start(&place.props(&[("aws.lambda.function.name", name)])).await;
        task.put(0..1).await.unwrap();
        task.wait_until_safe(1).await.unwrap();
        assert_eq!(place.front.invocations()[0].function, FUNCTION, "{name}");
    }
}

#[tokio::test]
async fn the_region_of_an_arn_is_enough() {
    let place = Setup::new().await;
    let mut props =
        place.props(&[("aws.lambda.function.name", "arn:aws:lambda:eu-west-1:123456789012:function:upsert")]);
    props.remove("aws.lambda.region");
    let mut task = Task::start(&props).await;
    task.put(0..1).await.unwrap();
    task.wait_until_safe(1).await.unwrap();
}

#[tokio::test]
async fn secrets_of_access_are_missing_together() {
    for (gone, named) in [
        ("aws.access.key.id", "aws.access.key.id is missing"),
        ("aws.secret.access.key", "aws.secret.access.key is missing"),
    ] {
        let mut props = Setup::new().await.props(&[]);
        props.remove(gone);
        let error = Task::try_start(&plugin(), &props, FakeSinkHost::new()).await.err().unwrap();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains(named), "{error}");
    }
}

/// Passes on connections, and remembers whom it was asked to connect to.
pub(crate) struct Proxy {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let serve = async move {
            let mut passing = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                passing.spawn(pass_on(client, Arc::clone(&seen)));
            }
        };
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(serve);
        Self { url, asked }
    }
}

async fn pass_on(mut client: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(' ').nth(1).unwrap().to_owned();
    asked.lock().unwrap().push(head);
    if !target.starts_with("127.0.0.1:") {
        client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        return;
    }
    let mut server = TcpStream::connect(target).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    // It ends when either side has had enough.
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn requests_pass_through_a_proxy() {
    let (place, proxy) = (Setup::new().await, Proxy::start().await);
    let more =
        [("aws.lambda.proxy.user", "me"), ("aws.lambda.proxy.password", "pass"), ("aws.lambda.proxy.url", &proxy.url)];
    let mut task = Task::start(&place.props(&more)).await;
    task.put(0..1).await.unwrap();
    task.wait_until_safe(1).await.unwrap();
    let asked = proxy.asked.lock().unwrap()[0].to_lowercase();
    assert!(
        asked.starts_with("connect 127.0.0.1:") && asked.contains("proxy-authorization: basic bwu6cgfzcw=="),
        "{asked}"
    );
}

#[tokio::test]
async fn nordstroms_proxy_host_is_an_endpoint_until_it_has_a_port() {
    let (place, proxy) = (Setup::new().await, Proxy::start().await);
    let mut props: Props = nordstrom_props(&place);
    let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
    task.put(0..1).await.unwrap();
    task.wait_until_safe(1).await.unwrap();
    assert!(matches!(place.front.invocations()[0].outcome, Some(Outcome::Response(_))));
    let (host, port) = proxy.url.rsplit_once(':').unwrap();
    props.insert("http.proxy.host".to_owned(), host.to_owned());
    props.insert("http.proxy.port".to_owned(), port.to_owned());
    let mut task = Task::try_start(&nordstrom(), &props, FakeSinkHost::new()).await.unwrap();
    task.put(0..1).await.unwrap();
    while proxy.asked.lock().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    assert!(proxy.asked.lock().unwrap()[0].starts_with("CONNECT lambda.us-east-1.amazonaws.com:443"));
}
