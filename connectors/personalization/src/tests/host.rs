//! A host in memory, and clicks to feed it.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tributary_api::{
    Datum, Factory, Props, Record, Records, Result, StoreId, TableId, Timer, TransformContext, TransformHost,
    TransformTables, Transformation, Value, json,
};

pub(super) const DAY: i64 = 86_400_000;
/// A Monday in 2026.
pub(super) const T0: i64 = 1_780_000_000_000;

#[derive(Default)]
pub(super) struct Memory {
    pub(super) values: HashMap<Bytes, Bytes>,
    pub(super) table: HashMap<Bytes, Datum>,
    pub(super) products: HashMap<Bytes, Datum>,
    /// How many input partitions there are; this is the first one.
    pub(super) partitions: i32,
    pub(super) timers: BTreeMap<Bytes, Timer>,
    /// The topic of rule packs.
    rules: BTreeMap<String, Datum>,
    rules_version: u64,
}

impl TransformTables for Memory {
    fn version(&self, table: TableId) -> u64 {
        if table == TableId(1) { self.rules_version } else { 0 }
    }

    fn for_each(&self, table: TableId, row: &mut dyn FnMut(&[u8], &Datum)) {
        for (key, value) in self.rules.iter().filter(|_| table == TableId(1)) {
            row(key.as_bytes(), value);
        }
    }
}

impl TransformHost for Memory {
    fn get(&mut self, _: StoreId, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.values.get(key).cloned())
    }

    fn put(&mut self, _: StoreId, key: Bytes, value: Option<Bytes>) -> Result<()> {
        match value {
            Some(value) => drop(self.values.insert(key, value)),
            None => drop(self.values.remove(&key)),
        }
        Ok(())
    }

    fn table(&mut self, table: TableId, key: &[u8]) -> Result<Option<&Datum>> {
        Ok(if table == TableId(0) { self.table.get(key) } else { self.products.get(key) })
    }

    fn partition(&self) -> (i32, i32) {
        (0, self.partitions.max(1))
    }

    fn schedule(&mut self, timer: Timer) -> Result<()> {
        self.timers.insert(timer.key.clone(), timer);
        Ok(())
    }

    fn cancel(&mut self, key: &[u8]) -> Result<()> {
        self.timers.remove(key);
        Ok(())
    }
}

/// The transform over a host, with what came out of it.
pub(super) struct Shop {
    pub(super) transform: Box<dyn Transformation>,
    pub(super) host: Memory,
    pub(super) out: Vec<Record>,
    events: u64,
}

pub(super) fn value(text: &str) -> Value {
    json::from_slice(text.as_bytes()).unwrap()
}

impl Shop {
    pub(super) fn new(rules: &str) -> Self {
        Self::with(rules, &[])
    }

    pub(super) fn with(rules: &str, settings: &[(&str, &str)]) -> Self {
        let mut props = Props::new();
        if !rules.is_empty() {
            props.insert("rules".to_owned(), rules.to_owned());
        }
        props.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut shop = Self {
            transform: make("tributary.Personalize", &props).unwrap(),
            host: Memory::default(),
            out: Vec::new(),
            events: 0,
        };
        shop.customer("c1", r#"{"name":"Ann","consent":{"marketing":true}}"#);
        shop
    }

    pub(super) fn customer(&mut self, id: &str, row: &str) {
        self.host.table.insert(Bytes::copy_from_slice(id.as_bytes()), Datum::schemaless(value(row)));
    }

    pub(super) fn product(&mut self, id: &str, row: &str) {
        self.host.products.insert(Bytes::copy_from_slice(id.as_bytes()), Datum::schemaless(value(row)));
    }

    /// A click of customer c1, by session, type, page and product, at a time.
    pub(super) fn click(&mut self, session: &str, kind: &str, page: &str, product: &str, at: i64) -> Result<usize> {
        self.events += 1;
        let id = format!("e{}", self.events);
        self.send(&id, &click("c1", &id, session, kind, page, product, at), at)
    }

    pub(super) fn send(&mut self, _id: &str, click: &str, now: i64) -> Result<usize> {
        self.send_with_key(None, click, now)
    }

    pub(super) fn send_with_key(&mut self, key: Option<&str>, click: &str, now: i64) -> Result<usize> {
        let mut record = Record::new("clicks.raw", Datum::schemaless(value(click))).at(now);
        if let Some(key) = key {
            record = record.with_key(Datum::schemaless(key));
        }
        self.process(record, now)
    }

    pub(super) fn process(&mut self, record: Record, now: i64) -> Result<usize> {
        let mut cx = TransformContext::stateful(now, &mut self.host);
        let records: Vec<Record> = match self.transform.apply(record, &mut cx)? {
            Records::None => Vec::new(),
            Records::One(record) => vec![record],
            Records::Many(records) => records,
        };
        let count = records.len();
        self.out.extend(records);
        Ok(count)
    }

    /// Writes a record of the topic of rule packs, and lets the transform take it in.
    pub(super) fn set_rules(&mut self, key: &str, value: Option<&str>, now: i64) {
        match value {
            Some(value) => {
                let row = Datum::schemaless(Value::Bytes(Bytes::copy_from_slice(value.as_bytes())));
                self.host.rules.insert(key.to_owned(), row);
            }
            None => drop(self.host.rules.remove(key)),
        }
        self.host.rules_version += 1;
        self.follow(now);
    }

    pub(super) fn follow(&mut self, now: i64) {
        self.transform.between_transactions(now, &self.host).unwrap();
    }

    /// Fires the timers that are due, as a processor would.
    pub(super) fn pass_time(&mut self, now: i64) {
        let due: Vec<Timer> = self.host.timers.values().filter(|timer| timer.at <= now).cloned().collect();
        for timer in due {
            self.host.timers.remove(&timer.key);
            let mut cx = TransformContext::stateful(now, &mut self.host);
            match self.transform.on_timer(timer, &mut cx).unwrap() {
                Records::Many(records) => self.out.extend(records),
                Records::One(record) => self.out.push(record),
                Records::None => {}
            }
        }
    }

    pub(super) fn outputs(&self, topic: &str) -> Vec<&Value> {
        self.out.iter().filter(|record| &*record.topic == topic).map(|record| &record.value.value).collect()
    }

    pub(super) fn offers(&self) -> usize {
        self.outputs("offers").len()
    }

    pub(super) fn reasons(&self) -> Vec<&str> {
        self.outputs("decisions").iter().map(|decision| decision.get("reason").unwrap().as_str().unwrap()).collect()
    }

    pub(super) fn last_reason(&self) -> &str {
        self.reasons().last().copied().unwrap_or("none")
    }

    /// A session of long ago in which the product was seen.
    pub(super) fn seen_before(&mut self, product: &str) {
        self.click("s0", "product_view", "p0", product, T0 - 2 * DAY).unwrap();
    }

    /// Opens the product's page and looks at it for 20 s.
    pub(super) fn linger(&mut self, session: &str, product: &str, from: i64) {
        let page = format!("page-{session}-{product}");
        self.click(session, "product_view", &page, product, from).unwrap();
        for second in [0, 10, 20] {
            self.click(session, "heartbeat", &page, product, from + second * 1000).unwrap();
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "an event has so many fields, and tests say each")]
pub(super) fn click(person: &str, id: &str, session: &str, kind: &str, page: &str, product: &str, at: i64) -> String {
    format!(
        r#"{{"event_id":"{id}","type":"{kind}","page_id":"{page}","product_id":"{product}","url":"/p/{product}",
           "ts":{at},"received_at":{at},"session_id":"{session}","customer_id":"{person}","person_id":"{person}"}}"#
    )
}

pub(super) fn make(class: &str, props: &Props) -> Result<Box<dyn Transformation>> {
    let plugin = crate::plugins().into_iter().find(|plugin| plugin.description.class == class).unwrap();
    let Factory::Transformation(make) = plugin.factory else { panic!("not a transform") };
    make(&plugin.description.config.parse(props)?)
}

/// A pack with the usual signal and one offer with these further lines.
pub(super) fn rules(offer: &str) -> String {
    format!(
        "line_of_business: test\nversion: 7\nholdouts:\n  all: {{share: 1.0}}\n  none: {{share: 0.0}}\nsignals:\n  \
         lingering_return:\n    dwell: {{heartbeat_s: 10, min_visit_s: 5, at_least_s: 20}}\n    seen_before: \
         {{sessions: \">=1\", within: P30D}}\noffers:\n  - id: come-back\n    when: signal.lingering_return\n{offer}\n"
    )
}

pub(super) const VOUCHER: &str = "    voucher: {code: BACK10, title: Welcome back}";
