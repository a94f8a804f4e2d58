//! Offers over real HTTP out of the sink.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use support::{ORIGIN, Sink, Site, Source, offer, partition, record, token, with_cookie};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tributary_api::Offsets;
use tributary_testkit::FakeSinkHost;

const LIMIT: Duration = Duration::from_secs(60);

/// An open stream of server-sent events.
struct Events {
    response: Response,
    buffer: String,
}

impl Events {
    async fn open(site: &Site, token: &str, last_event_id: Option<&str>) -> Self {
        let request = with_cookie(Client::new().get(site.url("/events")), token);
        let request = last_event_id.into_iter().fold(request, |request, id| request.header("last-event-id", id));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut events = Self { response, buffer: String::new() };
        assert!(events.block().await.starts_with("retry: "));
        events
    }

    /// The next block; empty at the end.
    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                return block;
            }
            match tokio::time::timeout(LIMIT, self.response.chunk()).await.unwrap() {
                Ok(Some(chunk)) => self.buffer.push_str(std::str::from_utf8(&chunk).unwrap()),
                Ok(None) | Err(_) => return String::new(),
            }
        }
    }

    /// Id and offer id of the next event.
    async fn next(&mut self) -> (String, String) {
        let block = self.block().await;
        let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        assert_eq!(line("event: "), "offer", "{block}");
        let data: Value = serde_json::from_str(&line("data: ")).unwrap();
        (line("id: "), data["offer_id"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn an_offer_reaches_the_open_pages_of_its_person_only() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[("heartbeat.ms", "50")], FakeSinkHost::new()).await;
    let (ann, bob) = (token(Some("ann")).1, token(Some("bob")).1);
    let mut tabs = [Events::open(&site, &ann, None).await, Events::open(&site, &ann, None).await];
    let mut other = Events::open(&site, &bob, None).await;
    sink.put(&[offer("ann", 0)]).await;
    for tab in &mut tabs {
        loop {
            // A heartbeat may come first.
            let block = tab.block().await;
            if block != ":" {
                assert!(block.contains("o-0"), "{block}");
                break;
            }
        }
    }
    assert_eq!(other.block().await, ":");
    sink.stop().await;
    while other.block().await == ":" {}
    assert_eq!(other.block().await, "");
}

#[tokio::test]
async fn a_stream_is_not_cached_or_buffered_by_proxies() {
    let site = Site::new();
    let sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    let request = with_cookie(Client::new().get(site.url("/events")).header("origin", ORIGIN), &token(None).1);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(response.headers()["access-control-allow-credentials"], "true");
    sink.stop().await;
}

#[tokio::test]
async fn an_anonymous_session_is_addressed_by_person_or_session() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    let (session, token) = token(None);
    let mut events = Events::open(&site, &token, None).await;
    let by_session = format!(r#"{{"offer_id":"by-session","session_id":"{}"}}"#, session.id());
    sink.put(&[record("k", &by_session, 0), record(&session.person(), r#"{"offer_id":"by-key"}"#, 1)]).await;
    assert_eq!(events.next().await.1, "by-session");
    assert_eq!(events.next().await.1, "by-key");
    sink.stop().await;
}

#[tokio::test]
async fn subscriptions_need_a_valid_token() {
    let site = Site::new();
    let sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    let (session, token) = token(Some("ann"));
    for path in ["/events", "/poll"] {
        let get = |query: &str| Client::new().get(site.url(&format!("{path}{query}"))).send();
        assert_eq!(get("").await.unwrap().status(), StatusCode::UNAUTHORIZED);
        // A session id is not a token.
        assert_eq!(get(&format!("?token={}", session.id())).await.unwrap().status(), StatusCode::UNAUTHORIZED);
        let forged =
            with_cookie(Client::new().get(site.url(path)), &token.replacen('.', ".A", 1)).send().await.unwrap();
        assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
        let foreign =
            with_cookie(Client::new().get(site.url(path)), &token).header("origin", "http://evil.example.com");
        assert_eq!(foreign.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    }
    match tokio_tungstenite::connect_async(site.url("/ws").replace("http", "ws")).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(refused)) => assert_eq!(refused.status().as_u16(), 401),
        other => panic!("{other:?}"),
    }
    sink.stop().await;
}

#[tokio::test]
async fn a_page_resumes_after_the_last_event_it_had() {
    let site = Site::new();
    let host = FakeSinkHost::new();
    let mut sink = Sink::start(&site, &[], host.clone()).await;
    let ann = token(Some("ann")).1;
    let mut events = Events::open(&site, &ann, None).await;
    sink.put(&[offer("ann", 0), offer("bob", 1), offer("ann", 2), offer("ann", 3)]).await;
    let (first, _) = events.next().await;
    // The browser disconnects in the middle of the stream.
    drop(events);
    let mut resumed = Events::open(&site, &ann, Some(&first)).await;
    assert_eq!([resumed.next().await.1, resumed.next().await.1], ["o-2", "o-3"]);
    drop(resumed);
    sink.stop().await;

    // After a restart memory is empty: messages are read from Kafka.
    let mut sink = Sink::start(&site, &[], host).await;
    let mut resumed = Events::open(&site, &ann, Some(&first)).await;
    assert_eq!([resumed.next().await.1, resumed.next().await.1], ["o-2", "o-3"]);
    // The task consumes some again; the page does not get them twice.
    sink.task.put(&[offer("ann", 3)]).await.unwrap();
    sink.put(&[offer("ann", 4)]).await;
    assert_eq!(resumed.next().await.1, "o-4");
    sink.stop().await;
}

#[tokio::test]
async fn a_page_with_an_old_cursor_gets_new_offers_while_what_it_missed_is_not_there_yet() {
    let site = Site::new();
    let host = FakeSinkHost::new();
    let mut sink = Sink::start(&site, &[], host.clone()).await;
    (0..9).for_each(|offset| host.append(&offer("ann", offset)));
    // As after a restart, before the partitions are assigned.
    host.assign(&[]);
    let ann = token(Some("ann")).1;
    let old = "d7d87cea.0.5";
    let mut events = Events::open(&site, &ann, Some(old)).await;
    let mut socket = connect(&site, &ann, &format!("?after={old}")).await;
    sink.put(&[offer("ann", 9)]).await;
    // If disconnected now, it would reconnect with its previous cursor.
    assert_eq!(events.next().await, (old.to_owned(), "o-9".to_owned()));
    assert_eq!(next_frame(&mut socket).await, (old.to_owned(), "o-9".to_owned()));
    host.assign(&[partition()]);
    sink.task.open(&[partition()]).await.unwrap();
    for offset in 6..9 {
        // The id of the last one is the end of the log that was read.
        let id = if offset == 8 { 9 } else { offset };
        let expected = (format!("d7d87cea.0.{id}"), format!("o-{offset}"));
        assert_eq!(events.next().await, expected);
        assert_eq!(next_frame(&mut socket).await, expected);
    }
    // A page that has missed nothing gets the current cursor.
    let mut other = Events::open(&site, &token(Some("bob")).1, Some(old)).await;
    assert_eq!(other.block().await, "id: d7d87cea.0.9\nevent: cursor\ndata: {}");
    let polled = with_cookie(Client::new().get(site.url(&format!("/poll?wait=0&after={old}"))), &ann);
    let polled: Value = polled.send().await.unwrap().json().await.unwrap();
    let offers: Vec<_> = polled["events"].as_array().unwrap().iter().map(|event| &event["data"]["offer_id"]).collect();
    assert_eq!(offers, ["o-9", "o-6", "o-7", "o-8"]);
    assert_eq!(polled["cursor"], "d7d87cea.0.9");
    sink.stop().await;
}

#[tokio::test]
async fn a_page_that_begins_to_listen_gets_what_was_decided_just_before() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    sink.put(&[offer("ann", 0)]).await;
    let mut events = Events::open(&site, &token(Some("ann")).1, None).await;
    assert_eq!(events.next().await.1, "o-0");
    sink.stop().await;
}

#[tokio::test]
async fn a_page_that_does_not_read_uses_no_memory_and_delays_no_other() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[("ring.max.messages", "10")], FakeSinkHost::new()).await;
    let (ann, bob) = (token(Some("ann")).1, token(Some("bob")).1);
    let mut stuck = Events::open(&site, &ann, None).await;
    let mut reading = Events::open(&site, &bob, None).await;
    // Far more than sockets buffer.
    let padding = "x".repeat(100_000);
    let large = |offset| record("ann", &format!(r#"{{"offer_id":"o-{offset}","padding":"{padding}"}}"#), offset);
    for offset in 0..1000 {
        sink.task.put(&[large(offset)]).await.unwrap();
        if offset % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    sink.put(&[offer("bob", 1000)]).await;
    assert_eq!(reading.next().await.1, "o-1000");
    // The stream of the page that did not read is ended, so that it reconnects with its last id.
    let mut seen = 0;
    while !stuck.block().await.is_empty() {
        seen += 1;
    }
    assert!(seen < 1000, "{seen}");
    sink.stop().await;
}

#[tokio::test]
async fn subscriptions_are_bounded_and_end_with_their_page() {
    let site = Site::new();
    let limits = [("subscribers.max", "2"), ("subscribers.max.per.person", "1"), ("heartbeat.ms", "20")];
    let sink = Sink::start(&site, &limits, FakeSinkHost::new()).await;
    let open = |token: &str| with_cookie(Client::new().get(site.url("/events")), token).send();
    let (ann, bob, carl) = (token(Some("ann")).1, token(Some("bob")).1, token(Some("carl")).1);
    let first = open(&ann).await.unwrap();
    assert_eq!(open(&ann).await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
    let _second = open(&bob).await.unwrap();
    let crowded = open(&carl).await.unwrap();
    assert_eq!(crowded.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(crowded.headers().contains_key("retry-after"));
    drop(first);
    // The server notices it at the next heartbeat.
    let deadline = tokio::time::Instant::now() + LIMIT;
    while open(&carl).await.unwrap().status() != StatusCode::OK {
        assert!(tokio::time::Instant::now() < deadline, "the page's place is never free again");
    }
    sink.stop().await;
}

#[tokio::test]
async fn long_poll_answers_at_once_or_with_the_next_message() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    let ann = token(Some("ann")).1;
    let poll = |query: String| {
        let request = with_cookie(Client::new().get(site.url(&format!("/poll{query}"))), &ann);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    assert_eq!(poll("?wait=0".to_owned()).await, json!({"events": [], "cursor": null}));
    let (answer, ()) = tokio::join!(poll("?wait=20".to_owned()), sink.put_soon("ann", 0));
    assert_eq!(answer["events"][0]["data"]["offer_id"], "o-0");
    let cursor = answer["cursor"].as_str().unwrap().to_owned();
    assert_eq!(poll(format!("?wait=0&after={cursor}")).await, json!({"events": [], "cursor": cursor}));
    sink.put(&[offer("ann", 1), offer("ann", 2)]).await;
    let answer = poll(format!("?wait=0&after={cursor}")).await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 2);
    sink.stop().await;
}

impl Sink {
    async fn put_soon(&mut self, person: &str, offset: i64) {
        tokio::task::yield_now().await;
        self.put(&[offer(person, offset)]).await;
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(site: &Site, token: &str, query: &str) -> Socket {
    let url = site.url(&format!("/ws{query}")).replace("http", "ws");
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("cookie", format!("tributary_session={token}").parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

/// Id and offer id of the next frame.
async fn next_frame(socket: &mut Socket) -> (String, String) {
    loop {
        if let Message::Text(text) = tokio::time::timeout(LIMIT, socket.next()).await.unwrap().unwrap().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            return (text(&message["id"]), text(&message["data"]["offer_id"]));
        }
    }
}

#[tokio::test]
async fn a_websocket_gets_offers_and_resumes() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[("heartbeat.ms", "20")], FakeSinkHost::new()).await;
    let ann = token(Some("ann")).1;
    let mut socket = connect(&site, &ann, "").await;
    sink.put(&[offer("ann", 0), offer("ann", 1)]).await;
    let mut ids = Vec::new();
    let mut pings = 0;
    while ids.len() < 2 || pings == 0 {
        match tokio::time::timeout(LIMIT, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(message["data"]["offer_id"], format!("o-{}", ids.len()));
                ids.push(message["id"].as_str().unwrap().to_owned());
            }
            Message::Ping(_) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    // What a page sends is ignored and limited in size.
    socket.send(Message::text("hello")).await.unwrap();
    drop(socket);
    let mut resumed = connect(&site, &ann, &format!("?after={}", ids[0])).await;
    let next = tokio::time::timeout(LIMIT, resumed.next()).await.unwrap().unwrap().unwrap();
    assert!(next.to_text().unwrap().contains("o-1"));
    sink.stop().await;
    loop {
        match tokio::time::timeout(LIMIT, resumed.next()).await.unwrap() {
            Some(Ok(Message::Ping(_))) => {}
            Some(Ok(Message::Close(_))) | None | Some(Err(_)) => break,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_record_without_a_person_or_session_is_reported_or_fails() {
    let site = Site::new();
    let host = FakeSinkHost::tolerant();
    let mut sink = Sink::start(&site, &[], host.clone()).await;
    let mut tombstone = record("ann", "1", 1);
    tombstone.value = tributary_api::Datum::NULL;
    sink.put(&[record("", "{}", 0), tombstone, offer("ann", 2)]).await;
    assert_eq!(host.reported().len(), 1);
    let mut events = Events::open(&site, &token(Some("ann")).1, None).await;
    assert_eq!(events.next().await.1, "o-2");
    sink.stop().await;
    let mut strict = Sink::start(&site, &[], FakeSinkHost::new()).await;
    assert!(strict.task.put(&[record("", "{}", 0)]).await.is_err());
    strict.stop().await;
}

#[tokio::test]
async fn an_offset_is_committed_when_its_time_to_be_missed_is_over() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[("replay.window.ms", "3000")], FakeSinkHost::new()).await;
    sink.put(&[offer("ann", 4)]).await;
    let next = Offsets::from([(partition(), 5)]);
    assert_eq!(sink.task.pre_commit(&next).await.unwrap()[&partition()], 4);
    let deadline = tokio::time::Instant::now() + LIMIT;
    while sink.task.pre_commit(&next).await.unwrap()[&partition()] != 5 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sink.stop().await;
}

#[tokio::test]
async fn both_connectors_share_one_listener() {
    let site = Site::new();
    let source = Source::start(&site, &[]).await;
    let address = site.url("");
    let sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    assert_eq!(site.url(""), address);
    source.stop().await;
    let gone = Client::new().post(site.url("/collect")).body("{}").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(Events::open(&site, &token(None).1, None).await);
    sink.stop().await;
    assert!(Client::new().get(format!("{address}/events")).send().await.is_err());
}

#[tokio::test]
async fn pages_of_a_failed_task_are_disconnected() {
    let site = Site::new();
    let mut sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    let ann = token(Some("ann")).1;
    let mut events = Events::open(&site, &ann, None).await;
    // Dropped without `stop`; the connector stays.
    sink.task = site.sink().1;
    assert_eq!(events.block().await, "");
    let later = with_cookie(Client::new().get(site.url("/events")), &ann).send().await.unwrap();
    assert_eq!(later.status(), StatusCode::SERVICE_UNAVAILABLE);
    sink.stop().await;
}
