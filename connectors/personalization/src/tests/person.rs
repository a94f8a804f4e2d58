use bytes::Bytes;
use proptest::prelude::*;
use tributary_api::{ErrorKind, Value, json};

use super::host::{DAY, Shop, T0, VOUCHER, click, rules, value};
use crate::event::{Event, MAX_ID};
use crate::hash::stable_hash;
use crate::person::Person;

const MINUTE: i64 = 60_000;

#[derive(Clone, Debug)]
struct Click {
    session: u16,
    kind: &'static str,
    page: u16,
    product: u16,
    at: i64,
}

fn clicks() -> impl Strategy<Value = Vec<Click>> {
    let kind = prop_oneof![Just("product_view"), Just("page_view"), Just("heartbeat"), Just("offer_shown")];
    let one = (0..40_u16, kind, 0..60_u16, 0..90_u16, -1_000_000_000_000..2_000_000_000_000_i64);
    let one = one.prop_map(|(session, kind, page, product, at)| Click { session, kind, page, product, at });
    proptest::collection::vec(one, 0..600)
}

fn take(person: &mut Person, click_: &Click, id: usize) {
    let Click { session, kind, page, product, at } = click_;
    let text =
        click("c", &format!("e{id}"), &format!("s{session}"), kind, &format!("p{page}"), &format!("x{product}"), *at);
    let value: Value = value(&text);
    let event = Event::read(&value, 0).unwrap();
    assert!(person.insert_event_id(event.id));
    person.take(&event, 1_800_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn state_is_bounded_and_survives_its_encoding(clicks in clicks()) {
        let mut person = Person::default();
        for (id, click) in clicks.iter().enumerate() {
            take(&mut person, click, id);
        }
        let bytes = person.encode();
        prop_assert!(bytes.len() < 24 * 1024, "{} bytes", bytes.len());
        prop_assert_eq!(Person::decode(&bytes).unwrap(), person);
    }

    #[test]
    fn damaged_state_is_an_error_and_no_panic(clicks in clicks(), cut in any::<prop::sample::Index>(), byte: u8) {
        let mut person = Person::default();
        for (id, click) in clicks.iter().take(40).enumerate() {
            take(&mut person, click, id);
        }
        let bytes = person.encode();
        let place = cut.index(bytes.len());
        prop_assert!(Person::decode(&bytes[..place]).is_err());
        let mut damaged = bytes.to_vec();
        damaged[place] = byte;
        let _ = Person::decode(&damaged);
    }
}

#[test]
fn state_of_a_later_version_is_the_fault_of_one_person() {
    let error = Person::decode(&[9]).unwrap_err();
    assert!(error.to_string().contains("format 9"), "{error}");
    let mut shop = Shop::new(&rules(VOUCHER));
    for damaged in [&[9_u8][..], &[2, 255, 255], &[]] {
        shop.host.values.insert("c1".into(), Bytes::copy_from_slice(damaged));
        let error = shop.click("s1", "product_view", "p1", "sofa", T0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    }
    let other = click("c2", "other", "s1", "product_view", "p1", "sofa", T0);
    assert!(shop.send("other", &other, T0).unwrap() > 0, "others go on");
}

/// A state as formats 1 to 3 wrote it: sessions and pages by the ids of tokens.
fn by_token(format: u64) -> Vec<u8> {
    fn number(out: &mut Vec<u8>, mut number: u64) {
        while number >= 0x80 {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
    fn time(out: &mut Vec<u8>, at: i64) {
        number(out, ((at << 1) ^ (at >> 63)) as u64);
    }
    fn text(out: &mut Vec<u8>, text: &str) {
        number(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
    let hash = |out: &mut Vec<u8>, parts: &[&str]| {
        out.extend_from_slice(&stable_hash(parts.iter().copied()).to_le_bytes());
    };
    let mut out = Vec::new();
    number(&mut out, format);
    number(&mut out, 1);
    hash(&mut out, &["an event"]);
    number(&mut out, 2);
    for (session, first, last) in [("s2", 60 * MINUTE, 62 * MINUTE), ("s1", 0, MINUTE)] {
        hash(&mut out, &[session]);
        time(&mut out, T0 + first);
        time(&mut out, T0 + last);
        number(&mut out, 3);
    }
    number(&mut out, 1);
    text(&mut out, "sofa");
    time(&mut out, T0);
    time(&mut out, T0 + 62 * MINUTE);
    number(&mut out, 2);
    number(&mut out, 2);
    for (session, last) in [("s1", MINUTE), ("s2", 62 * MINUTE)] {
        hash(&mut out, &[session]);
        time(&mut out, T0 + last);
    }
    number(&mut out, 1);
    hash(&mut out, &["p2"]);
    hash(&mut out, &["s2"]);
    text(&mut out, "sofa");
    time(&mut out, T0 + 62 * MINUTE);
    number(&mut out, 2);
    time(&mut out, (T0 + 61 * MINUTE) / 1000);
    time(&mut out, (T0 + 62 * MINUTE) / 1000);
    // As before there were several packs, and after.
    number(&mut out, 2);
    hash(&mut out, &["lingering_return", "sofa", "s2"]);
    hash(&mut out, &["test", "lingering_return", "sofa", "s4"]);
    number(&mut out, 1);
    hash(&mut out, &["offer", "come-back"]);
    time(&mut out, T0);
    if format > 1 {
        time(&mut out, T0 + 62 * MINUTE);
        time(&mut out, T0 + DAY);
        number(&mut out, 1);
    }
    if format > 2 {
        number(&mut out, 1);
        text(&mut out, "o-1");
        text(&mut out, "lamp");
        time(&mut out, T0);
    }
    out
}

#[test]
fn state_of_the_versions_before_is_read() {
    for format in 1..=3 {
        let person = Person::decode(&by_token(format)).unwrap();
        let times = |first: i64, last: i64| (T0 + first * MINUTE, T0 + last * MINUTE);
        let sessions: Vec<_> = person.sessions.iter().map(|session| (session.first_at, session.last_at)).collect();
        assert_eq!(sessions, [times(0, 1), times(60, 62)]);
        let spans: Vec<_> = person.products[0].sessions.iter().map(|span| (span.first_at, span.last_at)).collect();
        assert_eq!(spans, [times(1, 1), times(62, 62)]);
        assert_eq!(person.sessions_before("sofa", T0 + 62 * MINUTE, T0), 1);
        let view = &person.views[0];
        assert_eq!((view.page, view.product), (stable_hash(["p2"]), stable_hash(["sofa"])));
        assert_eq!((view.beats.len(), person.emissions.len()), (2, 1));
        assert_eq!((person.known, person.seen_at > 0), (format > 1, format > 1));
        assert_eq!(person.orders.len(), usize::from(format > 2));
        assert_eq!(Person::decode(&person.encode()).unwrap(), person);
    }
}

#[test]
fn what_was_raised_in_a_token_session_of_a_version_before_is_not_raised_again() {
    for (session, offers) in [("s2", 0), ("s3", 1), ("s4", 0)] {
        let mut shop = Shop::new(&rules(VOUCHER));
        shop.host.values.insert("c1".into(), by_token(3).into());
        shop.linger(session, "sofa", T0 + 63 * MINUTE);
        assert_eq!(shop.offers(), offers, "{session}");
    }
}

#[test]
fn state_is_bounded_in_bytes_whatever_ids_are_sent() {
    let mut shop = Shop::new(&rules(VOUCHER));
    let id = |stem: &str, n: usize| format!("{stem}{n:0>width$}", width = MAX_ID - stem.len());
    for n in 0..600 {
        let (session, page, product) = (id("s", n), id("p", n), id("x", n));
        shop.click(&session, "product_view", &page, &product, T0 + n as i64).unwrap();
        for beat in 0..3 {
            shop.click(&session, "heartbeat", &page, &product, T0 + n as i64 + beat * 1000).unwrap();
        }
    }
    let bytes = shop.host.values.values().map(Bytes::len).max().unwrap();
    assert!((16_000..32_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn longer_ids_are_the_clicks_fault_and_leave_no_trace() {
    let mut shop = Shop::new(&rules(VOUCHER));
    let long = "x".repeat(MAX_ID + 1);
    let fields = ["event_id", "type", "person_id", "session_id", "customer_id", "page_id", "product_id"];
    for field in fields {
        let mut event = value(&click("c1", "e", "s", "product_view", "p", "x", T0));
        event.insert(field, long.as_str()).unwrap();
        let text = String::from_utf8(json::to_vec(&event).unwrap()).unwrap();
        let error = shop.send("e", &text, T0).unwrap_err();
        assert!(error.kind() == ErrorKind::Data && error.to_string().contains(field), "{error}");
    }
    for time in [i64::MAX, i64::MIN] {
        let text = click("c1", "e", "s", "product_view", "p", "x", time);
        assert_eq!(shop.send("e", &text, T0).unwrap_err().kind(), ErrorKind::Data, "{time}");
    }
    assert!(shop.host.values.is_empty() && shop.host.timers.is_empty());
}

#[test]
fn a_click_keyed_by_something_else_is_refused() {
    let mut shop = Shop::new(&rules(VOUCHER));
    let text = click("c1", "e", "s", "product_view", "p", "x", T0);
    let error = shop.send_with_key(Some("page-7"), &text, T0).unwrap_err();
    assert!(error.kind() == ErrorKind::Data && error.to_string().contains("person_id"), "{error}");
    assert!(shop.send_with_key(Some("c1"), &text, T0).unwrap() > 0);
}

#[test]
fn usual_state_is_small() {
    let mut person = Person::default();
    for id in 0..60 {
        let (session, product) = ((id / 15) as u16, (id % 9) as u16);
        take(
            &mut person,
            &Click { session, kind: "product_view", page: id as u16, product, at: 1_780_000_000_000 + id as i64 },
            id,
        );
    }
    let size = person.encode().len();
    assert!(size < 2048, "{size} bytes after 60 views");
}
