//! A recorded day of a shop, sent in the order of time and in the order of a file, to one partition and to several.

use std::collections::{BTreeMap, BTreeSet};

use tributary_api::{Value, json};

use super::host::{DAY, Shop, T0, VOUCHER, click, rules};
use crate::hash::stable_hash;

const GAP: i64 = 30 * 60_000;
const PEOPLE: u64 = 25;
const PRODUCTS: u64 = 6;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: i64,
    person: String,
    id: String,
    kind: &'static str,
    page: String,
    product: String,
}

/// The events of a day, in the order of time; some ids occur twice.
fn recorded_day(dice: &mut Dice) -> Vec<Event> {
    let mut events = Vec::new();
    for person in 0..PEOPLE {
        let mut at = T0 + dice.below(3 * 3_600_000) as i64;
        for session in 0..=dice.below(5) {
            for view in 0..=dice.below(5) {
                let (page, product) = (format!("p{person}-{session}-{view}"), format!("x{}", dice.below(PRODUCTS)));
                let mut push = |kind: &'static str, at: i64, number: u64| {
                    let id = format!("{page}-{number}");
                    let event = Event {
                        at,
                        person: format!("c{person}"),
                        id,
                        kind,
                        page: page.clone(),
                        product: product.clone(),
                    };
                    events.push(event);
                };
                push("product_view", at, 0);
                for beat in 0..dice.below(6) {
                    at += if beat == 0 { 5_000 } else { 10_000 } + dice.below(400) as i64;
                    push("heartbeat", at, beat + 1);
                }
                at += dice.below(60_000) as i64;
            }
            // Some pauses are within a session.
            at += 10 * 60_000 + dice.below(80 * 60_000) as i64;
        }
    }
    for _ in 0..events.len() / 50 {
        events.push(events[dice.below(events.len() as u64) as usize].clone());
    }
    events.sort();
    events
}

/// What lingers, computed from all events at once: person, product and begin of the session.
fn batch(events: &[Event]) -> BTreeSet<(String, String, i64)> {
    let mut people: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events {
        people.entry(&event.person).or_default().push(event);
    }
    let mut found = BTreeSet::new();
    for (person, events) in people {
        let mut begins: Vec<(i64, i64)> = Vec::new();
        for event in &events {
            match begins.last_mut() {
                Some((_, last)) if event.at - *last <= GAP => *last = event.at,
                _ => begins.push((event.at, event.at)),
            }
        }
        let begin = |at: i64| begins.iter().rev().find(|(first, _)| *first <= at).unwrap().0;
        let pages: BTreeSet<&str> = events.iter().map(|event| event.page.as_str()).collect();
        for page in pages {
            let of_page: Vec<&&Event> = events.iter().filter(|event| event.page == page).collect();
            let product = &of_page[0].product;
            let beats = of_page.iter().filter(|event| event.kind == "heartbeat");
            let periods: BTreeSet<i64> = beats.map(|event| event.at / 10_000).collect();
            let claimed = periods.len() as i64 * 10 - 5;
            let passed = (of_page.last().unwrap().at - of_page[0].at + 999) / 1000 + 5;
            let session = begin(of_page[0].at);
            let earlier = events.iter().any(|event| event.product == *product && event.at < session);
            if !periods.is_empty() && claimed.min(passed) >= 20 && earlier {
                found.insert((person.to_owned(), product.clone(), session));
            }
        }
    }
    found
}

/// The last view of each person, and how many events raised the signal.
fn processed(events: &[Event], partitions: u64) -> (BTreeMap<String, Vec<u8>>, usize) {
    let (mut views, mut raised, mut enriched) = (BTreeMap::new(), 0, BTreeSet::new());
    let mut shops: Vec<Shop> = (0..partitions).map(|_| Shop::new(&rules(VOUCHER))).collect();
    let of = |person: &str| (stable_hash([person]) % partitions) as usize;
    for event in events {
        let text = click(&event.person, &event.id, "token", event.kind, &event.page, &event.product, event.at);
        shops[of(&event.person)].send(&event.id, &text, event.at).unwrap();
    }
    for person in (0..PEOPLE).map(|person| format!("c{person}")) {
        let last = click(&person, &format!("last-{person}"), "token", "page_view", "end", "", T0 + 2 * DAY);
        shops[of(&person)].send("", &last, T0 + 2 * DAY).unwrap();
    }
    for shop in &shops {
        for view in shop.outputs("customer.view") {
            views.insert(view.get("person_id").unwrap().as_str().unwrap().to_owned(), json::to_vec(view).unwrap());
        }
        for click in shop.outputs("clicks.enriched") {
            let id = click.get("event_id").unwrap().as_str().unwrap();
            assert!(enriched.insert(id.to_owned()), "{id} twice");
            raised += usize::from(click.path("signals.lingering_return").and_then(Value::as_bool) == Some(true));
        }
    }
    let unique: BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(enriched.len(), unique.len() + PEOPLE as usize);
    (views, raised)
}

fn signals(views: &BTreeMap<String, Vec<u8>>) -> BTreeSet<(String, String, i64)> {
    let mut found = BTreeSet::new();
    for (person, view) in views {
        let view: Value = json::from_slice(view).unwrap();
        for signal in view.get("signals").unwrap().as_array().unwrap() {
            let product = signal.get("product_id").unwrap().as_str().unwrap().to_owned();
            found.insert((person.clone(), product, signal.get("session_began_at").unwrap().as_i64().unwrap()));
        }
    }
    found
}

#[test]
fn scenario_2_a_day_in_file_order_gives_the_signals_of_a_day_in_time_order() {
    let mut all = 0;
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut events = recorded_day(&mut dice);
        let expected = batch(&events);
        all += expected.len();
        let (in_time, raised) = processed(&events, 1);
        assert_eq!(signals(&in_time), expected, "seed {seed}");
        assert_eq!(raised, expected.len(), "seed {seed}: raised once each");
        for partitions in [1, 3, 6] {
            dice.shuffle(&mut events);
            let (in_file_order, _) = processed(&events, partitions);
            for (person, view) in &in_file_order {
                let [view, expected] = [view, &in_time[person]].map(|view| String::from_utf8_lossy(view).into_owned());
                assert_eq!(view, expected, "seed {seed}, {partitions} partitions");
            }
            assert_eq!(in_file_order.len(), in_time.len());
        }
    }
    assert!(all > 100, "{all} signals: the days are too quiet to show anything");
}
