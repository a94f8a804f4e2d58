use proptest::prelude::*;
use tributary_api::Value;

use super::host::{click, value};
use crate::event::Event;
use crate::person::Person;

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
    assert!(person.is_new(event.id));
    person.take(&event);
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
fn state_of_a_later_version_is_refused() {
    let error = Person::decode(&[9]).unwrap_err();
    assert!(error.to_string().contains("format 9"), "{error}");
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
