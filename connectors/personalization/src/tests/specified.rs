//! The example pack of the specification: what it says is done.

use tributary_api::Value;

use super::host::{DAY, Shop, T0, click};

const LAUNDRY: &str = r#"
line_of_business: laundry            # rule packs are records on compacted topic tributary-rules, key = lob
version: 42
signals:
  lingering_return: {on: product_view, dwell: {heartbeat_s: 10, min_visit_s: 5, at_least_s: 20}, seen_before: {sessions: ">=1", within: P30D}}
offers:
  - id: come-back-10
    when: "signal.lingering_return && product.in_stock && product.price >= 150.0 && profile.consent.marketing && !profile.bought_category_90d"
    experiment: {key: come-back-v3, hash_version: 2, weights: [0.5, 0.4, 0.1], variants: [control, v10, v15], holdout: global-5}
    cap: [{scope: person, max: 1, per: P7D}, {scope: person, group: vouchers, max: 3, per: P30D}]
    budget: {vouchers: 5000, per: P1D, value_gbp: 10}
    priority: 50
"#;
const SETTINGS: [(&str, &str); 2] = [("rules.topic", "tributary-rules"), ("products.topic", "products")];

fn laundry(pack: &str, partitions: i32) -> Shop {
    let mut shop = Shop::with("", &SETTINGS);
    shop.host.partitions = partitions;
    shop.set_rules("laundry", Some(pack), T0);
    shop.product("washer", r#"{"in_stock":true,"price":399.0}"#);
    shop.product("gone", r#"{"in_stock":false,"price":399.0}"#);
    shop.product("cheap", r#"{"in_stock":true,"price":149.5}"#);
    shop
}

/// Somebody comes back to a product after a day, and lingers.
fn comes_back(shop: &mut Shop, person: &str, product: &str, at: i64) {
    for (session, kind, at) in [
        ("before", "product_view", at - DAY),
        ("now", "product_view", at),
        ("now", "heartbeat", at),
        ("now", "heartbeat", at + 10_000),
        ("now", "heartbeat", at + 20_000),
    ] {
        let (id, page) =
            (format!("{person}-{product}-{kind}-{at}-{session}"), format!("{person}-{product}-{session}-{at}"));
        let page = if session == "now" { format!("{person}-{product}-page") } else { page };
        shop.send(&id, &click(person, &id, session, kind, &page, product, at), at).unwrap();
    }
}

fn reasons_of<'a>(shop: &'a Shop, person: &str) -> Vec<&'a str> {
    let of = |one: &&&Value| one.get("person_id").and_then(Value::as_str) == Some(person);
    let decisions = shop.outputs("decisions").into_iter().collect::<Vec<_>>();
    decisions.iter().filter(of).filter_map(|one| one.get("reason")?.as_str()).collect()
}

#[test]
fn the_specifications_own_example_pack_does_what_it_says() {
    let mut shop = laundry(LAUNDRY, 1);
    let agreed = r#"{"consent":{"marketing":true},"bought_category_90d":false}"#;
    let (mut variants, people) = (std::collections::BTreeMap::<String, i64>::new(), 400);
    for number in 0..people {
        let person = format!("p{number}");
        shop.customer(&person, agreed);
        comes_back(&mut shop, &person, "washer", T0);
        let reason = *reasons_of(&shop, &person).last().unwrap();
        *variants.entry(reason.to_owned()).or_default() += 1;
    }
    for offer in shop.outputs("offers") {
        let text = |name: &str| offer.get(name).and_then(Value::as_str).map(str::to_owned);
        assert_eq!((text("rule"), text("line_of_business")), (Some("come-back-10".into()), Some("laundry".into())));
        *variants.entry(text("variant").unwrap()).or_default() += 1;
        assert!(text("code").is_none(), "the page decides by the variant");
    }
    // 5 % held out, then half in the control group, 40 % and 10 % in the others: within four standard deviations.
    let within = |name: &str, share: f64| {
        let (expected, got) = (share * f64::from(people), variants.get(name).copied().unwrap_or_default());
        let deviation = (expected * (1.0 - share)).sqrt();
        assert!((got as f64 - expected).abs() < 4.0 * deviation, "{name}: {got} instead of {expected}");
    };
    within("holdout", 0.05);
    within("control", 0.475);
    within("v10", 0.38);
    within("v15", 0.095);
    let gets =
        (0..people).map(|n| format!("p{n}")).find(|person| reasons_of(&shop, person).contains(&"offer")).unwrap();
    // Each clause decides, shown with somebody who would get an offer.
    for (product, row, reason) in [
        ("gone", agreed, "not_eligible"),
        ("cheap", agreed, "not_eligible"),
        ("unknown", agreed, "rule_error"),
        ("washer", r#"{"consent":{"marketing":true},"bought_category_90d":true}"#, "not_eligible"),
        ("washer", r#"{"consent":{"marketing":false}}"#, "consent"),
        ("washer", agreed, "offer"),
    ] {
        let mut shop = laundry(LAUNDRY, 1);
        shop.customer(&gets, row);
        comes_back(&mut shop, &gets, product, T0);
        assert_eq!(shop.last_reason(), reason, "{product} {row}");
    }
    // The cap: once in seven days.
    comes_back(&mut shop, &gets, "washer", T0 + 2 * DAY);
    let capped = reasons_of(&shop, &gets).last().copied();
    assert!(matches!(capped, Some("cap" | "not_eligible")), "{capped:?}");
}

#[test]
fn a_budget_is_never_overspent_and_begins_again() {
    // Six partitions share ten vouchers a day: this one has two of them.
    let pack = LAUNDRY.replace("vouchers: 5000", "vouchers: 10").replace("experiment:", "#").replace(
        "    priority: 50",
        "    priority: 50\n    voucher: {code: TEN, title: 'For {{product.title | you}}, {{profile.name}}'}",
    );
    let mut shop = laundry(&pack, 6);
    for number in 0..10 {
        shop.customer(
            &format!("p{number}"),
            r#"{"name":"Ann","consent":{"marketing":true},"bought_category_90d":false}"#,
        );
    }
    let day = T0 - T0.rem_euclid(DAY);
    for number in 0..5 {
        comes_back(&mut shop, &format!("p{number}"), "washer", day + 3_600_000);
    }
    assert_eq!((shop.offers(), shop.last_reason()), (2, "budget"));
    assert_eq!(shop.outputs("offers")[0].get("title").and_then(Value::as_str), Some("For you, Ann"));
    for (number, reason) in [(5, "offer"), (6, "offer"), (7, "budget")] {
        comes_back(&mut shop, &format!("p{number}"), "washer", day + DAY + 1_000);
        assert_eq!(shop.last_reason(), reason, "on the next day, p{number}");
    }
    // What comes late from the day before begins nothing again.
    for number in [8, 9] {
        comes_back(&mut shop, &format!("p{number}"), "washer", day + 7_200_000);
        assert_eq!((shop.offers(), shop.last_reason()), (4, "budget"));
    }
}
