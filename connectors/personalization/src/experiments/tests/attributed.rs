//! Which orders count for which arm.

use tributary_api::{Value, json};

use crate::experiments::attribution::{Attribution, Periods};
use crate::experiments::report::{Design, Report, report};
use crate::experiments::{page, text};

const DAY: i64 = 86_400_000;
const T0: i64 = 1_780_000_000_000;
const PERIODS: Periods = Periods { window: 7 * DAY, before: 28 * DAY };

fn exposure(person: &str, variant: &str, at: i64) -> Value {
    let text = format!(
        r#"{{"kind":"exposure","experiment":"exp","variant":"{variant}","reason":"offer","rule":"back","pack":"toys",
           "ruleset_version":7,"person_id":"{person}","customer_id":"{person}","at":{at}}}"#
    );
    json::from_slice(text.as_bytes()).unwrap()
}

fn order(id: &str, person: &str, revenue: f64, at: i64) -> Value {
    let text = format!(
        r#"{{"kind":"order","order_id":"{id}","person_id":"{person}","customer_id":null,"revenue":{revenue},
           "margin":{},"voucher_cost":1.0,"at":{at}}}"#,
        revenue / 2.0
    );
    json::from_slice(text.as_bytes()).unwrap()
}

fn attributed(records: &[Value]) -> Report {
    let mut attribution = Attribution::new("exp", PERIODS);
    for record in records {
        attribution.take_exposure(record);
    }
    for record in records {
        attribution.take_outcome(record);
    }
    let variants = vec![("control".to_owned(), 0.5), ("v10".to_owned(), 0.5)];
    report(&attribution, Some(&Design { variants }))
}

#[test]
fn orders_within_the_window_after_the_first_exposure_count_once() {
    let report = attributed(&[
        // Before the exposure in the topic: another partition's records may come first.
        order("o1", "ann", 10.0, T0 + DAY),
        exposure("ann", "v10", T0 + 2 * DAY),
        exposure("ann", "v10", T0),
        order("o1", "ann", 10.0, T0 + DAY),
        order("o2", "ann", 4.0, T0 + 7 * DAY),
        order("o3", "ann", 100.0, T0 + 7 * DAY + 1),
        order("o4", "ann", 50.0, T0 - DAY),
        exposure("bob", "control", T0),
        order("o5", "bob", 8.0, T0 - 1),
        order("o6", "nobody", 99.0, T0),
    ]);
    let [control, variant] = &report.arms[..] else { panic!("{report:?}") };
    assert_eq!(
        (control.variant.as_str(), control.people, control.conversions, control.revenue),
        ("control", 1, 0, 0.0)
    );
    assert_eq!((variant.people, variant.exposures, variant.conversions), (1, 2, 1));
    assert_eq!((variant.revenue, variant.margin, variant.voucher_cost), (14.0, 7.0, 2.0));
    assert_eq!((report.from, report.until), (Some(T0), Some(T0 + 7 * DAY + 1)));
    assert_eq!(report.ruleset_versions, [("toys".to_owned(), 7)]);
}

#[test]
fn the_first_exposure_decides_about_the_arm() {
    let report = attributed(&[
        exposure("ann", "v10", T0 + 5),
        exposure("ann", "control", T0),
        exposure("ann", "v10", T0 + 9),
        order("o1", "ann", 10.0, T0 + 6),
    ]);
    assert_eq!((report.arms[0].people, report.arms[0].conversions), (1, 1));
    assert_eq!((report.arms[1].people, report.arms[1].conversions), (0, 0));
    assert_eq!(report.people_in_several_arms, 1);
    assert_eq!(report.people_in_window, 1);
}

#[test]
fn the_holdout_is_compared_but_is_no_arm() {
    let mut records: Vec<Value> = (0..40).map(|n| exposure(&format!("c{n}"), "control", T0)).collect();
    for n in 0..40 {
        let mut held = exposure(&format!("h{n}"), "", T0);
        held.insert("reason", "holdout").unwrap();
        held.insert("variant", Value::Null).unwrap();
        records.push(held);
        records.push(exposure(&format!("v{n}"), "v10", T0));
    }
    records.extend((0..8).map(|n| order(&format!("c{n}"), &format!("c{n}"), 10.0, T0 + 1)));
    records.extend((0..4).map(|n| order(&format!("h{n}"), &format!("h{n}"), 10.0, T0 + 1)));
    let report = attributed(&records);
    let holdout = report.holdout.as_ref().unwrap();
    assert_eq!((holdout.people, holdout.conversions), (40, 4));
    let effect = holdout.comparison.as_ref().unwrap().rate.unwrap();
    assert!((effect.difference + 0.1).abs() < 1e-9);
    assert_eq!(report.arms.len(), 2);
    assert!(report.sample_ratio.is_some_and(|ratio| !ratio.alarm && ratio.p > 0.9));
}

#[test]
fn one_large_order_does_not_decide() {
    let mut records = Vec::new();
    for n in 0..400 {
        let arm = if n % 2 == 0 { "control" } else { "v10" };
        records.push(exposure(&format!("p{n}"), arm, T0));
        records.push(order(&format!("o{n}"), &format!("p{n}"), f64::from(10 + n % 7), T0 + 1));
    }
    records.push(order("large", "p1", 100_000.0, T0 + 2));
    let report = attributed(&records);
    assert_eq!(report.revenue_limit, Some(16.0));
    let effect = report.arms[1].comparison.as_ref().unwrap().revenue.unwrap();
    assert!(effect.difference.abs() < 1.0, "{effect:?}");
    assert!(report.arms[1].revenue > 100_000.0, "the sum is what was paid");
}

#[test]
fn a_report_is_the_same_after_json_and_is_shown() {
    let mut records = Vec::new();
    for n in 0..3000_i64 {
        let (arm, every) = if n % 2 == 0 { ("control", 20) } else { ("v10", 11) };
        let at = T0 + n % 10 * DAY;
        records.push(exposure(&format!("<p{n}>"), arm, at));
        if n % every == n % 2 {
            records.push(order(&format!("o{n}"), &format!("<p{n}>"), 20.0, at + DAY));
        }
    }
    let report = attributed(&records);
    let json = serde_json::to_string(&report).unwrap();
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(report.over_time.len(), 11, "a point for each day");
    let last = report.over_time.last().unwrap();
    assert_eq!(Some(last.uplift), Some(report.arms[1].comparison.as_ref().unwrap().rate_relative));
    assert_eq!(text(&read), text(&report));
    let text = text(&report);
    assert!(
        text.contains("v10 compared with control") && text.contains("division of people: as the weights say"),
        "{text}"
    );
    let page = page(&report);
    assert!(page.contains("<svg") && page.contains("class=\"band\"") && !page.contains("<script"), "{page}");
    assert!(!page.contains("NaN") && !page.contains("inf"), "{page}");
}
