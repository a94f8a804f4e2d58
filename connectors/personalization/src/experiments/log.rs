//! What the transform writes for reports of experiments, all of it keyed by the person.

use tributary_api::{Config, ConfigDef, ConfigKey, ConfigType, Record, Result, Topic, Validator, Value};

use super::Periods;
use crate::decision::{Decision, Reason, variant_of};
use crate::event::{Event, OFFER_SHOWN};
use crate::outputs;
use crate::packs::Packs;
use crate::person::Person;
use crate::rules::RulePack;

pub(super) const TOPIC: &str = "experiments.topic";
/// The kinds of records.
pub(super) const EXPOSURE: &str = "exposure";
pub(super) const SHOWN: &str = "shown";
pub(super) const ORDERED: &str = "order";

/// Where exposures and orders are written, and what is read from an order.
#[derive(Debug)]
pub(crate) struct ExperimentLog {
    topic: Option<Topic>,
    revenue: String,
    margin: String,
    voucher: String,
}

impl ExperimentLog {
    pub(crate) fn define(definition: ConfigDef) -> ConfigDef {
        let field = |name: &str, default: &str, doc: &str| {
            ConfigKey::new(name, ConfigType::String).default(default).doc(format!("Field of an order with {doc}."))
        };
        let definition = definition
            .with(ConfigKey::new(TOPIC, ConfigType::String).default("experiments").doc(
                "Topic of exposures, for the control too, and orders: what reports of experiments are made from. It must \
                 keep records for as long as an experiment lasts. Empty: not written.",
            ))
            .with(field("experiments.revenue.field", "revenue", "what was paid"))
            .with(field("experiments.margin.field", "margin", "what remains of it before vouchers"))
            .with(field("experiments.voucher.field", "voucher_cost", "what the order's voucher cost"));
        Periods::define(definition)
    }

    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            topic: topic(config)?,
            revenue: config.string("experiments.revenue.field")?.to_owned(),
            margin: config.string("experiments.margin.field")?.to_owned(),
            voucher: config.string("experiments.voucher.field")?.to_owned(),
        })
    }

    /// The records of an event of a person and the decision about it.
    pub(crate) fn write(
        &self,
        of: (&Event<'_>, &Person),
        packs: &Packs,
        decision: &Decision<'_>,
        records: &mut Vec<Record>,
    ) {
        let Some(topic) = &self.topic else { return };
        let (event, _) = of;
        let mut push = |value| records.push(outputs::record(topic, event.person, event.received_at, value));
        if event.is_order() {
            push(self.order(event));
        } else if event.kind == OFFER_SHOWN
            && let Some(value) = shown(event, packs)
        {
            push(value);
        }
        for considered in &decision.considered {
            if let Some(value) = exposure(of, *considered, decision) {
                push(value);
            }
        }
    }

    fn order(&self, event: &Event<'_>) -> Value {
        let amount = |path: &str| event.value.path(path).and_then(Value::as_f64).map_or(Value::Null, Value::Float64);
        Value::map([
            ("kind", Value::string(ORDERED)),
            ("order_id", Value::string(event.id)),
            ("person_id", Value::string(event.person)),
            ("customer_id", event.customer.into()),
            ("revenue", amount(&self.revenue)),
            ("margin", amount(&self.margin)),
            ("voucher_cost", amount(&self.voucher)),
            ("at", Value::Int64(event.at)),
        ])
    }
}

pub(super) fn topic(config: &Config) -> Result<Option<Topic>> {
    Ok(config.optional_string(TOPIC)?.filter(|topic| !topic.is_empty()).map(Topic::from))
}

/// An offer with an experiment whose condition held: also when the arm gets nothing (control, holdout), and when there was
/// no voucher left. Otherwise people of the arms would not be compared at the same point.
fn exposure(
    (event, person): (&Event<'_>, &Person),
    (pack, rule, reason): (&RulePack, &str, Reason),
    decision: &Decision<'_>,
) -> Option<Value> {
    if !matches!(reason, Reason::Offer | Reason::Control | Reason::Budget | Reason::Holdout) {
        return None;
    }
    let offer = pack.offers.iter().find(|offer| offer.id == rule)?;
    let experiment = offer.experiment.as_ref()?;
    let variant = match reason {
        Reason::Holdout => None,
        Reason::Budget => variant_of(experiment, event, person),
        _ => decision.chosen.as_ref().and_then(|chosen| chosen.variant),
    };
    let offer_id = (reason == Reason::Offer).then(|| outputs::offer_id(event, rule));
    Some(Value::map([
        ("kind", Value::string(EXPOSURE)),
        ("experiment", Value::string(experiment.key.as_str())),
        ("variant", variant.into()),
        ("reason", Value::string(reason.code())),
        ("rule", Value::string(rule)),
        ("pack", Value::string(pack.name.as_str())),
        ("ruleset_version", Value::Int64(pack.version)),
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("offer_id", offer_id.into()),
        ("at", Value::Int64(event.received_at)),
    ]))
}

/// An offer that a page says it has rendered.
fn shown(event: &Event<'_>, packs: &Packs) -> Option<Value> {
    let field = |name: &str| event.value.get(name).and_then(Value::as_str);
    let rule = field("rule")?;
    let offer = packs.iter().flat_map(|pack| &pack.offers).find(|offer| offer.id == rule)?;
    let experiment = offer.experiment.as_ref()?;
    Some(Value::map([
        ("kind", Value::string(SHOWN)),
        ("experiment", Value::string(experiment.key.as_str())),
        ("rule", Value::string(offer.id.as_str())),
        ("offer_id", field("offer_id").into()),
        ("person_id", Value::string(event.person)),
        ("customer_id", event.customer.into()),
        ("at", Value::Int64(event.received_at)),
    ]))
}

/// The length of a period that a property names, in milliseconds.
pub(super) fn period(name: &str, default: i64, doc: &str) -> ConfigKey {
    ConfigKey::new(name, ConfigType::Long).default(default).validator(Validator::AtLeast(1)).doc(doc)
}
