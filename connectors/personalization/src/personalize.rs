mod logins;

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use tributary_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, PluginMetrics, Record, Records, Requirements, Result,
    StoreId, TableId, Timer, Topic, TransformContext, TransformTables, Transformation, Validator, Value, json,
};

use crate::conditions;
use crate::decision::{DecisionInput, decide};
use crate::event::{CONSENT, DWELL_TIMER, Event, ORDER, PAGE_VIEW, PRODUCT_VIEW};
use crate::experiments::ExperimentLog;
use crate::expression::{Budget, MAX_STEPS};
use crate::identity;
use crate::memory::Memory;
use crate::outputs::{self, Outputs, stable_id};
use crate::packs::{self, PackMetrics, PackSources, Packs};
use crate::person::Person;
use crate::rules::TemplateValues;
use crate::signals::{Raised, Signals};
use crate::spent::Spent;

const DAY_MS: i64 = 86_400_000;
const IDENTITY_TOPIC: &str = "identity.topic";
const SESSION_GAP: &str = "session.gap.ms";

pub(crate) const PEOPLE: StoreId = StoreId(0);
const PROFILES: TableId = TableId(0);
const RULES: TableId = TableId(1);

/// Decides about every click with the person's state. A click whose id was seen before is dropped.
#[derive(Debug)]
pub(crate) struct Personalize {
    sources: PackSources,
    packs: Packs,
    metrics: PackMetrics,
    outputs: Outputs,
    experiments: ExperimentLog,
    profiles_topic: String,
    products_topic: Option<String>,
    products: Option<TableId>,
    retention: Retention,
    session_gap_ms: i64,
    /// None when the histories of anonymous people stay their own.
    identity: Option<Topic>,
    /// Whether exceeding the rules' budget was logged.
    overrun_logged: bool,
}

/// How long a person's state is kept after the last event, in milliseconds; none: without limit.
#[derive(Clone, Copy, Debug)]
struct Retention {
    known: Option<i64>,
    anonymous: Option<i64>,
    /// The state of a person who got an offer is kept at least as long as the longest cap.
    longest_cap: i64,
}

impl Retention {
    /// When a person's state is to be deleted; none: never.
    fn end(&self, person: &Person) -> Option<i64> {
        let retention = if person.known { self.known? } else { self.anonymous? };
        let capped = person.emissions.back().map_or(i64::MIN, |emission| emission.at.saturating_add(self.longest_cap));
        Some(person.seen_at.saturating_add(retention).max(capped))
    }
}

pub(crate) fn definition() -> ConfigDef {
    let definition = packs::define(ConfigDef::default());
    let definition = [
        ConfigKey::new("profiles.topic", ConfigType::String)
            .default("customers")
            .validator(Validator::TopicName)
            .doc("Compacted topic of profiles, keyed by customer_id: consent and the fields that rules use."),
        ConfigKey::new("products.topic", ConfigType::String).validator(Validator::TopicName).doc(
            "Compacted topic of products, keyed by product_id: what rules know as product.*. Without it product.* is null.",
        ),
        ConfigKey::new(SESSION_GAP, ConfigType::Long)
            .default(30 * 60_000)
            .validator(Validator::AtLeast(1))
            .doc("How long a person sends no event, on any device, until the next one begins a new session."),
        ConfigKey::new(IDENTITY_TOPIC, ConfigType::String).default("").doc(
            "Topic through which the history of an anonymous person goes to the customer who logs in on the same device. \
             Name it in repartition.topics of the processor, too; nobody else may write to it. Empty: the histories stay \
             apart.",
        ),
        ConfigKey::new("people.retention.ms", ConfigType::Long)
            .default(400 * DAY_MS)
            .validator(Validator::AtLeast(-1))
            .doc(
                "How long a customer is remembered after their last event; -1: without limit. A customer with an offer \
                 is remembered at least as long as the longest cap counts.",
            ),
        ConfigKey::new("people.anonymous.retention.ms", ConfigType::Long)
            .default(30 * DAY_MS)
            .validator(Validator::AtLeast(-1))
            .doc("The same for people without a customer_id."),
    ]
    .into_iter()
    .fold(definition, ConfigDef::with);
    ExperimentLog::define(Outputs::define(definition))
}

impl Personalize {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let (sources, packs) = PackSources::new(config, Timestamp::now().as_millisecond())?;
        let products_topic = config.optional_string("products.topic")?.map(str::to_owned);
        // After that of profiles, and of rules if there is one.
        let products = TableId(if sources.topic().is_some() { 2 } else { 1 });
        let retention = |name: &str| -> Result<Option<i64>> {
            let retention = config.int::<i64>(name)?;
            Ok(Some(retention).filter(|retention| *retention >= 0))
        };
        Ok(Self {
            retention: Retention {
                known: retention("people.retention.ms")?,
                anonymous: retention("people.anonymous.retention.ms")?,
                longest_cap: packs.longest_cap,
            },
            session_gap_ms: config.int(SESSION_GAP)?,
            identity: config.optional_string(IDENTITY_TOPIC)?.filter(|topic| !topic.is_empty()).map(Topic::from),
            overrun_logged: false,
            sources,
            packs,
            metrics: PackMetrics::default(),
            products: products_topic.as_ref().map(|_| products),
            products_topic,
            outputs: Outputs::new(config)?,
            experiments: ExperimentLog::new(config)?,
            profiles_topic: config.string("profiles.topic")?.to_owned(),
        })
    }

    /// Opening a page schedules the timers of its product and cancels those of the previous page.
    fn set_timers(&self, event: &Event<'_>, cx: &mut TransformContext<'_>) -> Result<()> {
        for pack in self.packs.iter() {
            for signal in &pack.signals {
                let Some(dwell) = signal.dwell.filter(|dwell| dwell.timer) else { continue };
                let key = Bytes::from(format!("{}\0{}\0{}", event.person, pack.name(), signal.name));
                if event.kind == signal.on && event.product.is_some() && event.page.is_some() {
                    let at = event.received_at + i64::from(dwell.at_least_s) * 1000;
                    let payload = timer_event(event, [pack.name(), &signal.name], &self.packs, at);
                    cx.schedule(Timer::new(key, at, json::to_vec(&payload)?))?;
                } else if [PRODUCT_VIEW, PAGE_VIEW].contains(&event.kind) {
                    cx.cancel(&key)?;
                }
            }
        }
        Ok(())
    }

    /// Schedules the check whether the person's state is to be deleted. A timer that is already set is not moved:
    /// events since then are considered when it fires.
    fn schedule_forgetting(&self, event: &Event<'_>, person: &mut Person, cx: &mut TransformContext<'_>) -> Result<()> {
        if person.forget_check_at == 0
            && let Some(at) = self.retention.end(person)
        {
            person.forget_check_at = at;
            cx.schedule(Timer::new(forget_timer_key(event.person), at, Bytes::new()))?;
        }
        Ok(())
    }

    /// Deletes the state of a person whose retention time is over, or schedules the next check.
    fn forget_or_reschedule(&self, timer: &Timer, cx: &mut TransformContext<'_>) -> Result<Records> {
        let key = timer.key.slice(..timer.key.len().saturating_sub(1));
        let Some(bytes) = cx.get(PEOPLE, &key)? else { return Ok(Records::None) };
        let mut person = Person::decode(&bytes)?;
        match self.retention.end(&person) {
            Some(end) if end <= timer.at => {
                cx.put(PEOPLE, key.clone(), None)?;
                let name = String::from_utf8_lossy(&key);
                cx.put(PEOPLE, Memory::key(&name), None)?;
                let forgotten = |topic| outputs::forgotten(topic, &name, timer.at);
                Ok(self.outputs.view.as_ref().map_or(Records::None, |topic| Records::One(forgotten(topic))))
            }
            end => {
                person.forget_check_at = end.unwrap_or_default();
                cx.put(PEOPLE, key, Some(person.encode()))?;
                if let Some(at) = end {
                    cx.schedule(Timer::new(timer.key.clone(), at, timer.payload.clone()))?;
                }
                Ok(Records::None)
            }
        }
    }

    fn person(cx: &mut TransformContext<'_>, event: &Event<'_>) -> Result<Person> {
        match cx.get(PEOPLE, event.person.as_bytes())? {
            Some(bytes) => Person::decode(&bytes),
            None => Ok(Person::default()),
        }
    }

    /// The row of the event's product; null without one, and where no rule looks at it.
    fn product(&self, event: &Event<'_>, cx: &mut TransformContext<'_>) -> Result<Value> {
        let table = self.products.filter(|_| self.packs.uses_product && self.packs.decides(event.kind));
        match (table, event.product) {
            (Some(table), Some(product)) => {
                Ok(cx.table(table, product.as_bytes())?.map_or(Value::Null, |row| row.value.clone()))
            }
            _ => Ok(Value::Null),
        }
    }

    /// Computes signals and the decision, and all their output records except the enriched event.
    fn process<'p>(
        &'p self,
        event: &Event<'_>,
        person: &mut Person,
        cx: &mut TransformContext<'_>,
        records: &mut Vec<Record>,
    ) -> Result<(Vec<Signals<'p>>, bool)> {
        let now = cx.now();
        let mut spent = Spent::load(&self.packs, event, cx)?;
        let product = self.product(event, cx)?;
        let needs_memory = self.packs.needs_memory;
        let mut memory = if needs_memory { Memory::load(event.person, cx)? } else { Memory::default() };
        if needs_memory {
            conditions::take(event, &mut memory);
        }
        let row = match event.customer {
            Some(customer) => cx.table(PROFILES, customer.as_bytes())?,
            None => None,
        };
        let profile = row.map_or(&Value::Null, |row| &row.value);
        let signals: Vec<_> =
            self.packs.iter().map(|pack| Signals::compute(pack, event, person, &mut memory, profile)).collect();
        let budget = Budget::default();
        let input = DecisionInput {
            event,
            profile,
            product: &product,
            signals: &signals,
            at: event.received_at,
            now,
            spent: &spent,
            budget: &budget,
        };
        let decision = decide(&self.packs, &input, person)?;
        for (pack, signals) in self.packs.iter().zip(&signals).filter(|(pack, _)| decision.is_final_for(pack)) {
            signals.settle(pack, event, person);
        }
        let at = event.received_at;
        if let Some(topic) = self.outputs.decisions.as_ref()
            && self.packs.decides(event.kind)
            && !event.is_forged()
        {
            let value = outputs::decision(event, &signals, &decision);
            records.push(outputs::record(topic, event.person, at, value));
        }
        self.experiments.write((event, person), &self.packs, &decision, records);
        if let (Some(topic), Some(chosen)) = (&self.outputs.offers, &decision.chosen)
            && let Some(offer) =
                outputs::offer(event, chosen, TemplateValues { event: event.value, profile, product: &product })
        {
            records.push(outputs::record(topic, event.person, at, offer));
        }
        if let Some(topic) = &self.outputs.view
            && (decision.chosen.is_some() || shows_in_view(event.kind, &signals))
        {
            let view = outputs::view(&self.packs, event, person, profile);
            records.push(outputs::record(topic, event.person, at, view));
        }
        if needs_memory {
            memory.store(event.person, cx)?;
        }
        if let Some(chosen) = decision.chosen.filter(|chosen| !chosen.withheld) {
            spent.spend(chosen.offer, cx)?;
        }
        Ok((signals, budget.is_exhausted()))
    }
}

impl Transformation for Personalize {
    fn requirements(&self) -> Requirements {
        // Timers in any case: a pack that comes later may need them.
        let needs = Requirements::default().store("people").table("profiles", &*self.profiles_topic).with_timers();
        let needs = match self.sources.topic() {
            Some(topic) => needs.raw_table("rules", topic),
            None => needs,
        };
        let needs = match &self.products_topic {
            Some(topic) => needs.table("products", topic.as_str()),
            None => needs,
        };
        match &self.identity {
            Some(topic) => needs.repartition(&**topic),
            None => needs,
        }
    }

    fn with_plugin_metrics(&mut self, metrics: &PluginMetrics) -> Result<()> {
        self.metrics = PackMetrics::new(metrics)?;
        self.metrics.show(&self.packs, &self.sources);
        Ok(())
    }

    fn between_transactions(&mut self, now: i64, tables: &dyn TransformTables) -> Result<()> {
        let rules = self.sources.topic().map(|_| RULES);
        if let Some(packs) = self.sources.follow(now, tables, rules) {
            self.retention.longest_cap = packs.longest_cap;
            self.packs = packs;
            self.overrun_logged = false;
            self.metrics.show(&self.packs, &self.sources);
        }
        Ok(())
    }

    fn apply(&mut self, record: Record, cx: &mut TransformContext<'_>) -> Result<Records> {
        if record.value.value.is_null() {
            return Ok(Records::None);
        }
        let event = Event::read(&record.value.value, record.timestamp.unwrap_or_else(|| cx.now()))?;
        keyed_by_person(&record, &event)?;
        if self.identity.as_ref() == Some(&record.topic) {
            return self.apply_identity(&event, cx);
        }
        let mut person = Self::person(cx, &event)?;
        if !person.insert_event_id(event.id) {
            return Ok(Records::None);
        }
        person.take(&event, self.session_gap_ms);
        let mut records = Vec::with_capacity(4);
        let (signals, overrun) = self.process(&event, &mut person, cx, &mut records)?;
        if self.packs.timers {
            self.set_timers(&event, cx)?;
        }
        if let Some(topic) = &self.identity {
            records.extend(identity::identify(topic, &event, &mut person));
            if event.customer.is_none()
                && let Some(customer) = person.next_customer(event.at).map(str::to_owned)
            {
                records.extend(self.hand_over(&event, &mut person, &customer, cx)?);
            }
        }
        self.schedule_forgetting(&event, &mut person, cx)?;
        let key = Bytes::copy_from_slice(event.person.as_bytes());
        cx.put(PEOPLE, key, Some(person.encode()))?;
        if let Some(topic) = self.outputs.enriched.as_ref().filter(|_| !event.is_order()) {
            let (person, signals) = (event.person.to_owned(), Signals::to_value(&signals));
            let mut enriched = record;
            enriched.value.value.insert("signals", signals)?;
            enriched.value.value.insert("ruleset_version", self.packs.single_version())?;
            enriched.value.value.insert("rulesets", outputs::rulesets(&self.packs))?;
            enriched.key = Datum::schemaless(person);
            enriched.topic = topic.clone();
            enriched.partition = None;
            records.insert(0, enriched);
        }
        self.log_overrun(overrun);
        Ok(Records::Many(records))
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut TransformContext<'_>) -> Result<Records> {
        if timer.payload.is_empty() {
            return self.forget_or_reschedule(&timer, cx);
        }
        let value = json::from_slice(&timer.payload)?;
        let event = Event { by_timer: true, ..Event::read(&value, timer.at)? };
        let mut person = Self::person(cx, &event)?;
        if person.view(&event).is_none_or(|view| !view.beats.is_empty()) || !person.insert_event_id(event.id) {
            return Ok(Records::None);
        }
        let mut records = Vec::with_capacity(3);
        let (signals, overrun) = self.process(&event, &mut person, cx, &mut records)?;
        if !signals.iter().flat_map(|pack| &pack.raised).any(|(_, raised)| raised.applies()) {
            return Ok(Records::None);
        }
        let key = Bytes::copy_from_slice(event.person.as_bytes());
        cx.put(PEOPLE, key, Some(person.encode()))?;
        self.log_overrun(overrun);
        Ok(Records::Many(records))
    }
}

impl Personalize {
    /// Logged once; the decision of each such event shows it too.
    fn log_overrun(&mut self, overrun: bool) {
        if overrun && !std::mem::replace(&mut self.overrun_logged, true) {
            tracing::warn!(
                "the rules of an event took more than {MAX_STEPS} steps, the rules after them did not apply: use fewer of all, \
                 exists, map and filter, or shorter lists"
            );
        }
    }
}

/// Whether an event changes what the view of a person shows.
fn shows_in_view(kind: &str, signals: &[Signals<'_>]) -> bool {
    let mut raised = signals.iter().flat_map(|pack| &pack.raised);
    [PRODUCT_VIEW, PAGE_VIEW, ORDER, CONSENT].contains(&kind)
        || raised.any(|(_, raised)| [Raised::Now, Raised::Elsewhere].contains(raised))
}

/// All events of a person must be in one partition, where their state is. If the key is not the person's id, they may
/// not be.
fn keyed_by_person(record: &Record, event: &Event<'_>) -> Result<()> {
    match record.key.value.as_str() {
        Some(key) if key != event.person => Err(Error::data(
            "the click's key is not its person_id: key the topic by person_id (key.field of the collector), or the state of \
             a person would be in several partitions and caps would count wrongly",
        )),
        _ => Ok(()),
    }
}

/// No signal has an empty name.
fn forget_timer_key(person: &str) -> Bytes {
    Bytes::from(format!("{person}\0"))
}

/// The event that a timer sends. It is created when the timer is set, so that a timer that fires twice sends the same
/// event.
fn timer_event(event: &Event<'_>, [pack, signal]: [&str; 2], packs: &Packs, at: i64) -> Value {
    let id = stable_id(&["timer", event.person, event.page.unwrap_or_default(), pack, signal, event.id]);
    // Only the fields that decisions use: the client's event is not stored completely.
    let consent = |purpose: &str| match event.value.path(&format!("consent.{purpose}")).and_then(Value::as_bool) {
        Some(agreed) => Value::Boolean(agreed),
        None => Value::Null,
    };
    let purposes: BTreeSet<&str> = packs.iter().map(|pack| pack.consent.as_str()).chain(["gpc", "dnt"]).collect();
    let consents = purposes.into_iter().map(|purpose| (purpose, consent(purpose)));
    Value::map([
        ("event_id", Value::string(id)),
        ("type", Value::string(DWELL_TIMER)),
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("session_id", Value::string(event.session)),
        ("page_id", event.page.into()),
        ("product_id", event.product.into()),
        ("ts", Value::Int64(at)),
        ("received_at", Value::Int64(at)),
        ("consent", Value::map(consents)),
        ("bot", Value::Boolean(event.flag("bot"))),
        ("gpc", Value::Boolean(event.flag("gpc"))),
        ("dnt", Value::Boolean(event.flag("dnt"))),
    ])
}
