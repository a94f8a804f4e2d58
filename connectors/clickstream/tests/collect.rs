//! Events over real HTTP into the source.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{ORIGIN, Site, Source, token, with_cookie};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tributary_api::{Error, Record};

const EVENT: &str = r#"{"type":"page_view","page_id":"p1"}"#;

fn field<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.value.value.get(name)?.as_str()
}

async fn body(response: Response) -> Value {
    response.json().await.unwrap()
}

/// Posts in a task, so that the test can acknowledge meanwhile.
fn post(requests: &mut JoinSet<Response>, site: &Site, text: impl Into<reqwest::Body>) {
    let request = Client::new().post(site.url("/collect")).body(text);
    requests.spawn(async move { request.send().await.unwrap() });
}

#[tokio::test]
async fn the_answer_waits_for_every_acknowledgement() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, format!("[{EVENT},{EVENT}]"));
    let records = source.poll().await;
    assert_eq!(records.len(), 2);
    source.acknowledge(&records[..1]);
    // A second request is completed while the first one waits.
    post(&mut requests, &site, EVENT);
    let second = source.poll().await;
    source.acknowledge(&second);
    let answered = requests.join_next().await.unwrap().unwrap();
    assert_eq!(body(answered).await, json!({"accepted": 1}));
    assert!(requests.try_join_next().is_none());
    source.acknowledge(&records[1..]);
    let answered = requests.join_next().await.unwrap().unwrap();
    assert_eq!((answered.status(), body(answered).await), (StatusCode::OK, json!({"accepted": 2})));
    source.stop().await;
}

#[tokio::test]
async fn withheld_acknowledgements_never_give_a_200() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("request.timeout.ms", "3000")]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, EVENT);
    let records = source.poll().await;
    let answered = requests.join_next().await.unwrap().unwrap();
    assert_eq!(answered.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answered.headers().contains_key("retry-after"));
    // The late acknowledgement returns the reservation and has no other effect.
    source.acknowledge(&records);
    source.stop().await;
}

#[tokio::test]
async fn broker_errors_are_reported_to_the_client() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    for (error, status) in [(Error::retriable("gone"), 503), (Error::data("too large"), 422)] {
        let mut requests = JoinSet::new();
        post(&mut requests, &site, EVENT);
        let records = source.poll().await;
        source.fail(&records, &error);
        assert_eq!(requests.join_next().await.unwrap().unwrap().status().as_u16(), status);
    }
    source.stop().await;
}

#[tokio::test]
async fn a_full_queue_answers_503_until_there_is_space() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("queue.max.events", "2"), ("request.max.events", "2")]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, format!("{EVENT}\n{EVENT}"));
    let records = source.poll().await;
    let refused = Client::new().post(site.url("/collect")).body(EVENT).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    source.acknowledge(&records);
    assert_eq!(requests.join_next().await.unwrap().unwrap().status(), StatusCode::OK);
    post(&mut requests, &site, EVENT);
    assert_eq!(source.poll().await.len(), 1);
    source.stop().await;
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let site = Site::new();
    let limits = [
        ("queue.max.bytes", "2000"),
        ("queue.max.bytes.per.client", "2000"),
        ("request.max.bytes", "1500"),
        ("request.max.inflated.bytes", "2000"),
        ("event.max.bytes", "1500"),
    ];
    let source = Source::start(&site, &limits).await;
    let post = |length: usize| Client::new().post(site.url("/collect")).body("x".repeat(length)).send();
    assert_eq!(post(1501).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let values = format!(r#"{{"type":"x","a":[{}]}}"#, ["1"; 100].join(","));
    let fits_as_text_only = Client::new().post(site.url("/collect")).body(values).send().await.unwrap();
    assert_eq!(fits_as_text_only.status(), StatusCode::SERVICE_UNAVAILABLE);
    source.stop().await;
}

#[tokio::test]
async fn one_bad_line_is_named_and_nothing_is_taken() {
    let site = Site::new();
    let source = Source::start(&site, &[]).await;
    let lines = format!("{EVENT}\n{{\"type\":\n{EVENT}\n{{\"page_id\":1}}\n");
    let request = Client::new().post(site.url("/collect")).header("content-type", "application/x-ndjson").body(lines);
    let answered = request.send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::BAD_REQUEST);
    let body = body(answered).await;
    let bad: Vec<_> = body["events"].as_array().unwrap().iter().map(|event| event["index"].as_i64().unwrap()).collect();
    assert_eq!(bad, [1, 3]);
    assert!(body["events"][0]["reason"].as_str().unwrap().contains("JSON"), "{body}");
    source.stop().await;
}

#[tokio::test]
async fn bad_events_are_skipped_where_configured() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("invalid.events", "skip")]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, format!("[{EVENT},7]"));
    let records = source.poll().await;
    assert_eq!(records.len(), 1);
    source.acknowledge(&records);
    let body = body(requests.join_next().await.unwrap().unwrap()).await;
    assert_eq!(body["accepted"], 1);
    assert_eq!(body["rejected"][0]["index"], 1);
    let none = Client::new().post(site.url("/collect")).body("[7]").send().await.unwrap();
    assert_eq!(none.status(), StatusCode::BAD_REQUEST);
    source.stop().await;
}

#[tokio::test]
async fn an_event_that_is_too_large_is_reported_and_the_others_are_written() {
    let site = Site::new();
    let strict = Source::start(&site, &[("event.max.bytes", "1000")]).await;
    let large = format!(r#"{{"type":"x","padding":"{}"}}"#, "x".repeat(1000));
    let answered = Client::new().post(site.url("/collect")).body(format!("[{EVENT},{large}]")).send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let answer = body(answered).await;
    assert_eq!(answer["events"][0]["index"], 1);
    assert!(answer["events"][0]["reason"].as_str().unwrap().contains("the maximum of 1000"), "{answer}");
    strict.stop().await;

    let mut lenient = Source::start(&site, &[("event.max.bytes", "1000"), ("invalid.events", "skip")]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, format!("[{EVENT},{large},{EVENT}]"));
    let records = lenient.poll().await;
    assert_eq!(records.len(), 2);
    lenient.acknowledge(&records);
    let answer = body(requests.join_next().await.unwrap().unwrap()).await;
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&json!(2), &json!(1)));
    lenient.stop().await;
}

#[tokio::test]
async fn a_bad_event_of_an_array_is_refused_and_the_others_are_written() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("invalid.events", "skip")]).await;
    let mut requests = JoinSet::new();
    let deep = format!(r#"{{"type":"x","a":{}{}}}"#, "[".repeat(20), "]".repeat(20));
    let cut = r#"{"type":"a","x":"caf\ud83d"}"#;
    let bad = [r#"{"type":"x","a":1e400}"#, &deep, "7", r#"{"type":7}"#, r#"{"type":"x","a":}"#];
    post(&mut requests, &site, format!("[{EVENT},{},{cut},{EVENT}]", bad.join(",")));
    let records = source.poll().await;
    assert_eq!(records.len(), 3);
    assert_eq!(field(&records[1], "x"), Some("caf\u{fffd}"));
    source.acknowledge(&records);
    let answer = body(requests.join_next().await.unwrap().unwrap()).await;
    assert_eq!(answer["accepted"], 3);
    let rejected = answer["rejected"].as_array().unwrap().iter().map(|event| event["index"].as_i64().unwrap());
    assert_eq!(rejected.collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    source.stop().await;
}

#[tokio::test]
async fn json_that_needs_too_much_memory_is_refused_before_parsing() {
    let site = Site::new();
    let limits =
        [("event.max.bytes", "4194304"), ("request.max.bytes", "4194304"), ("request.max.inflated.ratio", "10000")];
    let source = Source::start(&site, &limits).await;
    let objects = format!(r#"{{"type":"x","a":[{}]}}"#, vec!["{}"; 1_000_000].join(","));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(objects.as_bytes()).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 5_000);
    let request = Client::new().post(site.url("/collect")).header("content-encoding", "gzip").body(bomb);
    let answered = request.send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::BAD_REQUEST);
    let answer = body(answered).await;
    assert!(answer["events"][0]["reason"].as_str().unwrap().contains("values"), "{answer}");
    source.stop().await;
}

#[tokio::test]
async fn bodies_that_are_only_announced_take_no_room_from_others() {
    let site = Site::new();
    let limits = [
        ("queue.max.bytes", "1000000"),
        ("queue.max.bytes.per.client", "1000000"),
        ("request.max.bytes", "500000"),
        ("request.max.inflated.bytes", "1000000"),
        ("request.timeout.ms", "60000"),
    ];
    let mut source = Source::start(&site, &limits).await;
    let address = site.url("").replace("http://", "");
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!("POST /collect HTTP/1.1\r\nhost: {address}\r\ncontent-length: 499990\r\n\r\n[");
        stream.write_all(head.as_bytes()).await.unwrap();
        held.push(stream);
    }
    let (answered, ()) = tokio::join!(Client::new().post(site.url("/collect")).body(EVENT).send(), async {
        let records = source.poll().await;
        source.acknowledge(&records);
    });
    assert_eq!(answered.unwrap().status(), StatusCode::OK);
    drop(held);
    source.stop().await;
}

#[tokio::test]
async fn bad_requests_are_answered_with_their_reason() {
    let site = Site::new();
    let source = Source::start(&site, &[("request.max.events", "2")]).await;
    let url = site.url("/collect");
    let send = |text: &'static str| Client::new().post(&url).body(text).send();
    assert_eq!(send("").await.unwrap().status(), 400);
    assert_eq!(send("{").await.unwrap().status(), 400);
    assert_eq!(send("[{},{},{}]").await.unwrap().status(), 413);
    let zipped = Client::new().post(&url).header("content-encoding", "compress").body(EVENT).send().await.unwrap();
    assert_eq!(zipped.status(), 415);
    assert!(zipped.headers()["accept-encoding"].to_str().unwrap().contains("zstd"));
    assert_eq!(Client::new().get(&url).send().await.unwrap().status(), 405);
    // The listener has just been opened: another connector may still lease the path.
    assert_eq!(Client::new().get(site.url("/other")).send().await.unwrap().status(), 503);
    let empty = send("[]").await.unwrap();
    assert_eq!((empty.status().as_u16(), body(empty).await), (200, json!({"accepted": 0})));
    source.stop().await;
}

#[tokio::test]
async fn gzip_is_inflated_up_to_a_limit() {
    let gzip = |plain: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let send = |zipped| Client::new().post(site.url("/collect")).header("content-encoding", "gzip").body(zipped).send();
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100_000);
    assert_eq!(send(bomb).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let (answered, ()) = tokio::join!(send(gzip(EVENT.as_bytes())), async {
        let records = source.poll().await;
        source.acknowledge(&records);
    });
    assert_eq!(answered.unwrap().status(), StatusCode::OK);
    source.stop().await;
}

#[tokio::test]
async fn a_new_visitor_gets_a_session_and_keeps_it() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let send = |cookie: Option<String>| {
        let request = Client::new().post(site.url("/collect")).header("content-type", "text/plain").body(EVENT);
        cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie)).send()
    };
    let (first, records) = tokio::join!(send(None), async {
        let records = source.poll().await;
        source.acknowledge(&records);
        records
    });
    let first = first.unwrap();
    let set: Vec<&str> = first.headers().get_all("set-cookie").iter().map(|set| set.to_str().unwrap()).collect();
    assert_eq!(set.len(), 2, "of the session and of the device: {set:?}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=86400"] {
        assert!(set[0].contains(attribute), "{set:?}");
    }
    let session = field(&records[0], "session_id").unwrap().to_owned();
    assert_eq!(field(&records[0], "person_id"), Some(&*format!("anon:{session}")));
    assert_eq!(field(&records[0], "customer_id"), None);
    let pairs: Vec<&str> = set.iter().map(|set| set.split(';').next().unwrap()).collect();
    let (second, records) = tokio::join!(send(Some(pairs.join("; "))), async {
        let records = source.poll().await;
        source.acknowledge(&records);
        records
    });
    assert!(!second.unwrap().headers().contains_key("set-cookie"));
    assert_eq!(field(&records[0], "session_id"), Some(&*session));
    source.stop().await;
}

#[tokio::test]
async fn a_customer_is_known_by_cookie_header_or_query() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let (session, token) = token(Some("c-1"));
    let forged = r#"{"type":"page_view","customer_id":"c-2","person_id":"c-2","session_id":"s"}"#;
    let post = |url: String| Client::new().post(url).body(forged);
    let requests = [
        with_cookie(post(site.url("/collect")), &token),
        post(site.url("/collect")).bearer_auth(&token),
        post(site.url(&format!("/collect?token={token}"))),
    ];
    for request in requests {
        let (answered, records) = tokio::join!(request.send(), async {
            let records = source.poll().await;
            source.acknowledge(&records);
            records
        });
        assert_eq!(answered.unwrap().status(), StatusCode::OK);
        assert_eq!(field(&records[0], "customer_id"), Some("c-1"));
        assert_eq!(field(&records[0], "person_id"), Some("c-1"));
        assert_eq!(field(&records[0], "session_id"), Some(&**session.id()));
        assert_eq!(records[0].key.value.as_str(), Some("c-1"));
        assert_eq!(&*records[0].topic, "clicks.raw");
    }
    source.stop().await;
}

#[tokio::test]
async fn a_token_in_the_address_can_be_forbidden() {
    let site = Site::new();
    let source = Source::start(&site, &[("session.token.in.query", "false")]).await;
    let (_, forged) = token(Some("c-1"));
    // Without the parameter it is a new visitor's request, with it too: a bad event shows that it was looked at.
    let url = site.url(&format!("/collect?token={}", forged.replacen('.', ".A", 1)));
    let answered = Client::new().post(url).body("{}").send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::BAD_REQUEST);
    assert!(answered.headers().contains_key("set-cookie"));
    source.stop().await;
}

#[tokio::test]
async fn a_forged_token_is_401_and_its_cookie_is_removed() {
    let site = Site::new();
    let source = Source::start(&site, &[]).await;
    let (_, token) = token(Some("c-1"));
    let forged = format!("{}A", &token[..token.len() - 1]);
    let forged = if forged == token { format!("{}B", &token[..token.len() - 1]) } else { forged };
    let post = || Client::new().post(site.url("/collect")).body(EVENT);
    let answered = with_cookie(post(), &forged).send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::UNAUTHORIZED);
    assert!(answered.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    let answered = post().bearer_auth(&forged).send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::UNAUTHORIZED);
    assert!(!answered.headers().contains_key("set-cookie"));
    source.stop().await;
}

#[tokio::test]
async fn pages_of_listed_sites_may_send_with_cookies_and_others_may_not() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let url = site.url("/collect");
    let preflight = |origin: &'static str| {
        let request = Client::new().request(reqwest::Method::OPTIONS, &url).header("origin", origin);
        request.header("access-control-request-method", "POST").send()
    };
    let allowed = preflight(ORIGIN).await.unwrap();
    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed.headers()["access-control-allow-origin"], ORIGIN);
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    assert!(allowed.headers()["access-control-allow-headers"].to_str().unwrap().contains("content-type"));
    let foreign = preflight("https://evil.example.com").await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert!(!foreign.headers().contains_key("access-control-allow-origin"));
    let post = |origin: &'static str| Client::new().post(&url).header("origin", origin).body(EVENT).send();
    assert_eq!(post("null").await.unwrap().status(), StatusCode::FORBIDDEN);
    let (answered, ()) = tokio::join!(post(ORIGIN), async {
        let records = source.poll().await;
        source.acknowledge(&records);
    });
    let answered = answered.unwrap();
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(answered.headers()["access-control-allow-origin"], ORIGIN);
    assert_eq!(answered.headers()["vary"], "Origin");
    source.stop().await;
}

#[tokio::test]
async fn a_wish_not_to_be_tracked_is_marked() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let request = Client::new().post(site.url("/collect")).header("dnt", "1").header("sec-gpc", "1").body(EVENT);
    let (_, records) = tokio::join!(request.send(), async {
        let records = source.poll().await;
        source.acknowledge(&records);
        records
    });
    for name in ["dnt", "gpc"] {
        assert_eq!(records[0].value.value.get(name).and_then(|value| value.as_bool()), Some(true));
    }
    source.stop().await;
}

#[tokio::test]
async fn stopping_answers_requests_in_progress_and_refuses_new_ones() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, EVENT);
    let sent = source.poll().await;
    source.stopping.cancel();
    assert_eq!(source.poll().await, []);
    let late = Client::new().post(site.url("/collect")).body(EVENT).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::SERVICE_UNAVAILABLE);
    source.task.stop().await.unwrap();
    // The last acknowledgements come after the stop.
    source.acknowledge(&sent);
    assert_eq!(requests.join_next().await.unwrap().unwrap().status(), StatusCode::OK);
    source.connector.stop().await.unwrap();
    assert!(site.listeners.local_addr(support::LISTEN).is_none());
}

#[tokio::test]
async fn the_path_is_there_before_and_after_the_task() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let post = || Client::new().post(site.url("/collect")).header("origin", ORIGIN).body(EVENT).send();
    source.task.stop().await.unwrap();
    let answered = post().await.unwrap();
    assert_eq!(answered.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answered.headers().contains_key("retry-after"));
    assert_eq!(answered.headers()["access-control-allow-origin"], ORIGIN);
    // A new task takes over on the same listener.
    let (_, mut task) = site.source();
    let host = tributary_testkit::FakeSourceHost::new();
    let cx = tributary_api::SourceTaskContext::new("clicks", 0, source.stopping.clone(), host);
    task.start(cx, &support::props(&[])).await.unwrap();
    source.acks = task.ack_listener().unwrap();
    source.task = task;
    let (answered, ()) = tokio::join!(post(), async {
        let records = source.poll().await;
        source.acknowledge(&records);
    });
    assert_eq!(answered.unwrap().status(), StatusCode::OK);
    source.stop().await;
}

#[tokio::test]
async fn another_connector_cannot_take_the_path() {
    let site = Site::new();
    let source = Source::start(&site, &[]).await;
    let (mut connector, _) = site.source();
    let cx = tributary_testkit::FakeConnectorHost::new().context("other");
    let error = connector.start(cx.clone(), &site.config(&[])).await.unwrap_err();
    assert!(error.to_string().contains("clicks"), "{error}");
    connector.start(cx, &site.config(&[("http.path", "/other")])).await.unwrap();
    connector.stop().await.unwrap();
    source.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_a_clear_error_and_a_released_one_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let site = Site::new();
    let (mut connector, _) = site.source();
    let cx = tributary_testkit::FakeConnectorHost::new().context("clicks");
    let config = site.config(&[("http.listen", &listen)]);
    let error = connector.start(cx.clone(), &config).await.unwrap_err();
    assert!(error.to_string().contains(&listen) && error.to_string().contains("http.listen"), "{error}");
    drop(taken);
    for _ in 0..3 {
        connector.start(cx.clone(), &config).await.unwrap();
        connector.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_client_does_not_delay_others() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("request.timeout.ms", "4000")]).await;
    let never_ends = futures::stream::once(async { Ok::<_, std::io::Error>("[") }).chain(futures::stream::pending());
    let slow = Client::new().post(site.url("/collect")).body(reqwest::Body::wrap_stream(never_ends)).send();
    let quick = async {
        let request = Client::new().post(site.url("/collect")).body(EVENT).send();
        let (answered, ()) = tokio::join!(request, async {
            let records = source.poll().await;
            source.acknowledge(&records);
        });
        answered.unwrap().status()
    };
    let (slow, quick) = tokio::join!(tokio::time::timeout(Duration::from_secs(60), slow), quick);
    assert_eq!(quick, StatusCode::OK);
    assert_eq!(slow.unwrap().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    source.stop().await;
}

#[tokio::test]
async fn after_a_failed_task_the_path_answers_503_with_retry_after() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("request.timeout.ms", "60000")]).await;
    let mut requests = JoinSet::new();
    post(&mut requests, &site, EVENT);
    let sent = source.poll().await;
    // Dropped without `stop`.
    source.task = site.source().1;
    let later = Client::new().post(site.url("/collect")).body(EVENT).send().await.unwrap();
    assert_eq!(later.status(), StatusCode::SERVICE_UNAVAILABLE);
    source.fail(&sent, &Error::fatal("the task failed"));
    assert_eq!(requests.join_next().await.unwrap().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    source.stop().await;
}
