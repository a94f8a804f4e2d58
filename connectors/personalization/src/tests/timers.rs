use tributary_api::Value;

use super::host::{Shop, T0, VOUCHER, rules};

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
    assert_eq!(shop.offers(), 0, "the page sends heartbeats and stopped: nobody looks at it");
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
