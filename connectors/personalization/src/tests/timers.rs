use tributary_api::Value;

use super::host::{Shop, T0, VOUCHER, click, rules};

fn with_timer() -> Shop {
    let mut shop = Shop::new(&rules(VOUCHER).replace("at_least_s: 20", "at_least_s: 20, timer: true"));
    shop.seen_before("sofa");
    shop.pass_time(T0 - 1);
    shop.out.clear();
    shop
}

#[test]
fn silent_shopper_gets_the_offer_by_timer_once() {
    let mut shop = with_timer();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.pass_time(T0 + 19_999);
    assert_eq!(shop.offers(), 0);
    shop.pass_time(T0 + 20_000);
    assert_eq!(shop.offers(), 1);
    let offer = shop.outputs("offers")[0];
    assert_eq!(offer.get("decided_at").and_then(Value::as_i64), Some(T0 + 20_000));
    shop.pass_time(T0 + 90_000);
    shop.click("s1", "product_view", "p1", "sofa", T0 + 100_000).unwrap();
    shop.pass_time(T0 + 200_000);
    assert_eq!(shop.offers(), 1, "once for each product and session");
}

#[test]
fn heartbeats_overrule_the_timer() {
    let mut shop = with_timer();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.click("s1", "heartbeat", "p1", "sofa", T0 + 1_000).unwrap();
    shop.pass_time(T0 + 60_000);
    assert_eq!(shop.offers(), 0, "the page no longer sends heartbeats: it is not open any more");
}

#[test]
fn leaving_the_page_ends_the_timer() {
    let mut shop = with_timer();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.click("s1", "page_view", "p2", "", T0 + 5_000).unwrap();
    shop.pass_time(T0 + 60_000);
    assert_eq!(shop.offers(), 0);
}

#[test]
fn timer_obeys_consent_withdrawn_meanwhile() {
    let mut shop = with_timer();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.customer("c1", r#"{"consent":{"marketing":false}}"#);
    shop.pass_time(T0 + 20_000);
    assert_eq!((shop.offers(), shop.last_reason()), (0, "consent"));
}

#[test]
fn bots_get_nothing_by_timer_either() {
    for (bot, offers) in [("false", 1), ("true", 0)] {
        let mut shop = with_timer();
        let view = click("c1", "view", "s1", "product_view", "p1", "sofa", T0);
        let view = view.replacen('{', &format!("{{\"bot\":{bot},"), 1);
        shop.send("view", &view, T0).unwrap();
        shop.pass_time(T0 + 20_000);
        assert_eq!(shop.offers(), offers, "bot: {bot}");
    }
}

#[test]
fn a_timer_keeps_no_more_of_a_click_than_decisions_look_at() {
    let mut shop = with_timer();
    let view = click("c1", "view", "s1", "product_view", "p1", "sofa", T0);
    let padding = format!("{{\"consent\":{{\"marketing\":true,\"note\":\"{}\"}},", "x".repeat(100_000));
    shop.send("view", &view.replacen('{', &padding, 1), T0).unwrap();
    assert!(shop.host.timers.values().all(|timer| timer.payload.len() < 1_000));
    shop.pass_time(T0 + 20_000);
    assert_eq!(shop.offers(), 1);
}

fn forgetting(known: &str, anonymous: &str) -> Shop {
    Shop::with(&rules(VOUCHER), &[("people.retention.ms", known), ("people.anonymous.retention.ms", anonymous)])
}

fn anonymous(id: &str, at: i64) -> String {
    click("a1", id, "s1", "product_view", "p1", "sofa", at).replace(r#""customer_id":"a1","#, "")
}

#[test]
fn people_are_forgotten_when_they_have_not_been_seen_for_long() {
    let mut shop = forgetting("10000", "1000");
    shop.send("e1", &anonymous("e1", T0), T0).unwrap();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.send("e2", &anonymous("e2", T0 + 900), T0 + 900).unwrap();
    shop.out.clear();
    shop.pass_time(T0 + 1_000);
    assert_eq!(shop.host.values.len(), 2, "seen again meanwhile");
    shop.pass_time(T0 + 1_899);
    assert_eq!(shop.host.values.len(), 2);
    shop.pass_time(T0 + 1_900);
    assert_eq!(shop.host.values.len(), 1, "the one without a customer_id is gone");
    let tombstone = shop.out.last().unwrap();
    assert_eq!((&*tombstone.topic, tombstone.key.value.as_str()), ("customer.view", Some("a1")));
    assert!(tombstone.value.value.is_null());
    shop.pass_time(T0 + 10_000);
    assert!(shop.host.values.is_empty() && shop.host.timers.is_empty());
    shop.send("e3", &anonymous("e3", T0 + 20_000), T0 + 20_000).unwrap();
    assert_eq!((shop.host.values.len(), shop.host.timers.len()), (1, 1), "and comes back as somebody new");
}

#[test]
fn shopper_with_an_offer_is_remembered_as_long_as_its_cap_counts() {
    let capped = rules(&format!("    cap: [{{scope: person, max: 1, per: P7D}}]\n{VOUCHER}"));
    let mut shop = Shop::with(&capped, &[("people.retention.ms", "1000")]);
    shop.seen_before("sofa");
    shop.linger("s1", "sofa", T0);
    assert_eq!(shop.offers(), 1);
    for _ in 0..3 {
        shop.pass_time(T0 + 6 * super::host::DAY);
    }
    assert_eq!(shop.host.values.len(), 1);
    for _ in 0..3 {
        shop.pass_time(T0 + 8 * super::host::DAY);
    }
    assert!(shop.host.values.is_empty());
}

#[test]
fn forgetting_can_be_switched_off() {
    let mut shop = forgetting("-1", "-1");
    shop.send("e1", &anonymous("e1", T0), T0).unwrap();
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    assert!(shop.host.timers.is_empty());
}
