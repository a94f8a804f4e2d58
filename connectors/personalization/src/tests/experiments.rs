//! What is recorded of experiments, and the report of it.

use tributary_api::Value;

use crate::RulePack;

use super::host::{DAY, Shop, T0, click, rules};

const EXPERIMENT: &str = "    experiment: {key: exp, variants: [control, v10], weights: [0.5, 0.5]}\n    vouchers: \
                          {v10: {code: TEN, title: Ten}}";

fn of<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("none")
}

fn linger(shop: &mut Shop, person: &str) {
    for (session, id, kind, at) in [
        ("s0", "a", "product_view", T0 - 2 * DAY),
        ("s1", "b", "product_view", T0),
        ("s1", "c", "heartbeat", T0),
        ("s1", "d", "heartbeat", T0 + 10_000),
        ("s1", "e", "heartbeat", T0 + 20_000),
    ] {
        let id = format!("{person}-{id}");
        let page = format!("{person}-{session}");
        shop.send(&id, &click(person, &id, session, kind, &page, "lamp", at), at).unwrap();
    }
}

fn lingering(offer: &str, settings: &[(&str, &str)]) -> Shop {
    let mut shop = Shop::with(&rules(offer), settings);
    for n in 0..30 {
        let person = format!("p{n}");
        shop.customer(&person, r#"{"consent":{"marketing":true}}"#);
        linger(&mut shop, &person);
    }
    shop
}

#[test]
fn everybody_is_exposed_at_the_same_point_also_who_gets_nothing() {
    let shop = lingering(EXPERIMENT, &[]);
    let exposures = shop.outputs("experiments");
    assert_eq!(exposures.len(), 30, "one for each person");
    let of_variant = |variant| exposures.iter().filter(|exposure| of(exposure, "variant") == variant).count();
    assert!(of_variant("control") > 5 && of_variant("v10") > 5);
    assert_eq!(of_variant("v10"), shop.offers());
    for exposure in exposures {
        let (variant, reason) = (of(exposure, "variant"), of(exposure, "reason"));
        assert_eq!(reason, if variant == "control" { "control" } else { "offer" });
        assert_eq!(of(exposure, "offer_id") == "none", variant == "control");
        assert_eq!(exposure.get("at").and_then(Value::as_i64), Some(T0 + 20_000));
    }
}

#[test]
fn the_holdout_is_recorded_where_others_get_the_offer_and_nowhere_else() {
    let offer = EXPERIMENT.replace("weights: [0.5, 0.5]}", "holdout: all}");
    let shop = lingering(&offer, &[]);
    let exposures = shop.outputs("experiments");
    assert_eq!(exposures.len(), 30, "not for events without the signal");
    assert!(exposures.iter().all(|exposure| of(exposure, "reason") == "holdout" && of(exposure, "variant") == "none"));
    assert_eq!(shop.offers(), 0);
}

#[test]
fn who_got_no_voucher_since_none_was_left_is_recorded_with_the_arm() {
    let offer = format!("{EXPERIMENT}\n    budget: {{vouchers: 2, per: P1D}}");
    let shop = lingering(&offer, &[]);
    let exposures = shop.outputs("experiments");
    assert_eq!(exposures.len(), 30);
    let spent: Vec<_> = exposures.iter().filter(|exposure| of(exposure, "reason") == "budget").collect();
    assert!(!spent.is_empty() && spent.iter().all(|exposure| of(exposure, "variant") == "v10"));
    assert_eq!(shop.offers(), 2);
}

#[test]
fn orders_and_rendered_offers_are_recorded() {
    let settings = [("experiments.revenue.field", "total.paid"), ("experiments.topic", "trials")];
    let mut shop = Shop::with(&rules(EXPERIMENT), &settings);
    let order = format!(
        r#"{{"event_id":"o1","type":"order","customer_id":"c1","product_id":"lamp","ts":{T0},"total":{{"paid":12.5}},"margin":3}}"#
    );
    shop.send("o1", &order, T0 + 5).unwrap();
    let shown = click("c1", "s1", "s", "offer_shown", "p", "lamp", T0);
    shop.send("s1", &shown.replace("\"url\"", "\"rule\":\"come-back\",\"offer_id\":\"x\",\"url\""), T0).unwrap();
    shop.send("s2", &shown.replace("\"s1\"", "\"s2\"").replace("\"url\"", "\"rule\":\"other\",\"url\""), T0).unwrap();
    let [order, shown] = shop.outputs("trials")[..] else { panic!("{:?}", shop.outputs("trials")) };
    assert_eq!((of(order, "kind"), of(order, "order_id"), of(order, "customer_id")), ("order", "o1", "c1"));
    let number = |name: &str| order.get(name).and_then(Value::as_f64);
    assert_eq!((number("revenue"), number("margin"), number("voucher_cost")), (Some(12.5), Some(3.0), None));
    assert_eq!((of(shown, "kind"), of(shown, "experiment"), of(shown, "offer_id")), ("shown", "exp", "x"));
    assert!(Shop::with(&rules(EXPERIMENT), &[("experiments.topic", "")]).outputs("experiments").is_empty());
}

fn variants(experiment: &str) -> Vec<Option<String>> {
    let pack = RulePack::parse(&rules(&format!("    experiment: {experiment}")));
    let pack = pack.unwrap();
    let experiment = pack.offers[0].experiment.as_ref().unwrap();
    (0..1000).map(|n| experiment.variant(&format!("p{n}")).map(str::to_owned)).collect()
}

#[test]
fn experiments_in_two_parts_of_a_namespace_have_nobody_in_common() {
    let part = |key: &str, part: &str| {
        variants(&format!("{{key: {key}, variants: [control, v10], namespace: {{id: checkout, {part}}}}}"))
    };
    let (first, second) = (part("one", "from: 0, until: 0.4"), part("two", "from: 0.4, until: 1"));
    assert!(first.iter().zip(&second).all(|(first, second)| first.is_some() != second.is_some()));
    assert!((300..500).contains(&first.iter().flatten().count()));
    let wrong = "{key: one, variants: [control, v10], namespace: {id: checkout, from: 0.5, until: 0.5}}";
    let wrong =
        RulePack::parse(&rules(&format!("    experiment: {wrong}\n    vouchers: {{v10: {{code: T, title: T}}}}")));
    assert!(wrong.unwrap_err().to_string().contains("namespace"));
}

#[test]
fn an_experiment_of_unleash_keeps_its_people() {
    let all =
        variants("{key: Feature.Variants.D, variants: [v1, v10, v3], weights: [0.01, 0.49, 0.5], assignment: unleash}");
    let share = |name: &str| all.iter().flatten().filter(|variant| *variant == name).count();
    assert!(
        (450..550).contains(&share("v3")) && (430..550).contains(&share("v10")),
        "{} {}",
        share("v3"),
        share("v10")
    );
    let half = variants("{key: k, variants: [control, v10], assignment: unleash, coverage: 0.5}");
    assert!((440..560).contains(&half.iter().flatten().count()));
}

#[test]
fn only_who_the_condition_targets_takes_part() {
    let targeted = |condition: &str| {
        let experiment = format!(
            "experiment: {{key: exp, variants: [control, v10], groups: {{some: [p1, p2]}}, condition: {condition}}}"
        );
        let offer =
            EXPERIMENT.replace("experiment: {key: exp, variants: [control, v10], weights: [0.5, 0.5]}", &experiment);
        let shop = lingering(&offer, &[]);
        assert!(shop.reasons().contains(&"not_in_experiment"));
        shop.outputs("experiments").iter().map(|exposure| of(exposure, "person_id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(targeted(r#"{id: {$in: [p3, p7]}, consent.marketing: true}"#), ["p3", "p7"]);
    assert_eq!(targeted(r#"{id: {$inGroup: some}, tier: null}"#), ["p1", "p2"]);
    assert!(targeted(r#"{tier: gold}"#).is_empty());
    let wrong = EXPERIMENT.replace("weights: [0.5, 0.5]", "condition: {tier: {$near: 1}}");
    let error = RulePack::parse(&rules(&wrong)).unwrap_err().to_string();
    assert!(error.contains("condition") && error.contains("$near"), "{error}");
}
