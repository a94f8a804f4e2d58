//! The shapes of requests and of answers, who may send, and where invalid events go; over real HTTP.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use hmac::{Hmac, Mac};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Site, Source, token, with_cookie};
use tributary_api::Record;

const EVENT: &str = r#"{"type":"page_view","page_id":"p1"}"#;

fn field<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.value.value.get(name)?.as_str()
}

fn number(record: &Record, name: &str) -> Option<i64> {
    record.value.value.get(name)?.as_i64()
}

fn now_ms() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(elapsed.as_millis()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer to a request, and the records that it has brought, which are acknowledged.
async fn taken(source: &mut Source, request: RequestBuilder) -> (Response, Vec<Record>) {
    let (answer, records) = tokio::join!(request.send(), async {
        let records = source.poll().await;
        source.acknowledge(&records);
        records
    });
    (answer.unwrap(), records)
}

#[tokio::test]
async fn an_envelope_is_taken_apart_and_a_wrong_clock_is_corrected() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    // The client's clock is an hour behind; its first event was two seconds old when it was sent.
    let sent_at = now_ms() - 3_600_000;
    let body = json!({
        "batch": [{"type": "page_view", "ts": sent_at - 2_000}, {"type": "product_view"}],
        "sent_at": sent_at,
        "context": {"type": "ignored"},
    });
    let (answer, records) = taken(&mut source, Client::new().post(site.url("/collect")).body(body.to_string())).await;
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"accepted": 2}));
    let received_at = number(&records[0], "received_at").unwrap();
    assert_eq!(number(&records[0], "ts"), Some(received_at - 2_000));
    assert_eq!(records[0].timestamp, Some(received_at - 2_000));
    assert_eq!(number(&records[0], "ts_correction_ms"), Some(received_at - sent_at));
    assert_eq!((field(&records[1], "type"), records[1].timestamp), (Some("product_view"), Some(received_at)));
    source.stop().await;
}

#[tokio::test]
async fn every_encoding_is_taken() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zlib, EVENT.as_bytes()).unwrap();
    // `[{"type":"x"}]` by the reference encoder.
    let brotli = b"\x8b\x06\x80[{\"type\":\"x\"}]\x03".to_vec();
    let bodies = [
        ("deflate", zlib.finish().unwrap()),
        ("zstd", zstd::bulk::compress(EVENT.as_bytes(), 3).unwrap()),
        ("br", brotli),
    ];
    for (encoding, body) in bodies {
        let request = Client::new().post(site.url("/collect")).header("content-encoding", encoding).body(body);
        let (answer, records) = taken(&mut source, request).await;
        assert_eq!((answer.status().as_u16(), records.len()), (200, 1), "{encoding}");
    }
    source.stop().await;
}

#[tokio::test]
async fn an_image_brings_an_event() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("http.pixel.path", "/pixel.gif")]).await;
    let (session, token) = token(Some("c-1"));
    let image = |query: &str| Client::new().get(site.url(&format!("/pixel.gif?{query}")));
    let (answer, records) =
        taken(&mut source, with_cookie(image("type=mail_opened&event_id=m-1&campaign=a%26b"), &token)).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (200, &"image/gif".parse().unwrap()));
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("no-store"));
    assert_eq!(answer.headers().get_all("content-type").iter().count(), 1);
    let gif = answer.bytes().await.unwrap();
    assert_eq!((gif.len(), &gif[..6]), (43, &b"GIF89a"[..]));
    let fields = ["type", "event_id", "campaign", "customer_id"].map(|name| field(&records[0], name));
    assert_eq!(fields, [Some("mail_opened"), Some("m-1"), Some("a&b"), Some("c-1")]);
    assert_eq!(field(&records[0], "session_id"), Some(&**session.id()));

    let (new_visitor, records) = taken(&mut source, image("data=%5B%7B%22type%22%3A%22x%22%7D%5D")).await;
    assert!(new_visitor.headers().contains_key("set-cookie"));
    assert_eq!(field(&records[0], "type"), Some("x"));
    assert_eq!(image("campaign=a").send().await.unwrap().status(), 400, "no type");
    let posted = Client::new().post(site.url("/pixel.gif")).body(EVENT).send().await.unwrap();
    assert_eq!(posted.status(), 405);
    source.stop().await;
}

#[tokio::test]
async fn an_accepted_request_is_answered_before_it_is_stored() {
    let site = Site::new();
    let mut source = Source::start(&site, &[("acknowledgement", "accepted")]).await;
    let answer = Client::new().post(site.url("/collect")).body(format!("[{EVENT},{EVENT}]")).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"accepted": 2}));
    // The client has gone, and its events are sent.
    source.stopping.cancel();
    let records = source.poll().await;
    assert_eq!(records.len(), 2);
    source.acknowledge(&records);
    let late = Client::new().post(site.url("/collect")).body(EVENT).send().await.unwrap();
    assert_eq!(late.status(), 503);
    source.stop().await;
}

#[tokio::test]
async fn sources_prove_who_they_are_and_have_a_rate() {
    let secret = "the secret of the till is long enough";
    let keys = format!("app={}", hex(&Sha256::digest("key of the app")));
    let (site, till) = (Site::new(), format!("till={secret}"));
    let pairs = [
        ("api.keys", keys.as_str()),
        ("signature.keys", &till),
        ("source.required", "true"),
        ("source.max.events.per.second", "1"),
    ];
    let mut source = Source::start(&site, &pairs).await;
    let post = |query: &str| Client::new().post(site.url(&format!("/collect{query}"))).body(EVENT);
    assert_eq!(post("").send().await.unwrap().status(), 401);
    assert_eq!(post("?key=guess").send().await.unwrap().status(), 401);

    let (answer, records) = taken(&mut source, post("").header("x-api-key", "key of the app")).await;
    assert_eq!((answer.status().as_u16(), field(&records[0], "source_id")), (200, Some("app")));
    let more = post("").header("x-api-key", "key of the app").body(format!("[{EVENT},{EVENT},{EVENT}]"));
    // Two of them may come at once, so the third request is one too many whatever the clock says.
    let mut refused = None;
    for _ in 0..3 {
        let answer = tokio::select! {
            answer = more.try_clone().unwrap().send() => answer.unwrap(),
            () = async { loop { let records = source.poll().await; source.acknowledge(&records) } } => unreachable!(),
        };
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    assert!(refused.unwrap().headers().contains_key("retry-after"));

    let signed = |body: &str, at: i64| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(format!("{at}.{body}"));
        let signature = format!("source=till,t={at},v1={}", hex(&mac.finalize().into_bytes()));
        post("").header("x-signature", signature)
    };
    let (answer, records) = taken(&mut source, signed(EVENT, now_ms())).await;
    assert_eq!((answer.status().as_u16(), field(&records[0], "source_id")), (200, Some("till")));
    assert_eq!(signed("{}", now_ms()).send().await.unwrap().status(), 401, "of another body");
    assert_eq!(signed(EVENT, now_ms() - 600_000).send().await.unwrap().status(), 401, "recorded long ago");
    source.stop().await;
}

#[tokio::test]
async fn a_bot_is_marked_and_not_dropped() {
    let site = Site::new();
    let mut source = Source::start(&site, &[]).await;
    let crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    for (agent, is_bot) in [(crawler, true), ("Mozilla/5.0 Safari/605.1.15", false)] {
        let request = Client::new().post(site.url("/collect")).header("user-agent", agent).body(EVENT);
        let (_, records) = taken(&mut source, request).await;
        assert_eq!(records[0].value.value.get("bot").is_some(), is_bot, "{agent}");
    }
    source.stop().await;
}

#[tokio::test]
async fn invalid_events_go_to_their_topic_with_the_reason() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let schema = json!({"properties": {"price": {"type": "number"}}, "required": ["type", "page_id"]});
    std::fs::write(file.path(), schema.to_string()).unwrap();
    let site = Site::new();
    let pairs = [
        ("invalid.events", "topic"),
        ("invalid.events.topic", "clicks.invalid"),
        ("event.schema.file", file.path().to_str().unwrap()),
    ];
    let mut source = Source::start(&site, &pairs).await;
    let cheap = r#"{"type":"order","page_id":"p1","price":"cheap"}"#;
    let long = format!(r#"{{"type":"x","a":"{}"}}"#, "\"".repeat(20_000));
    let body = format!("[{EVENT},{cheap},{long},{EVENT}]");
    let (answer, records) = taken(&mut source, Client::new().post(site.url("/collect")).body(body)).await;
    let answer = answer.json::<Value>().await.unwrap();
    assert_eq!((&answer["accepted"], &answer["rejected"][0]["index"]), (&json!(2), &json!(1)), "{answer}");
    let topics: Vec<&str> = records.iter().map(|record| &*record.topic).collect();
    assert_eq!(topics, ["clicks.raw", "clicks.raw", "clicks.invalid", "clicks.invalid"]);
    assert_eq!(field(&records[2], "event"), Some(cheap));
    assert!(field(&records[2], "reason").unwrap().contains("/price"), "{:?}", records[2]);
    assert!(number(&records[2], "received_at").is_some() && field(&records[2], "session_id").is_some());
    assert_eq!(field(&records[3], "event").map(str::len), Some(16 << 10));
    assert_eq!(records[3].value.value.get("event_is_cut").and_then(|cut| cut.as_bool()), Some(true));

    // It is not lost when the broker does not take it.
    let request = Client::new().post(site.url("/collect")).body(cheap);
    let (answer, ()) = tokio::join!(request.send(), async {
        let records = source.poll().await;
        source.fail(&records, &tributary_api::Error::retriable("gone"));
    });
    assert_eq!(answer.unwrap().status(), 503);
    let broken = Client::new().post(site.url("/collect")).body("[{").timeout(Duration::from_secs(60));
    assert_eq!(broken.send().await.unwrap().status(), 400, "no events can be found in it");
    source.stop().await;
}
