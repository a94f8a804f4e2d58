//! Packs of several lines of business in one processor, and what is changed while it runs.

use std::fs;
use std::path::Path;

use tributary_api::Value;

use super::host::{DAY, Shop, T0, VOUCHER, rules};

/// A pack of a line of business whose offer has this id, priority and voucher.
fn pack(business: &str, version: i64, offer: &str, priority: i64, more: &str) -> String {
    format!(
        "line_of_business: {business}\nversion: {version}\nsignals:\n  lingering:\n    dwell: {{at_least_s: 20}}\n    \
         seen_before: {{within: P30D}}\noffers:\n  - id: {offer}\n    when: signal.lingering\n    priority: {priority}\n    \
         voucher: {{code: {business}-{version}, title: T}}\n{more}"
    )
}

fn with_topic() -> Shop {
    let mut shop = Shop::with("", &[("rules.topic", "rules")]);
    shop.seen_before("sofa");
    shop.out.clear();
    shop
}

fn codes(shop: &Shop) -> Vec<String> {
    shop.outputs("offers").iter().map(|offer| text(offer, "code")).collect()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn one_event_gets_the_best_offer_of_all_packs_and_caps_of_a_group_count_for_all() {
    let cap = "    cap: [{scope: person, group: vouchers, max: 2, per: P7D}]\n";
    let mut shop = with_topic();
    shop.set_rules("toys", Some(&pack("toys", 3, "toy-offer", 10, cap)), T0);
    shop.set_rules("garden", Some(&pack("garden", 8, "garden-offer", 20, cap)), T0);
    shop.linger("s1", "sofa", T0);
    assert_eq!(codes(&shop), ["garden-8"], "one offer, of the higher priority");
    let decision = shop.outputs("decisions").into_iter().find(|one| text(one, "reason") == "offer").unwrap();
    assert_eq!((text(decision, "pack"), text(decision, "line_of_business")), ("garden".into(), "garden".into()));
    assert_eq!(decision.get("ruleset_version").unwrap().as_i64(), Some(8));
    let enriched = *shop.outputs("clicks.enriched").last().unwrap();
    assert_eq!(enriched.path("rulesets.toys").unwrap().as_i64(), Some(3));
    assert_eq!(enriched.path("rulesets.garden").unwrap().as_i64(), Some(8));
    assert_eq!(shop.outputs("clicks.enriched").len(), 4, "one enriched event for each click, whatever the packs");
    // The group's cap of two is the person's, not each pack's.
    for (session, day) in [("s2", 1), ("s3", 2)] {
        shop.linger(session, "sofa", T0 + day * DAY);
    }
    assert_eq!(codes(&shop), ["garden-8", "garden-8"]);
    let capped = shop.outputs("decisions").into_iter().rfind(|one| text(one, "reason") == "cap").unwrap();
    let considered = capped.get("considered").unwrap().as_array().unwrap();
    let reasons: Vec<_> = considered.iter().map(|one| (text(one, "pack"), text(one, "reason"))).collect();
    assert_eq!(reasons, [("garden".into(), "cap".into()), ("toys".into(), "cap".into())]);
}

#[test]
fn consent_is_asked_for_each_packs_purpose() {
    let mut shop = with_topic();
    shop.set_rules("toys", Some(&pack("toys", 1, "toy-offer", 10, "")), T0);
    let finance = pack("loans", 1, "loan-offer", 20, "").replace("version: 1", "version: 1\nconsent: finance");
    shop.set_rules("loans", Some(&finance), T0);
    shop.linger("s1", "sofa", T0);
    assert_eq!(codes(&shop), ["toys-1"], "marketing is consented to, finance is not");
    let considered = shop.outputs("decisions").last().unwrap().get("considered").unwrap().clone();
    let of = |n: usize| text(&considered.as_array().unwrap()[n], "reason");
    assert_eq!((of(0), of(1)), ("consent".into(), "offer".into()));
}

#[test]
fn a_pack_is_replaced_while_it_runs_and_a_refused_one_changes_nothing() {
    let mut shop = with_topic();
    shop.linger("s0", "lamp", T0 - DAY);
    assert_eq!(shop.outputs("clicks.enriched").len(), 4, "events are enriched without any pack");
    shop.set_rules("toys", Some(&pack("toys", 1, "toy-offer", 10, "")), T0);
    shop.linger("s1", "sofa", T0);
    shop.set_rules(
        "toys",
        Some(&pack("toys", 2, "toy-offer", 10, "").replace("signal.lingering", "signal.lurking")),
        T0,
    );
    shop.linger("s2", "sofa", T0 + DAY);
    shop.set_rules("toys", Some(&pack("toys", 3, "toy-offer", 10, "")), T0);
    shop.linger("s3", "sofa", T0 + 2 * DAY);
    shop.set_rules("toys", Some("{["), T0);
    shop.linger("s4", "sofa", T0 + 3 * DAY);
    shop.set_rules("toys", None, T0);
    shop.linger("s5", "sofa", T0 + 4 * DAY);
    assert_eq!(codes(&shop), ["toys-1", "toys-1", "toys-3", "toys-3"]);
}

#[test]
fn after_a_restart_with_a_refused_pack_the_version_before_it_is_at_work() {
    let mut shop = with_topic();
    shop.set_rules("toys@1", Some(&pack("toys", 1, "toy-offer", 10, "")), T0);
    shop.set_rules("toys@2", Some(&pack("toys", 2, "toy-offer", 10, "")), T0);
    shop.set_rules("toys", Some("nonsense"), T0);
    shop.linger("s1", "sofa", T0);
    assert_eq!(codes(&shop), ["toys-2"]);
}

#[test]
fn a_pack_that_takes_anothers_offer_waits_until_that_gives_it_up() {
    let mut shop = with_topic();
    shop.set_rules("garden", Some(&pack("garden", 1, "shared", 10, "")), T0);
    shop.set_rules("toys", Some(&pack("toys", 1, "shared", 99, "")), T0);
    shop.linger("s1", "sofa", T0);
    shop.set_rules("garden", Some(&pack("garden", 2, "own", 10, "")), T0);
    shop.linger("s2", "sofa", T0 + DAY);
    assert_eq!(codes(&shop), ["garden-1", "toys-1"]);
}

#[test]
fn what_is_switched_off_is_not_offered_and_says_so() {
    let mut shop = with_topic();
    shop.set_rules("garden", Some(&pack("garden", 1, "garden-offer", 20, "")), T0);
    shop.set_rules("toys", Some(&pack("toys", 1, "toy-offer", 10, "")), T0);
    let (mut day, mut expected) = (0, Vec::new());
    for (switches, code) in [
        (vec!["off:offer:garden-offer"], Some("toys-1")),
        (vec!["off:pack:toys"], Some("garden-1")),
        (vec!["off:pack:toys", "off:offer:garden-offer"], None),
        (vec!["off:all"], None),
        (vec![], Some("garden-1")),
    ] {
        for switch in &switches {
            shop.set_rules(switch, Some("{}"), T0);
        }
        shop.linger(&format!("s-{day}"), "sofa", T0 + day * DAY);
        expected.extend(code);
        assert_eq!(codes(&shop), expected, "{switches:?}");
        let reasons = shop.reasons();
        assert_eq!(!switches.is_empty(), reasons[reasons.len() - 4..].contains(&"switched_off"), "{switches:?}");
        for switch in &switches {
            shop.set_rules(switch, None, T0);
        }
        day += 1;
    }
    assert_eq!(shop.outputs("clicks.enriched").len(), 20, "events are enriched all the time");
}

#[test]
fn an_offer_has_its_times_and_a_pack_its_beginning() {
    let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let mut shop = with_topic();
    let times = format!("    schedule: {{from: '{}', until: '{}'}}\n", at(T0 + DAY), at(T0 + 2 * DAY));
    shop.set_rules("toys", Some(&pack("toys", 1, "toy-offer", 10, &times)), T0);
    for day in 0..3 {
        shop.linger(&format!("s{day}"), "sofa", T0 + day * DAY);
    }
    assert_eq!(codes(&shop), ["toys-1"]);
    assert!(shop.reasons().contains(&"not_scheduled"));
    let later = pack("toys", 2, "toy-offer", 10, "");
    let later = format!("effective_from: '{}'\n{later}", at(T0 + 5 * DAY));
    shop.set_rules("toys", Some(&later), T0);
    shop.linger("s5", "sofa", T0 + DAY + 3_600_000);
    shop.follow(T0 + 5 * DAY);
    shop.linger("s6", "sofa", T0 + 5 * DAY);
    assert_eq!(codes(&shop), ["toys-1", "toys-1", "toys-2"]);
}

/// Writes a file as an editor does, with another time than before.
fn write(path: &Path, text: &str) {
    let before = fs::metadata(path).and_then(|about| about.modified()).ok();
    fs::write(path, text).unwrap();
    if let Some(before) = before {
        let later = before + std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
    }
}

#[test]
fn files_of_a_folder_are_followed_and_a_broken_one_leaves_its_pack_at_work() {
    let folder = tempfile();
    write(&folder.join("toys.yaml"), &pack("toys", 1, "toy-offer", 10, ""));
    write(&folder.join("broken.yml"), "version: [");
    write(&folder.join("notes.txt"), "no pack");
    let mut shop = Shop::with("", &[("rules.folder", folder.to_str().unwrap()), ("rules.topic", "rules")]);
    shop.seen_before("sofa");
    let mut now = jiff::Timestamp::now().as_millisecond();
    let look = |shop: &mut Shop, now: &mut i64| {
        for _ in 0..2 {
            *now += 500;
            shop.follow(*now);
        }
    };
    shop.linger("s1", "sofa", T0);
    write(&folder.join("toys.yaml"), "line_of_business: toys\nversion: 2\noffers: [");
    look(&mut shop, &mut now);
    shop.linger("s2", "sofa", T0 + DAY);
    write(&folder.join("toys.yaml"), &pack("toys", 3, "toy-offer", 10, ""));
    write(&folder.join("garden.yaml"), &pack("garden", 1, "garden-offer", 5, ""));
    look(&mut shop, &mut now);
    shop.linger("s3", "sofa", T0 + 2 * DAY);
    assert_eq!(codes(&shop), ["toys-1", "toys-1", "toys-3"]);
    // The topic's pack takes the place of the file's, and gives it back.
    shop.set_rules("toys", Some(&pack("toys", 9, "toy-offer", 10, "")), now);
    shop.linger("s4", "sofa", T0 + 3 * DAY);
    shop.set_rules("toys", None, now);
    shop.linger("s5", "sofa", T0 + 4 * DAY);
    fs::remove_file(folder.join("toys.yaml")).unwrap();
    look(&mut shop, &mut now);
    shop.linger("s6", "sofa", T0 + 5 * DAY);
    assert_eq!(codes(&shop)[3..], ["toys-9", "toys-3", "garden-1"]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_timer_of_one_pack_is_decided_by_all() {
    let timed = |business: &str, offer: &str, priority| {
        pack(business, 1, offer, priority, "").replace("at_least_s: 20", "at_least_s: 20, timer: true")
    };
    let mut shop = with_topic();
    shop.set_rules("garden", Some(&timed("garden", "garden-offer", 20)), T0);
    shop.set_rules("toys", Some(&timed("toys", "toy-offer", 10)), T0);
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    shop.pass_time(T0 + 20_000);
    // Both are raised with the first timer, and of one crossing there is one offer.
    assert_eq!(codes(&shop), ["garden-1"]);
}

#[test]
fn a_timer_of_one_pack_is_not_anothers() {
    let timed = |business: &str, offer: &str, priority, at_least: &str| {
        pack(business, 1, offer, priority, "").replace("at_least_s: 20", at_least)
    };
    let mut shop = with_topic();
    shop.set_rules("garden", Some(&timed("garden", "garden-offer", 30, "at_least_s: 60, timer: true")), T0);
    shop.set_rules("heartbeats", Some(&timed("heartbeats", "other-offer", 40, "at_least_s: 20")), T0);
    shop.set_rules("toys", Some(&timed("toys", "toy-offer", 10, "at_least_s: 20, timer: true")), T0);
    shop.click("s1", "product_view", "p1", "sofa", T0).unwrap();
    for (second, expected) in [(19, &[][..]), (20, &["toys-1"]), (59, &["toys-1"]), (60, &["toys-1", "garden-1"])] {
        shop.pass_time(T0 + second * 1_000);
        assert_eq!(codes(&shop), expected, "{second} s");
    }
}

#[test]
fn what_is_switched_on_while_the_shopper_still_lingers_is_offered() {
    for switch in ["off:all", "off:pack:toys", "off:offer:toy-offer"] {
        let mut shop = with_topic();
        shop.set_rules("toys", Some(&pack("toys", 1, "toy-offer", 10, "")), T0);
        // Another pack, of a purpose that nobody has agreed to, has its own reason.
        let loans = pack("loans", 1, "loan-offer", 20, "").replace("version: 1", "version: 1\nconsent: finance");
        shop.set_rules("loans", Some(&loans), T0);
        shop.set_rules(switch, Some("{}"), T0);
        shop.linger("s1", "sofa", T0);
        assert_eq!(shop.offers(), 0, "{switch}");
        shop.set_rules(switch, None, T0);
        for second in [30, 40] {
            shop.click("s1", "heartbeat", "page-s1-sofa", "sofa", T0 + second * 1_000).unwrap();
        }
        assert_eq!(codes(&shop), ["toys-1"], "{switch}");
        shop.customer("c1", r#"{"consent":{"marketing":true,"finance":true}}"#);
        shop.click("s1", "heartbeat", "page-s1-sofa", "sofa", T0 + 50_000).unwrap();
        assert_eq!(codes(&shop), ["toys-1"], "one offer for a crossing, of whatever pack");
    }
}

#[test]
fn the_only_pack_is_named_by_its_version() {
    let mut shop = Shop::new(&rules(VOUCHER));
    shop.linger("s1", "sofa", T0);
    let enriched = *shop.outputs("clicks.enriched").last().unwrap();
    assert_eq!(enriched.get("ruleset_version").unwrap().as_i64(), Some(7));
    assert_eq!(enriched.path("rulesets.test").unwrap().as_i64(), Some(7));
}

#[test]
fn a_pack_that_uses_what_is_not_declared_is_refused() {
    let folder = tempfile();
    let schema = folder.join("schema.yaml");
    fs::write(&schema, "event_types: [product_view]\nprofile: {name: string, tier: string}\n").unwrap();
    let settings = [("rules.topic", "rules"), ("rules.schema", schema.to_str().unwrap())];
    let mut shop = Shop::with("", &settings);
    shop.seen_before("sofa");
    let offer =
        |when: &str| pack("toys", 1, "toy-offer", 10, "").replace("when: signal.lingering", &format!("when: {when}"));
    shop.set_rules("toys", Some(&offer("signal.lingering && profile.name != 'x'")), T0);
    for wrong in [
        offer("signal.lingering && profile.segmnt == 'gold'"),
        offer("signal.lingering && signal.engaged_s > '20'"),
        pack("toys", 2, "toy-offer", 10, "").replace("title: T", "title: 'Hello {{profile.nmae}}'"),
        pack("toys", 2, "toy-offer", 10, "").replace("  lingering:\n", "  lingering:\n    on: produkt_view\n"),
    ] {
        shop.set_rules("toys", Some(&wrong), T0);
    }
    shop.linger("s1", "sofa", T0);
    assert_eq!(codes(&shop), ["toys-1"], "the first one is still at work");
    fs::remove_dir_all(folder).unwrap();
}

/// A folder of its own.
fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("tributary-packs-{}", uuid::Uuid::new_v4()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
