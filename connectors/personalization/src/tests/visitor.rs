//! Sessions, engaged time and signals, whatever the order of events and whatever a browser claims.

use tributary_api::Value;

use super::host::{DAY, Shop, T0, VOUCHER, click, rules};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A shop that counts its events itself.
struct Visit {
    shop: Shop,
    events: u32,
}

impl Visit {
    fn new() -> Self {
        Self { shop: Shop::new(&rules(VOUCHER)), events: 0 }
    }

    /// An event of c1 that happened at a time and was received at another.
    fn send(&mut self, session: &str, kind: &str, (page, product): (&str, &str), at: i64, received_at: i64) {
        self.events += 1;
        let id = format!("v{}", self.events);
        let event = click("c1", &id, session, kind, page, product, at);
        let event = event.replace(&format!(r#""received_at":{at}"#), &format!(r#""received_at":{received_at}"#));
        self.shop.send(&id, &event, received_at).unwrap();
    }

    /// How many enriched events have the signal.
    fn raised(&self) -> usize {
        let has = |click: &&&Value| click.path("signals.lingering_return").and_then(Value::as_bool) == Some(true);
        self.shop.outputs("clicks.enriched").iter().filter(has).count()
    }

    /// The signals that the latest view of the person shows, by product and session.
    fn shown(&self) -> Vec<(String, i64)> {
        let view = self.shop.outputs("customer.view").last().copied().unwrap();
        let signals = view.get("signals").and_then(Value::as_array).unwrap();
        let entry = |signal: &Value| {
            let product = signal.get("product_id").unwrap().as_str().unwrap().to_owned();
            (product, signal.get("session_began_at").unwrap().as_i64().unwrap())
        };
        signals.iter().map(entry).collect()
    }

    fn engaged_s(&self) -> i64 {
        self.shop.outputs("clicks.enriched").last().unwrap().path("signals.engaged_s").unwrap().as_i64().unwrap()
    }
}

#[test]
fn two_devices_at_once_are_one_session() {
    let mut visit = Visit::new();
    visit.shop.click("phone", "product_view", "p1", "sofa", T0).unwrap();
    visit.shop.linger("laptop", "sofa", T0 + MINUTE);
    assert_eq!(visit.shop.offers(), 0, "nobody has seen it before");
    visit.shop.linger("laptop", "sofa", T0 + 32 * MINUTE);
    assert_eq!(visit.shop.offers(), 1, "the session before has ended");
}

#[test]
fn a_login_session_is_split_by_half_an_hour_without_events() {
    for (pause, offers) in [(30 * MINUTE, 0), (30 * MINUTE + 1, 1)] {
        let mut visit = Visit::new();
        visit.shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
        visit.shop.linger("s1", "sofa", T0 + pause);
        assert_eq!(visit.shop.offers(), offers, "{pause}");
    }
}

#[test]
fn a_later_session_is_not_one_before() {
    let mut visit = Visit::new();
    visit.send("s2", "product_view", ("p2", "sofa"), T0, T0);
    // An hour older, and late.
    visit.send("s1", "product_view", ("p1", "sofa"), T0 - HOUR, T0 + 1);
    for second in [0, 10, 20] {
        visit.send("s1", "heartbeat", ("p1", "sofa"), T0 - HOUR + second * 1000, T0 + second * 1000);
    }
    assert_eq!((visit.shop.offers(), visit.raised()), (0, 0));
}

#[test]
fn a_session_that_becomes_known_late_counts_from_then_on() {
    let mut visit = Visit::new();
    visit.send("s2", "product_view", ("p2", "sofa"), T0, T0);
    for second in [0, 10, 20] {
        visit.send("s2", "heartbeat", ("p2", "sofa"), T0 + second * 1000, T0 + second * 1000);
    }
    assert_eq!(visit.raised(), 0);
    visit.send("s1", "product_view", ("p1", "sofa"), T0 - HOUR, T0 + 21_000);
    assert_eq!((visit.raised(), visit.shop.offers()), (1, 0), "known now, but this page is not looked at any more");
    visit.send("s2", "heartbeat", ("p2", "sofa"), T0 + 30_000, T0 + 30_000);
    assert_eq!((visit.raised(), visit.shop.offers()), (1, 1), "the page that still is gets its offer");
    visit.send("s2", "heartbeat", ("p2", "sofa"), T0 + 40_000, T0 + 40_000);
    assert_eq!((visit.raised(), visit.shop.offers()), (1, 1));
}

#[test]
fn late_events_that_close_the_gap_take_a_signal_back() {
    let mut visit = Visit::new();
    visit.send("s1", "product_view", ("p1", "sofa"), T0, T0);
    visit.shop.linger("s1", "sofa", T0 + 50 * MINUTE);
    assert_eq!(visit.shown(), [("sofa".to_owned(), T0 + 50 * MINUTE)]);
    visit.send("s1", "page_view", ("p9", ""), T0 + 25 * MINUTE, T0 + 55 * MINUTE);
    assert_eq!(visit.shown(), [], "it was one session");
}

#[test]
fn the_profiles_history_is_not_counted_twice() {
    let viewed = |at: i64| format!(r#"{{"product_id":"sofa","last_viewed_at":{at},"sessions":1}}"#);
    // Seen here a day ago, and a profile that tells of the same day; of a day before; of this session.
    for (reported, before) in [(T0 - DAY, 1), (T0 - 3 * DAY, 2), (T0 + 1, 1)] {
        let mut visit = Visit::new();
        let row = format!(r#"{{"consent":{{"marketing":true}},"history":[{}]}}"#, viewed(reported));
        visit.shop.customer("c1", &row);
        visit.shop.click("s1", "product_view", "p1", "sofa", T0 - DAY).unwrap();
        visit.shop.click("s2", "product_view", "p2", "sofa", T0).unwrap();
        let last = visit.shop.outputs("clicks.enriched").last().copied().unwrap();
        assert_eq!(last.path("signals.sessions_before").and_then(Value::as_i64), Some(before), "{reported}");
    }
}

#[test]
fn a_browser_cannot_send_a_timers_event() {
    let mut visit = Visit::new();
    visit.shop.seen_before("sofa");
    visit.shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    let decisions = visit.shop.reasons().len();
    visit.shop.click("s1", "dwell_timer", "p1", "sofa", T0).unwrap();
    assert_eq!((visit.shop.offers(), visit.raised(), visit.shop.reasons().len()), (0, 0, decisions));
}

#[test]
fn a_browser_cannot_claim_an_order() {
    let pack = rules(&format!("    on: [order]\n{VOUCHER}")).replace("when: signal.lingering_return", "when: 'true'");
    let mut shop = Shop::new(&pack);
    shop.click("s1", "order", "p1", "sofa", T0).unwrap();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    assert_eq!(shop.offers(), 0);
    let view = shop.outputs("customer.view").last().copied().unwrap();
    assert_eq!(view.get("orders").and_then(Value::as_array).map(<[Value]>::len), Some(0));
}

#[test]
fn backdated_heartbeats_do_not_make_time() {
    let mut visit = Visit::new();
    visit.shop.seen_before("sofa");
    visit.send("s1", "product_view", ("p1", "sofa"), T0 - MINUTE, T0);
    for second in [0, 10, 20, 30, 40] {
        visit.send("s1", "heartbeat", ("p1", "sofa"), T0 - MINUTE + second * 1000, T0);
    }
    assert_eq!((visit.engaged_s(), visit.shop.offers()), (5, 0), "the server has seen no time pass");
    visit.send("s1", "heartbeat", ("p1", "sofa"), T0 + 14_000, T0 + 14_000);
    assert_eq!((visit.engaged_s(), visit.shop.offers()), (19, 0));
    visit.send("s1", "heartbeat", ("p1", "sofa"), T0 + 15_000, T0 + 15_000);
    assert_eq!((visit.engaged_s(), visit.shop.offers()), (20, 1));
}

#[test]
fn heartbeats_that_had_to_wait_count_for_the_time_they_waited() {
    let mut visit = Visit::new();
    visit.shop.seen_before("sofa");
    visit.send("s1", "product_view", ("p1", "sofa"), T0, T0);
    for second in [0, 10, 20] {
        visit.send("s1", "heartbeat", ("p1", "sofa"), T0 + second * 1000, T0 + 25_000);
    }
    assert_eq!(visit.shop.offers(), 1, "the network was away for as long");
}

#[test]
fn engaged_time_is_of_the_product_and_not_of_the_page() {
    let mut visit = Visit::new();
    visit.shop.seen_before("tent");
    visit.shop.seen_before("armchair");
    visit.shop.click("s1", "product_view", "app", "lamp", T0).unwrap();
    for second in [0, 10, 20, 30] {
        visit.shop.click("s1", "heartbeat", "app", "lamp", T0 + second * 1000).unwrap();
    }
    visit.shop.click("s1", "product_view", "app", "armchair", T0 + 35_000).unwrap();
    assert_eq!((visit.engaged_s(), visit.shop.offers()), (0, 0));
    for second in [35, 45, 55] {
        visit.shop.click("s1", "heartbeat", "app", "armchair", T0 + second * 1000).unwrap();
    }
    assert_eq!(visit.shop.offers(), 1);
}

#[test]
fn a_crossing_is_decided_again_when_what_stood_against_it_is_gone() {
    let agreed = r#"{"segment":"gold","consent":{"marketing":true}}"#;
    let cases = [
        (r#"{"segment":"gold","consent":{"marketing":false}}"#, "consent"),
        ("null", "consent"),
        (r#"{"segment":"gold","staff":true,"consent":{"marketing":true}}"#, "staff"),
        (r#"{"segment":"none","consent":{"marketing":true}}"#, "not_eligible"),
    ];
    for (row, reason) in cases {
        let pack = rules(VOUCHER).replace("when: signal.lin", "when: profile.segment == 'gold' && signal.lin");
        let mut visit = Visit { shop: Shop::new(&pack), events: 0 };
        visit.shop.customer("c1", row);
        visit.shop.seen_before("sofa");
        visit.shop.linger("s1", "sofa", T0);
        assert_eq!((visit.shop.offers(), visit.shop.last_reason()), (0, reason), "{row}");
        visit.shop.customer("c1", agreed);
        for second in [30, 40] {
            visit.shop.click("s1", "heartbeat", "page-s1-sofa", "sofa", T0 + second * 1000).unwrap();
        }
        assert_eq!((visit.shop.offers(), visit.raised()), (1, 1), "{row}: one offer, and the signal was raised once");
    }
}

#[test]
fn a_crossing_that_was_withheld_by_an_experiment_is_not_decided_again() {
    let pack = rules("    experiment: {key: exp, variants: [control], coverage: 0.0}");
    let mut visit = Visit { shop: Shop::new(&pack), events: 0 };
    visit.shop.seen_before("sofa");
    visit.shop.linger("s1", "sofa", T0);
    visit.shop.click("s1", "heartbeat", "page-s1-sofa", "sofa", T0 + 30_000).unwrap();
    let withheld = visit.shop.reasons().into_iter().filter(|reason| *reason == "not_in_experiment").count();
    assert_eq!(withheld, 1);
}

#[test]
fn anonymous_people_agree_on_their_device() {
    let anonymous = |id: &str, kind: &str, at: i64, said: &str| {
        let event = click("anon:d1", id, "s1", kind, "p1", "sofa", at);
        event.replace(r#""customer_id":"anon:d1","#, "").replacen('{', &format!("{{{said}"), 1)
    };
    for (said, offers, reason) in [("true", 1, "offer"), ("false", 0, "consent")] {
        let mut shop = Shop::new(&rules(VOUCHER));
        let send = |shop: &mut Shop, kind: &str, at: i64, said: &str| {
            let id = format!("a{kind}{at}");
            shop.send(&id, &anonymous(&id, kind, at, said), at).unwrap();
        };
        send(&mut shop, "product_view", T0 - DAY, "");
        assert_eq!(shop.last_reason(), "consent", "unknown is no");
        send(&mut shop, "consent", T0 - DAY, r#""consent":{"marketing":true},"#);
        send(&mut shop, "consent", T0 - DAY + 1, &format!(r#""consent":{{"marketing":{said}}},"#));
        send(&mut shop, "product_view", T0, "");
        for second in [0, 10, 20] {
            send(&mut shop, "heartbeat", T0 + second * 1000, "");
        }
        assert_eq!((shop.offers(), shop.last_reason()), (offers, reason));
    }
}

#[test]
fn what_a_customer_withdraws_on_a_device_counts_though_the_profile_agrees() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.seen_before("sofa");
    let said = click("c1", "said", "s1", "consent", "p1", "", T0 - 1);
    shop.send("said", &said.replacen('{', r#"{"consent":{"marketing":false},"#, 1), T0 - 1).unwrap();
    shop.linger("s1", "sofa", T0);
    assert_eq!((shop.offers(), shop.last_reason()), (0, "consent"));
}
