//! The cookie of a visitor's device, over real HTTP.
#![allow(clippy::unwrap_used)]

mod support;

use reqwest::{Client, RequestBuilder, Response};
use support::{Sink, Site, Source, offer, token};
use tributary_api::Record;
use tributary_testkit::FakeSinkHost;

const EVENT: &str = r#"{"type":"page_view","device_id":"forged"}"#;
const SESSION: &str = "tributary_session";
const DEVICE: &str = "tributary_device";

fn field<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.value.value.get(name)?.as_str()
}

/// The pair of a cookie that an answer sets.
fn cookie(answer: &Response, name: &str) -> Option<String> {
    let mut set = answer.headers().get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    let set = set.find(|set| set.starts_with(&format!("{name}=")))?;
    Some(set.split(';').next().unwrap().to_owned())
}

/// Posts an event with cookies, and acknowledges its record.
async fn post(site: &Site, source: &mut Source, cookies: &[&str]) -> (Response, Record) {
    send(source, Client::new().post(site.url("/collect")).header("cookie", cookies.join("; "))).await
}

async fn send(source: &mut Source, request: RequestBuilder) -> (Response, Record) {
    let (answer, records) = tokio::join!(request.body(EVENT).send(), async {
        let records = source.poll().await;
        source.acknowledge(&records);
        records
    });
    (answer.unwrap(), records.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_device_outlives_the_session_and_the_login() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let (first, record) = post(&site, &mut source, &[]).await;
    let (session, device) = (cookie(&first, SESSION).unwrap(), cookie(&first, DEVICE).unwrap());
    let id = field(&record, "device_id").unwrap().to_owned();
    assert_eq!(field(&record, "person_id"), Some(&*format!("anon:{id}")));
    let set = first.headers().get_all("set-cookie").iter().find(|set| set.to_str().unwrap().starts_with(DEVICE));
    let set = set.unwrap().to_str().unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=34560000"] {
        assert!(set.contains(attribute), "{set}");
    }

    let (again, record) = post(&site, &mut source, &[&session, &device]).await;
    assert!(!again.headers().contains_key("set-cookie"), "it has both");
    assert_eq!(field(&record, "device_id"), Some(&*id));

    let (returned, record) = post(&site, &mut source, &[&device]).await;
    assert!(cookie(&returned, SESSION).is_some() && cookie(&returned, DEVICE).is_none());
    assert_ne!(field(&record, "session_id"), Some(&*id), "another session");
    assert_eq!(field(&record, "person_id"), Some(&*format!("anon:{id}")), "of the same person");

    let (_, login) = token(Some("c-1"));
    let (_, record) = post(&site, &mut source, &[&format!("{SESSION}={login}"), &device]).await;
    assert_eq!((field(&record, "person_id"), field(&record, "device_id")), (Some("c-1"), Some(&*id)));
    source.stop().await;
}

#[tokio::test]
async fn a_session_without_the_device_is_one_person_however_often_it_comes() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let (first, record) = post(&site, &mut source, &[]).await;
    let person = field(&record, "person_id").unwrap().to_owned();
    let session = cookie(&first, SESSION).unwrap();
    for forged in ["", "tributary_device=d1.ZC0x.1800000000.AAAA"] {
        let (answer, record) = post(&site, &mut source, &[&session, forged]).await;
        assert_eq!(field(&record, "person_id"), Some(&*person));
        assert!(cookie(&answer, DEVICE).is_some(), "it is given to the browser again");
    }
    source.stop().await;
}

#[tokio::test]
async fn who_objects_and_who_sends_no_cookies_has_no_device() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let (first, _) = post(&site, &mut source, &[]).await;
    let device = cookie(&first, DEVICE).unwrap();
    for header in ["dnt", "sec-gpc"] {
        let request = Client::new().post(site.url("/collect")).header(header, "1").header("cookie", &device);
        let (answer, record) = send(&mut source, request).await;
        let anonymous = format!("anon:{}", field(&record, "session_id").unwrap());
        assert_eq!((field(&record, "device_id"), field(&record, "person_id")), (None, Some(&*anonymous)));
        assert_eq!(cookie(&answer, DEVICE), None);
    }
    let (_, bearer) = token(Some("c-1"));
    let (answer, record) = send(&mut source, Client::new().post(site.url("/collect")).bearer_auth(bearer)).await;
    assert!(!answer.headers().contains_key("set-cookie") && field(&record, "device_id").is_none());
    source.stop().await;
}

#[tokio::test]
async fn devices_can_be_left_out() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("session.device.cookie.name", "")]).await;
    let (answer, record) = post(&site, &mut source, &[]).await;
    assert_eq!((cookie(&answer, DEVICE), field(&record, "device_id")), (None, None));
    source.stop().await;
}

#[tokio::test]
async fn offers_reach_the_anonymous_person_in_a_later_session() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let (first, record) = post(&site, &mut source, &[]).await;
    let (device, person) = (cookie(&first, DEVICE).unwrap(), field(&record, "person_id").unwrap().to_owned());
    let (later, _) = post(&site, &mut source, &[&device]).await;
    let session = cookie(&later, SESSION).unwrap();
    source.stop().await;

    let mut sink = Sink::start(&site, &[], FakeSinkHost::new()).await;
    sink.put(&[offer(&person, 0)]).await;
    let poll = |cookies: String| Client::new().get(site.url("/poll?wait=1")).header("cookie", cookies).send();
    let found = poll(format!("{session}; {device}")).await.unwrap().text().await.unwrap();
    assert!(found.contains("offer_id"), "{found}");
    let other = poll(session).await.unwrap().text().await.unwrap();
    assert!(!other.contains("offer_id"), "without the device it is somebody else: {other}");
    sink.stop().await;
}
