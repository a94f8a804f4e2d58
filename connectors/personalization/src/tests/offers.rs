use std::collections::HashSet;

use tributary_api::{Value, json};

use super::host::{DAY, Shop, T0, VOUCHER, click, rules};

#[test]
fn shopper_who_lingers_over_a_product_seen_before_gets_one_offer() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.seen_before("sofa");
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    for (second, offers) in [(0, 0), (10, 0), (20, 1), (30, 1), (40, 1)] {
        shop.click("s1", "heartbeat", "p1", "sofa", T0 + second * 1000).unwrap();
        assert_eq!(shop.offers(), offers, "at {second} s");
    }
    let offer = shop.outputs("offers")[0];
    let text = |name: &str| offer.get(name).and_then(Value::as_str).unwrap();
    assert_eq!((text("code"), text("rule"), text("product_id")), ("BACK10", "come-back", "sofa"));
    assert_eq!((text("person_id"), text("session_id"), text("trigger_event_id")), ("c1", "s1", "e5"));
    assert_eq!(offer.get("ruleset_version").unwrap().as_i64(), Some(7));
    assert_eq!(offer.get("expires_at").unwrap().as_i64(), Some(T0 + 20_000 + DAY));
    let record = shop.out.iter().find(|record| &*record.topic == "offers").unwrap();
    assert_eq!(record.key.value.as_str(), Some("c1"));
}

#[test]
fn product_never_seen_before_gives_no_offer() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.seen_before("sofa");
    shop.linger("s1", "lamp", T0);
    shop.linger("s1", "lamp", T0 + 60_000); // again, but in the same session
    assert_eq!(shop.offers(), 0);
    assert_eq!(shop.last_reason(), "not_eligible");
    shop.linger("s2", "lamp", T0 + DAY);
    assert_eq!(shop.offers(), 1, "the session before counts now");
}

#[test]
fn history_of_the_profile_counts_as_seen_before() {
    for (viewed, offers) in [("2026-05-25T10:00:00Z", 1), ("2026-01-01T10:00:00Z", 0)] {
        let mut shop = Shop::new(&rules(VOUCHER));
        let row = format!(
            r#"{{"consent":{{"marketing":true}},"history":[{{"product_id":"sofa","last_viewed_at":"{viewed}","sessions":2}}]}}"#
        );
        shop.customer("c1", &row);
        shop.linger("s1", "sofa", T0);
        assert_eq!(shop.offers(), offers, "{viewed}");
    }
}

#[test]
fn repeated_and_shuffled_heartbeats_change_nothing() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.seen_before("sofa");
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    for second in [20, 0, 20, 0, 20, 0, 10, 10, 10] {
        shop.click("s1", "heartbeat", "p1", "sofa", T0 + second * 1000).unwrap();
    }
    assert_eq!(shop.offers(), 1);
    let engaged = shop.outputs("clicks.enriched").last().unwrap().path("signals.engaged_s").unwrap().as_i64();
    assert_eq!(engaged, Some(25));
}

#[test]
fn repeated_event_changes_nothing() {
    let mut shop = Shop::new(&rules(VOUCHER));
    let event = click("c1", "same", "s1", "product_view", "p1", "sofa", T0);
    assert_eq!(shop.send("same", &event, T0).unwrap(), 3);
    let before = shop.host.values.clone();
    assert_eq!(shop.send("same", &event, T0).unwrap(), 0);
    assert_eq!(shop.host.values, before);
}

#[test]
fn same_history_makes_the_same_offer_id() {
    let ids = || {
        let mut shop = Shop::new(&rules(VOUCHER));
        shop.seen_before("sofa");
        shop.linger("s1", "sofa", T0);
        shop.outputs("offers")[0].get("offer_id").unwrap().clone()
    };
    assert_eq!(ids(), ids());
}

#[test]
fn consent_fails_closed() {
    let cases = [
        (r#"{"consent":{"marketing":false}}"#, "consent"),
        (r#"{"consent":{"marketing":"yes"}}"#, "consent"),
        (r#"{"consent":{}}"#, "consent"),
        (r#"{"name":"Ann"}"#, "consent"),
        (r#"{"staff":true,"consent":{"marketing":true}}"#, "staff"),
    ];
    for (row, reason) in cases {
        let mut shop = Shop::new(&rules(VOUCHER));
        shop.customer("c1", row);
        shop.seen_before("sofa");
        shop.linger("s1", "sofa", T0);
        assert_eq!((shop.offers(), shop.last_reason()), (0, reason), "{row}");
    }
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.host.table.clear();
    shop.seen_before("sofa");
    shop.linger("s1", "sofa", T0);
    assert_eq!((shop.offers(), shop.last_reason()), (0, "consent"), "unknown person");
}

/// As a column of a table has it.
#[test]
fn consent_may_be_a_column_of_its_own() {
    let cases = [
        (r#"{"marketing_consent":true}"#, "offer"),
        (r#"{"marketing_consent":false}"#, "consent"),
        (r#"{"marketing_consent":1}"#, "consent"),
        (r#"{"marketing_consent":true,"consent":{"marketing":false}}"#, "consent"),
    ];
    for (row, reason) in cases {
        let mut shop = Shop::new(&rules(VOUCHER));
        shop.customer("c1", row);
        shop.seen_before("sofa");
        shop.linger("s1", "sofa", T0);
        assert_eq!(shop.last_reason(), reason, "{row}");
        let view = shop.outputs("customer.view").last().copied().unwrap();
        assert_eq!(view.path("consent.marketing").and_then(Value::as_bool) == Some(true), reason == "offer", "{row}");
    }
}

/// The row of a table of orders, as change data capture and three transforms make it.
fn order(id: &str, product: &str, at: i64) -> String {
    format!(
        r#"{{"event_id":"{id}","type":"order","customer_id":"c1","product_id":"{product}","total":449.0,"ts":{at}}}"#
    )
}

#[test]
fn what_was_bought_is_known_to_rules_and_in_the_view() {
    let pack =
        rules(VOUCHER).replace("when: signal.lingering_return", "when: signal.lingering_return && signal.orders == 0");
    for (bought, offers) in [("lamp", 1), ("sofa", 0)] {
        let mut shop = Shop::new(&pack);
        shop.seen_before("sofa");
        // Long before it was read, and twice: its state has changed since.
        for _ in 0..2 {
            shop.send("o-1", &order("o-1", bought, T0 - 100 * DAY), T0 - DAY).unwrap();
        }
        shop.linger("s1", "sofa", T0);
        assert_eq!(shop.offers(), offers, "{bought}");
        let view = shop.outputs("customer.view").last().copied().unwrap();
        let orders = view.get("orders").and_then(Value::as_array).unwrap();
        assert_eq!(orders.len(), 1);
        assert_eq!(orders[0].get("order_id").and_then(Value::as_str), Some("o-1"));
        assert_eq!(orders[0].get("product_id").and_then(Value::as_str), Some(bought));
        assert_eq!(orders[0].get("ordered_at").and_then(Value::as_i64), Some(T0 - 100 * DAY));
        assert_eq!(view.path("profile.name").and_then(Value::as_str), Some("Ann"));
        assert!(
            shop.outputs("clicks.enriched").iter().all(|click| click.get("type").unwrap().as_str() != Some("order"))
        );
    }
}

#[test]
fn withdrawn_consent_applies_at_once() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.seen_before("sofa");
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.click("s1", "heartbeat", "p1", "sofa", T0).unwrap();
    shop.click("s1", "heartbeat", "p1", "sofa", T0 + 10_000).unwrap();
    shop.customer("c1", r#"{"consent":{"marketing":false}}"#);
    shop.click("s1", "heartbeat", "p1", "sofa", T0 + 20_000).unwrap();
    assert_eq!((shop.offers(), shop.last_reason()), (0, "consent"));
}

#[test]
fn browser_that_objects_and_bots_get_nothing() {
    for (field, reason) in
        [("\"gpc\":true", "opt_out"), ("\"consent\":{\"marketing\":false}", "opt_out"), ("\"bot\":true", "bot")]
    {
        let mut shop = Shop::new(&rules(VOUCHER));
        shop.seen_before("sofa");
        let event = click("c1", "x", "s1", "product_view", "p1", "sofa", T0).replacen('{', &format!("{{{field},"), 1);
        shop.send("x", &event, T0).unwrap();
        assert_eq!(shop.last_reason(), reason);
    }
}

#[test]
fn cap_is_exact() {
    let mut shop = Shop::new(&rules(&format!("    cap: [{{scope: person, max: 1, per: P7D}}]\n{VOUCHER}")));
    shop.seen_before("sofa");
    shop.seen_before("lamp");
    shop.linger("s1", "sofa", T0);
    assert_eq!(shop.offers(), 1);
    shop.linger("s1", "lamp", T0 + 60_000);
    assert_eq!((shop.offers(), shop.last_reason()), (1, "cap"));
    // The offer was made 20 s in: a week later to the millisecond it still counts, one later it does not.
    shop.linger("s2", "sofa", T0 + 7 * DAY - 1);
    assert_eq!(shop.offers(), 1);
    shop.linger("s3", "sofa", T0 + 7 * DAY);
    assert_eq!(shop.offers(), 2);
}

#[test]
fn group_cap_is_shared() {
    let cap = "    cap: [{scope: person, group: vouchers, max: 2, per: P30D}]";
    let second = "  - {id: other, when: signal.view_count >= 1, on: [product_view], cap: [{scope: person, group: vouchers, \
                  max: 2, per: P30D}], voucher: {code: B, title: B}}";
    let mut shop = Shop::new(&rules(&format!("{cap}\n{VOUCHER}\n{second}")));
    for session in 0..5 {
        shop.linger(&format!("s{session}"), "sofa", T0 + session * DAY);
    }
    assert_eq!(shop.offers(), 2);
}

#[test]
fn control_arm_decides_without_showing_an_offer() {
    let experiment =
        "    experiment: {key: exp, variants: [control], holdout: none}\n    cap: [{scope: person, max: 1, per: P7D}]";
    let mut shop = Shop::new(&rules(experiment));
    shop.seen_before("sofa");
    shop.seen_before("lamp");
    shop.linger("s1", "sofa", T0);
    assert_eq!((shop.offers(), shop.last_reason()), (0, "control"));
    let ghost = shop.outputs("decisions").last().copied().unwrap();
    assert_eq!(ghost.get("variant").unwrap().as_str(), Some("control"));
    assert!(ghost.get("offer_id").unwrap().is_null());
    shop.linger("s1", "lamp", T0 + 60_000);
    assert_eq!(shop.last_reason(), "cap", "both arms are capped alike");
}

#[test]
fn arms_get_their_vouchers_and_holdout_gets_none() {
    let experiment = |holdout: &str| {
        format!(
            "    experiment: {{key: exp, weights: [0.0, 1.0], variants: [v10, v15], holdout: {holdout}}}\n    vouchers: \
             {{v10: {{code: TEN, title: T}}, v15: {{code: FIFTEEN, title: T}}}}"
        )
    };
    for (holdout, code, reason) in [("none", Some("FIFTEEN"), "offer"), ("all", None, "holdout")] {
        let mut shop = Shop::new(&rules(&experiment(holdout)));
        shop.seen_before("sofa");
        shop.linger("s1", "sofa", T0);
        assert_eq!(shop.last_reason(), reason);
        assert_eq!(shop.outputs("offers").first().and_then(|offer| offer.get("code")).and_then(Value::as_str), code);
    }
}

#[test]
fn highest_priority_wins() {
    let second = "  - {id: better, when: signal.lingering_return, priority: 9, voucher: {code: BEST, title: B}}";
    let mut shop = Shop::new(&rules(&format!("{VOUCHER}\n{second}")));
    shop.seen_before("sofa");
    shop.linger("s1", "sofa", T0);
    assert_eq!(shop.offers(), 1);
    assert_eq!(shop.outputs("offers")[0].get("code").unwrap().as_str(), Some("BEST"));
}

#[test]
fn late_event_makes_no_expired_offer() {
    let mut shop = Shop::new(&rules(&format!("    expires_in: PT1H\n{VOUCHER}")));
    shop.seen_before("sofa");
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    for second in [0, 10, 20] {
        let id = format!("late{second}");
        let event = click("c1", &id, "s1", "heartbeat", "p1", "sofa", T0 + second * 1000);
        shop.send(&id, &event, T0 + 2 * 3_600_000).unwrap();
    }
    assert_eq!((shop.offers(), shop.last_reason()), (0, "stale"));
}

#[test]
fn rule_without_a_value_is_skipped_or_fails_the_event() {
    let rule = |on_error: &str| {
        let pack = rules(&format!("    on_error: {on_error}\n{VOUCHER}"));
        pack.replace("when: signal.lingering_return", "when: profile.missing > 3")
            .replace("id: come-back", "id: come-back\n    on: [product_view]")
    };
    let mut shop = Shop::new(&rule("skip"));
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    assert_eq!(shop.last_reason(), "rule_error");
    let mut shop = Shop::new(&rule("dlq"));
    let error = shop.click("s1", "product_view", "p1", "sofa", T0).unwrap_err();
    assert_eq!(error.kind(), tributary_api::ErrorKind::Data);
    assert!(error.to_string().contains("come-back"), "{error}");
}

#[test]
fn bad_click_is_a_data_error() {
    let mut shop = Shop::new(&rules(VOUCHER));
    for (click, names) in
        [(r#"{"type":"x","person_id":"a"}"#, "event_id"), ("[1]", "event_id"), (r#"{"event_id":"1"}"#, "type")]
    {
        let error = shop.send("", click, T0).unwrap_err();
        assert_eq!(error.kind(), tributary_api::ErrorKind::Data);
        assert!(error.to_string().contains(names), "{error}");
    }
}

#[test]
fn every_click_is_enriched_and_counted_as_a_view() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.seen_before("sofa");
    shop.linger("s1", "sofa", T0);
    let enriched = shop.outputs("clicks.enriched");
    let ids: HashSet<_> = enriched.iter().map(|click| click.get("event_id").unwrap().as_str().unwrap()).collect();
    assert_eq!((enriched.len(), ids.len()), (5, 5));
    let view = shop.outputs("customer.view").last().copied().unwrap();
    let shown = String::from_utf8(json::to_vec(view).unwrap()).unwrap();
    assert!(shown.contains(r#""product_id":"sofa","views":2"#), "{shown}");
}
