#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::RulePack;

const PACK: &str = r#"
line_of_business: laundry
version: 42
holdouts: {global-5: {share: 0.05}}
signals:
  lingering_return: {on: product_view, dwell: {heartbeat_s: 10, min_visit_s: 5, at_least_s: 20}, seen_before: {sessions: ">=1", within: P30D}}
offers:
  - id: come-back-10
    when: "signal.lingering_return && profile.consent.marketing && has(profile.tier) && profile.tags.exists(t, t == 'vip')"
    experiment: {key: come-back-v3, hash_version: 2, weights: [0.5, 0.4, 0.1], variants: [control, v10, v15], holdout: global-5}
    cap: [{scope: person, max: 1, per: P7D}, {scope: person, group: vouchers, max: 3, per: P30D}]
    priority: 50
    vouchers: {v10: {code: TEN, title: Ten}, v15: {code: FIFTEEN, title: Fifteen}}
"#;

fn refused(from: &str, to: &str) -> String {
    assert!(PACK.contains(from), "{from}");
    RulePack::parse(&PACK.replace(from, to)).expect_err(to).to_string()
}

#[test]
fn pack_is_compiled() {
    let pack = RulePack::parse(PACK).unwrap();
    assert_eq!((pack.version(), pack.offers.len(), pack.signals.len()), (42, 1, 1));
    assert_eq!(pack.by_event.len(), 3, "{:?}", pack.by_event.keys());
    assert_eq!(pack.longest_cap, 30 * 86_400_000);
}

#[test]
fn nothing_of_a_file_that_is_no_pack_is_quoted() {
    let secret = "5ecre7-0f-the-w0rker";
    for file in [
        secret.to_owned(),
        format!("root:x:0:0:{secret}:/root\nother:x:1:1\n"),
        format!("password: {secret}\n"),
        format!("{secret}: value\n"),
        format!("version: {secret}\n"),
        format!("line_of_business: a\nversion: 1\noffers: {secret}"),
        format!("[{secret}"),
        format!("- {secret}\n"),
        format!("a: &{secret} b\nc: *{secret}x\n"),
        format!("!{secret} x"),
        format!("%{secret}\n---\n"),
        format!("\"\\{secret}\""),
    ] {
        let message = RulePack::parse(&file).unwrap_err().to_string();
        assert!(!message.contains(&secret[..7]), "{file}: {message}");
        assert!(message.contains("rule pack cannot be read"), "{message}");
    }
    let message = RulePack::parse("- 1\n").unwrap_err().to_string();
    assert!(message.contains("expected") && message.contains("line 1"), "{message}");
}

#[test]
fn a_pack_has_so_many_levels() {
    for deep in
        ["[".repeat(100_000), "{a: ".repeat(33), "- ".repeat(33), "? ".repeat(33), format!("- - {}", "[".repeat(31))]
    {
        let message = RulePack::parse(&deep).unwrap_err().to_string();
        assert!(message.contains("more than 32 levels"), "{message}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let cases = [
        ("priority: 50", "prioritty: 50", "prioritty"),
        ("version: 42", "version: 42\nbudget: 3", "budget"),
        ("heartbeat_s: 10", "heartbeats: 10", "heartbeats"),
        ("scope: person, max: 1", "scope: household, max: 1", "household"),
        ("max: 1, per: P7D", "max: 0, per: P7D", "cap.max"),
        ("per: P7D", "per: a week", "cap.per"),
        ("within: P30D", "within: P3000D", "seen_before.within"),
        ("\">=1\"", "\">=9\"", "seen_before.sessions"),
        ("holdout: global-5", "holdout: global-6", "global-6"),
        ("share: 0.05", "share: 5", "share"),
        ("weights: [0.5, 0.4, 0.1]", "weights: [0.5, 0.4]", "weights"),
        ("hash_version: 2", "hash_version: 3", "hash_version"),
        ("v15: {code", "v16: {code", "v15"),
        ("signal.lingering_return &&", "signal.lingering &&", "signal lingering is unknown"),
        ("profile.consent.marketing", "customer.consent.marketing", "variable customer is unknown"),
        ("has(profile.tier)", "profile.tier.matches('a+')", "function matches"),
        ("t == 'vip'", "profile.tags.all(u, u == t)", "nested"),
        ("t == 'vip'", "x == 'vip'", "variable x is unknown"),
        ("has(profile.tier)", "(((", "parse"),
        ("lingering_return: {on", "view_count: {on", "built in"),
    ];
    for (from, to, named) in cases {
        let message = refused(from, to);
        assert!(message.contains(named), "{to}: {message}");
    }
}

#[test]
fn long_and_deep_expressions_are_refused() {
    let long = format!("has(profile.tier) && '{}' != ''", "x".repeat(5000));
    assert!(refused("has(profile.tier)", &long).contains("4096"));
    let deep = format!("{}true{}", "(".repeat(80), ")".repeat(80));
    refused("has(profile.tier)", &deep);
    let deep = format!("{}true", "!".repeat(81));
    let _ = RulePack::parse(&PACK.replace("has(profile.tier)", &deep)); // whatever it is, it must come back
}

#[test]
fn rules_over_the_limits_are_refused() {
    let offer = "  - {id: ID, when: signal.lingering_return, voucher: {code: A, title: B}}\n";
    let many: String = (0..101).map(|n| offer.replace("ID", &format!("o{n}"))).collect();
    assert!(RulePack::parse(&format!("{PACK}{many}")).unwrap_err().to_string().contains("offers"));
    let long = vec!["event.url == 'some text'"; 130].join(" || ");
    let offer_of = |n: usize| {
        offer
            .replace("ID", &format!("o{n}"))
            .replace("signal.lingering_return", &format!("signal.lingering_return && ({long})"))
    };
    let many: String = (0..60).map(offer_of).collect();
    assert!(RulePack::parse(&format!("{PACK}{many}")).unwrap_err().to_string().contains("steps"));
    let twice = format!("{PACK}{}", offer.replace("ID", "come-back-10"));
    assert!(RulePack::parse(&twice).unwrap_err().to_string().contains("twice"));
}

#[test]
fn fuzz_packs() {
    let pack = PACK.as_bytes();
    let examples: [&[u8]; 4] = [
        pack,
        b"a: &a [x, x]\nb: [*a, *a, *a]",
        b"offers: [{id: a, when: \"signal.x && (((\"}]",
        b"version: !!binary AA",
    ];
    tributary_testkit::fuzz(&examples, |text| {
        let text = std::str::from_utf8(text).ok()?;
        Some(RulePack::parse(text).map(|pack| pack.offers.len()).map_err(|error| error.to_string().len()))
    });
}
