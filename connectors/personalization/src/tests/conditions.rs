//! Signals of the session, the basket, purchases and segments, and signals that last.

use super::host::{DAY, Shop, T0, rules};

/// A pack with this signal and an offer for these event types while it is raised.
fn shop(signal: &str, on: &str) -> Shop {
    let pack = rules("    voucher: {code: A, title: B}").replace(
        "    dwell: {heartbeat_s: 10, min_visit_s: 5, at_least_s: 20}\n    seen_before: {sessions: \">=1\", within: P30D}",
        &format!("    {signal}"),
    );
    Shop::new(&pack.replace("when: signal.lingering_return", &format!("on: [{on}]\n    when: signal.lingering_return")))
}

fn offers_of(shop: &mut Shop, session: &str, kind: &str, product: &str, at: i64) -> usize {
    let before = shop.offers();
    shop.click(session, kind, "p", product, at).unwrap();
    shop.offers() - before
}

#[test]
fn a_signal_that_lasts_is_there_at_later_events_of_the_product() {
    let mut shop = shop("view_count: {at_least: 2}\n    lasts: PT30M", "add_to_cart");
    assert_eq!(offers_of(&mut shop, "s", "product_view", "sofa", T0), 0);
    assert_eq!(offers_of(&mut shop, "s", "add_to_cart", "sofa", T0 + 1), 0, "seen once");
    assert_eq!(offers_of(&mut shop, "s", "product_view", "sofa", T0 + 2), 0, "no offer for a view");
    assert_eq!(offers_of(&mut shop, "s", "add_to_cart", "lamp", T0 + 3), 0, "another product");
    assert_eq!(offers_of(&mut shop, "s", "add_to_cart", "sofa", T0 + 1_800_001), 1);
    assert_eq!(offers_of(&mut shop, "s", "add_to_cart", "sofa", T0 + 1_800_002), 0, "it lasts half an hour");
}

#[test]
fn the_basket_is_known() {
    let mut shop = shop("basket: true", "product_view");
    let view = |shop: &mut Shop, at| offers_of(shop, "s", "product_view", "sofa", T0 + at);
    assert_eq!(view(&mut shop, 0), 0);
    shop.click("s", "add_to_cart", "p", "sofa", T0 + 1).unwrap();
    assert_eq!(view(&mut shop, 2), 1);
    assert_eq!(offers_of(&mut shop, "s", "product_view", "lamp", T0 + 3), 0);
    shop.click("s", "remove_from_cart", "p", "sofa", T0 + 4).unwrap();
    assert_eq!(view(&mut shop, 5), 0);
    shop.click("s", "add_to_cart", "p", "sofa", T0 + 6).unwrap();
    shop.click("s", "order", "p", "sofa", T0 + 7).unwrap();
    assert_eq!(view(&mut shop, 8), 1, "a browser's event is no order");
    shop.click("", "order", "p", "sofa", T0 + 9).unwrap();
    assert_eq!(view(&mut shop, 10), 0, "what is bought is no longer in the basket");
}

#[test]
fn purchases_count_for_so_long() {
    let mut shop = shop("purchase: {within: P30D}", "product_view");
    shop.click("s", "order", "p", "lamp", T0).unwrap();
    shop.click("", "order", "p", "sofa", T0).unwrap();
    assert_eq!(offers_of(&mut shop, "s1", "product_view", "lamp", T0 + DAY), 0, "a browser's event is no order");
    assert_eq!(offers_of(&mut shop, "s1", "product_view", "sofa", T0 + DAY), 1);
    assert_eq!(offers_of(&mut shop, "s2", "product_view", "sofa", T0 + 31 * DAY), 0);
}

#[test]
fn a_segment_is_entered_and_left_once() {
    for (change, expected) in [("entered: gold", [0, 0, 1, 0, 0]), ("left: gold", [0, 0, 0, 0, 1])] {
        let mut shop = Shop::new(&pack_on_page_views(&format!("segment: {{field: tier, {change}}}")));
        for (number, tier) in ["silver", "silver", "gold", "gold", "silver"].into_iter().enumerate() {
            shop.customer("c1", &format!(r#"{{"consent":{{"marketing":true}},"tier":"{tier}"}}"#));
            let at = T0 + number as i64 * 1_000;
            assert_eq!(offers_of(&mut shop, "s", "page_view", "", at), expected[number], "{change} {number}");
        }
    }
}

#[test]
fn the_session_and_the_one_before_it_are_known() {
    let mut active = shop("session: {at_least: 3}", "product_view");
    let seen: Vec<usize> = (0..4).map(|n| offers_of(&mut active, "s", "product_view", "sofa", T0 + n)).collect();
    assert_eq!(seen, [0, 0, 1, 1]);
    let mut back = shop("last_seen: {before: P7D}", "product_view");
    for (session, day, offers) in [("s0", 0, 0), ("s1", 6, 0), ("s2", 14, 1)] {
        assert_eq!(offers_of(&mut back, session, "product_view", "sofa", T0 + day * DAY), offers, "{session}");
    }
}

#[test]
fn what_no_browser_may_send_changes_no_segment() {
    let mut shop = Shop::new(&pack_on_page_views("segment: {field: tier, entered: gold}"));
    for (number, (kind, tier, offers)) in
        [("page_view", "silver", 0), ("dwell_timer", "gold", 0), ("page_view", "gold", 1)].into_iter().enumerate()
    {
        shop.customer("c1", &format!(r#"{{"consent":{{"marketing":true}},"tier":"{tier}"}}"#));
        assert_eq!(offers_of(&mut shop, "s", kind, "", T0 + number as i64 * 1_000), offers, "{kind} {tier}");
    }
}

#[test]
fn a_signal_that_was_raised_by_lingering_lasts_for_other_events() {
    let mut shop = shop("dwell: {at_least_s: 20}\n    lasts: PT30M", "add_to_cart");
    shop.linger("s", "sofa", T0);
    assert_eq!((shop.offers(), offers_of(&mut shop, "s", "add_to_cart", "lamp", T0 + 30_000)), (0, 0));
    assert_eq!(offers_of(&mut shop, "s", "add_to_cart", "sofa", T0 + 31_000), 1);
    let enriched = *shop.outputs("clicks.enriched").last().unwrap();
    assert_eq!(enriched.path("signals.lingering_return").unwrap().as_bool(), Some(true));
    assert_eq!(offers_of(&mut shop, "s", "add_to_cart", "sofa", T0 + 20_000 + 1_800_000), 0);
}

fn pack_on_page_views(signal: &str) -> String {
    format!(
        "line_of_business: test\nversion: 1\nsignals:\n  changed:\n    on: page_view\n    {signal}\noffers:\n  - id: a\n    \
         when: signal.changed\n    voucher: {{code: A, title: B}}\n"
    )
}
