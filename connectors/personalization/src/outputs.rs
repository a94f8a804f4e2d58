//! The output records of an event.

use std::collections::BTreeMap;

use tributary_api::{Config, ConfigDef, ConfigKey, ConfigType, Datum, Record, Result, Topic, Value};
use uuid::Uuid;

use crate::decision::{ChosenOffer, Decision, consent};
use crate::event::Event;
use crate::packs::Packs;
use crate::person::Person;
use crate::rules::{Template, TemplateValues, Voucher};
use crate::signals::{Signals, lingering};

/// Tributary's own namespace, so that ids that others make from the same text differ.
const NAMESPACE: Uuid = Uuid::from_u128(0x5a1f_52c7_90e4_4f0e_8d21_6c3b_70f1_2a94);

const PRODUCTS_IN_VIEW: usize = 10;
const SIGNALS_IN_VIEW: usize = 32;

/// The topics of outputs; an output without a topic is not written.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) enriched: Option<Topic>,
    pub(crate) decisions: Option<Topic>,
    pub(crate) offers: Option<Topic>,
    pub(crate) view: Option<Topic>,
}

impl Outputs {
    pub(crate) fn define(definition: ConfigDef) -> ConfigDef {
        let topic = |name: &str, default: &str, doc: &str| {
            ConfigKey::new(name, ConfigType::String).default(default).doc(format!("{doc} Empty: not written."))
        };
        definition
            .with(topic("enriched.topic", "clicks.enriched", "Topic of the events with profile and signals."))
            .with(topic(
                "decisions.topic",
                "decisions",
                "Topic of the decisions, with reasons, for support and reports.",
            ))
            .with(topic("offers.topic", "offers", "Topic of the offers to deliver."))
            .with(topic("view.topic", "customer.view", "Compacted topic of each person's current state."))
    }

    pub(crate) fn new(config: &Config) -> Result<Self> {
        let topic = |name: &str| -> Result<Option<Topic>> {
            Ok(config.optional_string(name)?.filter(|topic| !topic.is_empty()).map(Topic::from))
        };
        Ok(Self {
            enriched: topic("enriched.topic")?,
            decisions: topic("decisions.topic")?,
            offers: topic("offers.topic")?,
            view: topic("view.topic")?,
        })
    }
}

/// An id that depends only on its parts.
pub(crate) fn stable_id(parts: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, parts.join("|").as_bytes()).to_string()
}

pub(crate) fn offer_id(event: &Event<'_>, offer: &str) -> String {
    stable_id(&[event.customer.unwrap_or(event.person), offer, event.id])
}

pub(crate) fn decision(event: &Event<'_>, signals: &[Signals<'_>], decision: &Decision<'_>) -> Value {
    let considered = decision.considered.iter().map(|(pack, rule, reason)| {
        Value::map([
            ("rule", Value::string(*rule)),
            ("pack", Value::string(pack.name.as_str())),
            ("reason", Value::string(reason.code())),
        ])
    });
    let chosen = decision.chosen.as_ref();
    let made = chosen.filter(|chosen| !chosen.withheld);
    Value::map([
        ("decision_id", Value::string(stable_id(&["decision", event.person, event.id]))),
        ("trigger_event_id", Value::string(event.id)),
        ("trigger", Value::string(event.kind)),
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("session_id", Value::string(event.session)),
        ("product_id", event.product.into()),
        ("reason", Value::string(decision.reason.code())),
        ("rule", chosen.map(|chosen| chosen.offer.id.as_str()).into()),
        ("experiment", chosen.and_then(|c| c.offer.experiment.as_ref()).map(|e| e.key.as_str()).into()),
        ("variant", chosen.and_then(|chosen| chosen.variant).into()),
        ("offer_id", made.map(|chosen| offer_id(event, &chosen.offer.id)).into()),
        ("considered", Value::Array(considered.collect())),
        ("signals", Signals::seen_by_rules(signals)),
        ("pack", decision.pack.map(|pack| pack.name.as_str()).into()),
        ("line_of_business", decision.pack.map(|pack| pack.line_of_business.as_str()).into()),
        ("ruleset_version", decision.pack.map(|pack| pack.version).into()),
        ("decided_at", Value::Int64(event.received_at)),
    ])
}

/// The offer to deliver; none in the control variant.
pub(crate) fn offer(event: &Event<'_>, chosen: &ChosenOffer<'_>, values: TemplateValues<'_>) -> Option<Value> {
    if chosen.withheld {
        return None;
    }
    let (voucher, pack) = (chosen.voucher, chosen.pack);
    let filled = |template: fn(&Voucher) -> &Template| voucher.map(|voucher| template(voucher).fill(values));
    Some(Value::map([
        ("offer_id", Value::string(offer_id(event, &chosen.offer.id))),
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("session_id", Value::string(event.session)),
        ("product_id", event.product.into()),
        ("rule", Value::string(chosen.offer.id.as_str())),
        ("pack", Value::string(pack.name.as_str())),
        ("line_of_business", Value::string(pack.line_of_business.as_str())),
        ("ruleset_version", Value::Int64(pack.version)),
        ("variant", chosen.variant.into()),
        ("code", voucher.map(|voucher| voucher.code.as_str()).into()),
        ("title", filled(|voucher| &voucher.title).into()),
        ("text", filled(|voucher| &voucher.text).into()),
        ("expires_at", Value::Int64(event.received_at + chosen.offer.expires_in)),
        ("trigger_event_id", Value::string(event.id)),
        ("decided_at", Value::Int64(event.received_at)),
    ]))
}

/// The view of a person, with the latest products first.
pub(crate) fn view(packs: &Packs, event: &Event<'_>, person: &Person, profile: &Value) -> Value {
    let mut products: Vec<_> = person.products.iter().collect();
    products.sort_by(|a, b| (b.last_at, &b.id).cmp(&(a.last_at, &a.id)));
    let products = products.into_iter().take(PRODUCTS_IN_VIEW).map(|product| {
        let sessions = person.sessions_before(&product.id, i64::MAX, i64::MIN);
        Value::map([
            ("product_id", Value::string(product.id.as_str())),
            ("views", Value::Int64(product.views.into())),
            ("first_viewed_at", Value::Int64(product.first_at)),
            ("last_viewed_at", Value::Int64(product.last_at)),
            ("sessions", Value::Int64(i64::try_from(sessions).unwrap_or(i64::MAX))),
        ])
    });
    let mut orders: Vec<_> = person.orders.iter().collect();
    orders.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    let orders = orders.into_iter().map(|order| {
        Value::map([
            ("order_id", Value::string(order.id.as_str())),
            ("product_id", Some(order.product.as_str()).filter(|product| !product.is_empty()).into()),
            ("ordered_at", Value::Int64(order.at)),
        ])
    });
    let signals = lingering(packs, person, profile, SIGNALS_IN_VIEW).into_iter().map(|lingering| {
        Value::map([
            ("signal", Value::string(lingering.signal)),
            ("pack", Value::string(lingering.pack)),
            ("product_id", Value::string(lingering.product)),
            ("session_began_at", Value::Int64(lingering.session_began_at)),
        ])
    });
    let latest = person.sessions.last();
    let consents = match profile.get("consent") {
        Some(given) => given.clone(),
        None => {
            let purposes = packs.iter().map(|pack| pack.consent.as_str());
            let known: BTreeMap<_, _> =
                purposes.filter_map(|purpose| Some((purpose, consent(profile, purpose)?))).collect();
            let known = known.into_iter().map(|(purpose, agreed)| (purpose, Value::Boolean(agreed)));
            if known.len() == 0 { Value::Null } else { Value::map(known) }
        }
    };
    let field = |name: &str| profile.get(name).cloned().unwrap_or(Value::Null);
    Value::map([
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("name", field("name")),
        ("segment", field("segment")),
        ("consent", consents),
        ("profile", profile.clone()),
        ("last_session_id", Some(event.session).filter(|session| !session.is_empty()).into()),
        ("last_seen_at", latest.map(|session| session.last_at).into()),
        ("session_events", Value::Int64(latest.map_or(0, |session| session.events.into()))),
        ("products", Value::Array(products.collect())),
        ("orders", Value::Array(orders.collect())),
        ("signals", Value::Array(signals.collect())),
        ("ruleset_version", packs.single_version().into()),
        ("rulesets", rulesets(packs)),
    ])
}

/// The packs at work, each with its version.
pub(crate) fn rulesets(packs: &Packs) -> Value {
    let named = packs.iter().filter(|pack| !pack.name.is_empty());
    Value::map(named.map(|pack| (pack.name.as_str(), Value::Int64(pack.version))))
}

/// The record that says that a person's data was deleted.
pub(crate) fn forgotten(topic: &Topic, person: &str, at: i64) -> Record {
    record(topic, person, at, Value::Null)
}

/// A record keyed by the person.
pub(crate) fn record(topic: &Topic, person: &str, at: i64, value: Value) -> Record {
    Record::new(Topic::clone(topic), Datum::schemaless(value)).with_key(Datum::schemaless(person)).at(at)
}
