//! Logins: what an anonymous person did on a device becomes the customer's, in whatever order records arrive.

use proptest::prelude::*;
use tributary_api::{ErrorKind, Record, Value, json};

use super::host::{DAY, Shop, T0, VOUCHER, click, rules};
use crate::memory::Memory;
use crate::person::Person;

const TOPIC: &str = "people.merges";
const LOGIN: i64 = 2 * 3_600_000;

/// A click on a device; anonymous without a customer.
fn on_device(
    device: &str,
    customer: Option<&str>,
    id: &str,
    kind: &str,
    (page, product): (&str, &str),
    at: i64,
) -> String {
    let person = customer.map_or_else(|| format!("anon:{device}"), str::to_owned);
    let session = format!("{device}-{}", customer.unwrap_or_default());
    let event = click(&person, id, &session, kind, page, product, at);
    let event = event.replacen('{', &format!(r#"{{"device_id":"{device}","#), 1);
    if customer.is_some() { event } else { event.replace(&format!(r#""customer_id":"{person}","#), "") }
}

struct Site {
    shop: Shop,
    /// What waits in the identity topic.
    waiting: Vec<Record>,
    taken: usize,
}

impl Site {
    fn new(rules: &str) -> Self {
        Self { shop: Shop::with(rules, &[("identity.topic", TOPIC)]), waiting: Vec::new(), taken: 0 }
    }

    fn collect(&mut self) {
        let made = self.shop.out.iter().skip(self.taken).filter(|record| &*record.topic == TOPIC).cloned();
        self.waiting.extend(made);
        self.taken = self.shop.out.len();
    }

    fn send(&mut self, text: &str, at: i64) {
        self.shop.send("", text, at).unwrap();
        self.collect();
    }

    fn deliver(&mut self, index: usize) {
        let record = self.waiting.remove(index % self.waiting.len());
        self.redeliver(record);
    }

    fn redeliver(&mut self, record: Record) {
        let at = record.timestamp.unwrap();
        self.shop.process(record, at).unwrap();
        self.collect();
    }

    fn deliver_all(&mut self) {
        while !self.waiting.is_empty() {
            self.deliver(0);
        }
    }

    fn person(&self, id: &str) -> Person {
        self.shop.host.values.get(id.as_bytes()).map_or_else(Person::default, |bytes| Person::decode(bytes).unwrap())
    }
}

#[test]
fn what_was_seen_before_the_login_counts_after_it() {
    for logs_in in [true, false] {
        let mut site = Site::new(&rules(VOUCHER));
        site.send(&on_device("d1", None, "e1", "product_view", ("p0", "sofa"), T0 - DAY), T0 - DAY);
        let customer = logs_in.then_some("c1");
        for (number, at) in [0, 0, 10_000, 20_000].into_iter().enumerate() {
            let kind = if number == 0 { "product_view" } else { "heartbeat" };
            site.send(&on_device("d1", customer, &format!("l{number}"), kind, ("p1", "sofa"), T0 + at), T0 + at);
            site.deliver_all();
        }
        let offers = site.shop.outputs("offers");
        assert_eq!(offers.len(), usize::from(logs_in), "anonymous people have not agreed");
        if logs_in {
            assert_eq!(offers[0].get("person_id").and_then(Value::as_str), Some("c1"));
            let gone = site
                .shop
                .out
                .iter()
                .find(|record| record.key.value.as_str() == Some("anon:d1") && record.value.value.is_null());
            assert_eq!(
                gone.map(|record| &*record.topic),
                Some("customer.view"),
                "the anonymous person has no view any more"
            );
        }
    }
}

#[test]
fn what_signals_remember_goes_with_the_login() {
    let pack = |signal: &str, on: &str| {
        rules(&format!("    on: [{on}]\n{VOUCHER}"))
            .replace("    seen_before: {sessions: \">=1\", within: P30D}", signal)
    };
    let basket = pack("    basket: true", "heartbeat");
    let lasting = pack("    lasts: PT30M", "add_to_cart");
    for (pack, kind) in [(basket, "heartbeat"), (lasting, "add_to_cart")] {
        let mut site = Site::new(&pack);
        let mut number = 0;
        let mut send = |site: &mut Site, customer: Option<&str>, kind: &str, at: i64| {
            number += 1;
            let (id, at) = (format!("e{number}"), T0 + at);
            site.send(&on_device("d1", customer, &id, kind, ("p1", "sofa"), at), at);
            site.deliver_all();
        };
        for (kind, at) in [("add_to_cart", 0), ("product_view", 0), ("heartbeat", 0), ("heartbeat", 10_000)] {
            send(&mut site, None, kind, at);
        }
        send(&mut site, None, "heartbeat", 20_000);
        let memory = Memory::key("anon:d1");
        assert!(site.shop.host.values.contains_key(&memory) && site.shop.offers() == 0, "nobody has agreed");
        send(&mut site, Some("c1"), "page_view", 25_000);
        assert!(!site.shop.host.values.contains_key(&memory), "{kind}");
        send(&mut site, Some("c1"), kind, 30_000);
        assert_eq!(site.shop.offers(), 1, "{kind}");
    }
}

#[test]
fn who_logs_out_gets_no_second_offer_on_the_device() {
    let pack = rules(&format!("    cap: [{{scope: person, max: 1, per: P7D}}]\n{VOUCHER}"));
    let mut site = Site::new(&pack);
    let agrees = on_device("d1", None, "agree", "consent", ("p", ""), T0 - 2 * DAY);
    site.send(&agrees.replacen('{', r#"{"consent":{"marketing":true},"#, 1), T0 - 2 * DAY);
    let mut number = 0;
    let mut linger = |site: &mut Site, customer: Option<&str>, page: &str, from: i64| {
        for (kind, at) in [("product_view", 0), ("heartbeat", 0), ("heartbeat", 10_000), ("heartbeat", 20_000)] {
            number += 1;
            site.send(&on_device("d1", customer, &format!("e{number}"), kind, (page, "sofa"), from + at), from + at);
            site.deliver_all();
        }
    };
    linger(&mut site, None, "p1", T0 - DAY);
    linger(&mut site, None, "p2", T0);
    assert_eq!(site.shop.offers(), 1);
    linger(&mut site, Some("c1"), "p3", T0 + DAY);
    assert_eq!((site.shop.offers(), site.shop.last_reason()), (1, "cap"), "the customer has had the device's offer");
    linger(&mut site, None, "p4", T0 + 2 * DAY);
    linger(&mut site, None, "p5", T0 + 3 * DAY);
    assert_eq!((site.shop.offers(), site.shop.last_reason()), (1, "cap"), "so has the device");
}

#[test]
fn the_first_variant_of_an_experiment_is_kept_through_the_login() {
    let pack = rules(
        "    experiment: {key: exp, variants: [a, b]}\n    vouchers: {a: {code: A, title: A}, b: {code: B, title: B}}",
    );
    let mut codes = std::collections::BTreeSet::new();
    for device in 0..12 {
        let (device, mut site) = (format!("d{device}"), Site::new(&pack));
        let mut number = 0;
        let mut send = |site: &mut Site, customer: Option<&str>, kind: &str, page: &str, at: i64| {
            number += 1;
            let text = on_device(&device, customer, &format!("e{number}"), kind, (page, "sofa"), at);
            site.send(&text.replacen('{', r#"{"consent":{"marketing":true},"#, 1), at);
            site.deliver_all();
        };
        send(&mut site, None, "consent", "p0", T0 - 3 * DAY);
        send(&mut site, None, "product_view", "p0", T0 - 3 * DAY);
        for (customer, page, from) in [(None, "p1", T0), (Some("c1"), "p2", T0 + DAY)] {
            send(&mut site, customer, "product_view", page, from);
            for second in [0, 10, 20] {
                send(&mut site, customer, "heartbeat", page, from + second * 1000);
            }
        }
        let given: Vec<_> =
            site.shop.outputs("offers").iter().map(|offer| offer.get("code").unwrap().clone()).collect();
        assert_eq!(given.len(), 2);
        assert_eq!(given[0], given[1], "{device}");
        codes.insert(given[0].as_str().unwrap().to_owned());
    }
    assert_eq!(codes.len(), 2, "devices are in both variants, whatever the customer would be in");
}

#[test]
fn only_the_processor_writes_to_the_identity_topic() {
    let mut site = Site::new(&rules(VOUCHER));
    for text in [
        r#"{"event_id":"1","type":"merge","person_id":"c1","customer_id":"c1","history":"AAAA"}"#,
        r#"{"event_id":"1","type":"merge","person_id":"c1","customer_id":"c1"}"#,
        r#"{"event_id":"1","type":"identify","person_id":"anon:d1"}"#,
    ] {
        let value = json::from_slice(text.as_bytes()).unwrap();
        let record = Record::new(TOPIC, tributary_api::Datum::schemaless(value)).at(T0);
        assert_eq!(site.shop.process(record, T0).unwrap_err().kind(), ErrorKind::Data, "{text}");
    }
    // The same in the topic of clicks is a click like any other.
    let forged = r#"{"event_id":"1","type":"merge","person_id":"c1","session_id":"s","history":"AAAA"}"#;
    assert_eq!(site.shop.send("", forged, T0).unwrap(), 1);
}

#[derive(Clone, Debug)]
struct Step {
    device: usize,
    after_login: bool,
    kind: &'static str,
    page: u8,
    product: u8,
    at: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![Just("product_view"), Just("heartbeat"), Just("heartbeat"), Just("page_view")];
    let step = (0..2_usize, any::<bool>(), kind, 0..4_u8, 0..3_u8, 0..LOGIN);
    let step = step.prop_map(|(device, after_login, kind, page, product, at)| Step {
        device,
        after_login,
        kind,
        page,
        product,
        at,
    });
    proptest::collection::vec(step, 1..40)
}

/// The customer's view after an event long after all others.
fn last_view(site: &mut Site) -> Vec<u8> {
    let at = T0 + 5 * DAY;
    site.shop.send("", &click("c1", "the-last", "end", "page_view", "end", "", at), at).unwrap();
    json::to_vec(site.shop.outputs("customer.view").last().unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Each device is anonymous for two hours, and the customer's afterwards. The model is the customer who was logged in
    /// everywhere from the beginning.
    #[test]
    fn logins_merge_in_any_order_and_any_number_of_times(
        steps in steps(),
        order in proptest::collection::vec(any::<u16>(), 200),
    ) {
        let pack = rules(VOUCHER).replace("P30D", "PT2H");
        let events: Vec<(String, String, i64)> = steps.iter().enumerate().map(|(number, step)| {
            let Step { device, after_login, kind, page, product, at } = step;
            let at = T0 + at + if *after_login { LOGIN } else { 0 };
            let customer = after_login.then_some("c1");
            let (device, page) = (format!("d{device}"), format!("p{device}-{page}"));
            let with = |customer| {
                on_device(&device, customer, &format!("e{number}"), kind, (&page, &format!("x{product}")), at)
            };
            (with(customer), with(Some("c1")), at)
        }).chain((0..2).map(|device| {
            let login = on_device(&format!("d{device}"), Some("c1"), &format!("login{device}"), "page_view", ("in", ""), T0 + LOGIN);
            (login.clone(), login, T0 + LOGIN)
        })).collect();

        let mut model = Site::new(&pack);
        for (_, event, at) in &events {
            model.shop.send("", event, *at).unwrap();
        }
        let expected = last_view(&mut model);

        let mut site = Site::new(&pack);
        let mut order = order.into_iter().map(usize::from);
        let mut left = events;
        while !left.is_empty() {
            let dice = order.next().unwrap_or(0);
            if dice % 3 == 0 && !site.waiting.is_empty() {
                if dice % 2 == 0 {
                    let again = site.waiting[dice % site.waiting.len()].clone();
                    site.redeliver(again);
                }
                site.deliver(dice);
            } else {
                let (event, _, at) = left.remove(dice % left.len());
                site.send(&event, at);
            }
        }
        // A hand-over may make another one necessary.
        while !site.waiting.is_empty() {
            site.deliver(order.next().unwrap_or(0));
        }
        prop_assert_eq!(String::from_utf8(last_view(&mut site)).unwrap(), String::from_utf8(expected).unwrap());
        for device in ["anon:d0", "anon:d1"] {
            let left = site.person(device);
            prop_assert!(left.products.is_empty() && left.views.is_empty() && left.sessions.is_empty());
        }
        let (merged, of_model) = (site.person("c1"), model.person("c1"));
        prop_assert_eq!(&merged.sessions, &of_model.sessions);
        prop_assert!(of_model.seen.iter().all(|id| merged.seen.contains(id)), "an event sent again would count twice");
    }
}
