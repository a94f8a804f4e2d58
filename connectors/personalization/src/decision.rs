//! Decides from signals about at most one offer, in fixed steps; the step that rules an offer out gives the reason.

use tributary_api::{Error, Result, Value};

use crate::event::Event;
use crate::expression::{Budget, Variables};
use crate::hash::stable_hash;
use crate::packs::Packs;
use crate::person::{Exposure, MAX_EMISSIONS, Person};
use crate::rules::{CONTROL, Experiment, Offer, OnError, RulePack, Voucher};
use crate::signals::Signals;
use crate::spent::Spent;

/// Why there is an offer, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An offer was made.
    Offer,
    /// The offer, its pack or everything is switched off.
    SwitchedOff,
    /// The profile does not consent, or is not known.
    Consent,
    /// The browser asks not to be tracked or targeted.
    OptOut,
    /// An employee of the shop.
    Staff,
    /// A bot.
    Bot,
    /// The person is in the holdout group, which gets no offers, as a baseline.
    Holdout,
    /// The rule's condition does not hold.
    NotEligible,
    /// It is before or after the times of the offer's schedule.
    NotScheduled,
    /// The rule's condition has no value for this event.
    RuleError,
    /// A frequency cap is reached.
    Cap,
    /// The vouchers of this period are spent.
    Budget,
    /// The person is outside the experiment's coverage.
    NotInExperiment,
    /// The person is in the experiment's control variant.
    Control,
    /// The event waited so long that the offer would have expired.
    Stale,
}

impl Reason {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::SwitchedOff => "switched_off",
            Self::NotScheduled => "not_scheduled",
            Self::Consent => "consent",
            Self::OptOut => "opt_out",
            Self::Staff => "staff",
            Self::Bot => "bot",
            Self::Holdout => "holdout",
            Self::NotEligible => "not_eligible",
            Self::RuleError => "rule_error",
            Self::Cap => "cap",
            Self::Budget => "budget",
            Self::NotInExperiment => "not_in_experiment",
            Self::Control => "control",
            Self::Stale => "stale",
        }
    }
}

/// What was decided about one event.
#[derive(Debug)]
pub(crate) struct Decision<'p> {
    pub(crate) reason: Reason,
    /// The pack that the reason is of.
    pub(crate) pack: Option<&'p RulePack>,
    /// The offers considered, by priority, each with its pack and its result.
    pub(crate) considered: Vec<(&'p RulePack, &'p str, Reason)>,
    /// The offer that was made, or that the control variant withheld.
    pub(crate) chosen: Option<ChosenOffer<'p>>,
}

impl Decision<'_> {
    /// Whether it stands for the signals of a pack: an offer was made, or those of the pack are withheld for as long as an
    /// experiment lasts. What else stands against an offer may go away while the shopper still lingers.
    pub(crate) fn is_final_for(&self, pack: &RulePack) -> bool {
        let is_withheld = |reason: Reason| [Reason::Holdout, Reason::NotInExperiment].contains(&reason);
        match self.reason {
            _ if self.chosen.is_some() => true,
            // Nothing was considered because of it.
            Reason::SwitchedOff | Reason::Consent | Reason::OptOut | Reason::Staff | Reason::Bot
                if self.considered.is_empty() =>
            {
                false
            }
            _ => {
                let mut of_pack = self.considered.iter().filter(|(of, ..)| of.name == pack.name);
                of_pack.all(|(_, _, reason)| is_withheld(*reason))
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct ChosenOffer<'p> {
    pub(crate) pack: &'p RulePack,
    pub(crate) offer: &'p Offer,
    pub(crate) variant: Option<&'p str>,
    /// In the control variant, which gets nothing.
    pub(crate) withheld: bool,
    pub(crate) voucher: Option<&'p Voucher>,
}

/// The input of a decision.
#[derive(Debug)]
pub(crate) struct DecisionInput<'a> {
    pub(crate) event: &'a Event<'a>,
    pub(crate) profile: &'a Value,
    /// The row of the event's product, if there is a table of products.
    pub(crate) product: &'a Value,
    /// Of each pack, in their order.
    pub(crate) signals: &'a [Signals<'a>],
    /// The clock of the decision: from the record, so that it is the same when the record is processed again.
    pub(crate) at: i64,
    /// The wall clock, used only to recognise an old event.
    pub(crate) now: i64,
    /// What was spent of the budgets of vouchers.
    pub(crate) spent: &'a Spent,
    /// The evaluation budget of all rules for this event.
    pub(crate) budget: &'a Budget,
}

/// Decides about one event. An offer counts against the person's caps also when the experiment's control variant
/// withholds it: otherwise rules would fire for the control group more often than for the others.
///
/// # Errors
/// `Data` when a rule with `on_error: dlq` has no value.
pub(crate) fn decide<'p>(packs: &'p Packs, input: &DecisionInput<'_>, person: &mut Person) -> Result<Decision<'p>> {
    let first = || packs.candidates(input.event.kind).map(|(_, pack, _)| pack).next().or_else(|| packs.first());
    if packs.switches.is_all_off() {
        return Ok(Decision { reason: Reason::SwitchedOff, pack: first(), considered: Vec::new(), chosen: None });
    }
    let suppressed: Vec<Option<Reason>> = packs.iter().map(|pack| suppressed(pack, input, person)).collect();
    if suppressed.iter().all(Option::is_some) {
        let pack = first();
        let reason = pack.and_then(|pack| self::suppressed(pack, input, person)).unwrap_or(Reason::NotEligible);
        return Ok(Decision { reason, pack, considered: Vec::new(), chosen: None });
    }
    let mut considered = Vec::new();
    for (index, pack, offer) in packs.candidates(input.event.kind).filter(|_| !input.event.is_forged()) {
        let (reason, chosen) = match suppressed.get(index).copied().flatten() {
            Some(reason) => (reason, None),
            None => consider(Candidate { packs, pack, index, offer }, input, person)?,
        };
        considered.push((pack, offer.id.as_str(), reason));
        if let Some(chosen) = chosen {
            if let (Some(experiment), Some(variant)) = (&offer.experiment, chosen.variant) {
                let variant = stable_hash([variant]);
                person.expose(Exposure { experiment: experiment.hash, variant, at: input.at });
            }
            let forget_before = input.at - packs.longest_cap;
            let mut counted = Vec::with_capacity(offer.caps.len());
            for cap in &offer.caps {
                if !counted.contains(&cap.key) {
                    counted.push(cap.key);
                    person.emit(cap.key, input.at, forget_before);
                }
            }
            return Ok(Decision { reason, pack: Some(pack), considered, chosen: Some(chosen) });
        }
    }
    let reported = considered.iter().find(|(_, _, reason)| *reason != Reason::NotEligible);
    let (reason, pack) =
        reported.map_or_else(|| (Reason::NotEligible, first()), |(pack, _, reason)| (*reason, Some(*pack)));
    Ok(Decision { reason, pack, considered, chosen: None })
}

/// An offer to consider.
struct Candidate<'p> {
    packs: &'p Packs,
    pack: &'p RulePack,
    /// The index of its pack.
    index: usize,
    offer: &'p Offer,
}

/// What a profile says of a purpose: `consent.PURPOSE`, or without it `PURPOSE_consent`, a column of a database's table.
pub(crate) fn consent(profile: &Value, purpose: &str) -> Option<bool> {
    let nested = profile.path(&format!("consent.{purpose}")).filter(|consent| !consent.is_null());
    nested.or_else(|| profile.get(&format!("{purpose}_consent"))).and_then(Value::as_bool)
}

/// Consent fails closed: only an explicit consent counts, of a customer that in the profile, of anybody else that given on
/// this device. What was withdrawn on a device counts for customers too.
fn suppressed(pack: &RulePack, input: &DecisionInput<'_>, person: &Person) -> Option<Reason> {
    let DecisionInput { event, profile, .. } = input;
    let profile_says = |path: &str| profile.path(path).and_then(Value::as_bool) == Some(true);
    let refused = event.value.path(&format!("consent.{}", pack.consent)).and_then(Value::as_bool) == Some(false);
    if refused || ["gpc", "dnt", "consent.gpc", "consent.dnt"].into_iter().any(|path| event.flag(path)) {
        return Some(Reason::OptOut);
    }
    let said = person.consent(&pack.consent);
    let agreed = if event.customer.is_some() { consent(profile, &pack.consent) } else { said };
    if agreed != Some(true) || said == Some(false) {
        return Some(Reason::Consent);
    }
    if profile_says("staff") {
        return Some(Reason::Staff);
    }
    event.flag("bot").then_some(Reason::Bot)
}

fn consider<'p>(
    candidate: Candidate<'p>,
    input: &DecisionInput<'_>,
    person: &Person,
) -> Result<(Reason, Option<ChosenOffer<'p>>)> {
    let Candidate { packs, pack, index, offer } = candidate;
    let DecisionInput { event, profile, product, signals, at, now, budget, spent } = input;
    let Some(signals) = signals.get(index) else { return Ok((Reason::NotEligible, None)) };
    if packs.switches.is_off(&pack.name, &offer.id) {
        return Ok((Reason::SwitchedOff, None));
    }
    if !offer.schedule.contains(at) {
        return Ok((Reason::NotScheduled, None));
    }
    match offer.when.evaluate(&Variables { event: event.value, profile, product, signals, now: *at, budget }) {
        Ok(true) => {}
        Ok(false) => return Ok((Reason::NotEligible, None)),
        Err(_) if offer.on_error == OnError::Skip => return Ok((Reason::RuleError, None)),
        Err(error) => return Err(within(error, offer)),
    }
    if at + offer.expires_in <= *now {
        return Ok((Reason::Stale, None));
    }
    let kept = person.emissions.iter().filter(|emission| emission.at > at - packs.longest_cap).count();
    let full = !offer.caps.is_empty() && kept + offer.caps.len() > MAX_EMISSIONS;
    if full || offer.caps.iter().any(|cap| person.emissions_since(cap.key, at - cap.per) >= cap.max) {
        return Ok((Reason::Cap, None));
    }
    // At the point where others get the offer: reports compare the holdout with them.
    if offer.holdout.as_ref().is_some_and(|holdout| holdout.is_held_out(event.person)) {
        return Ok((Reason::Holdout, None));
    }
    if offer.experiment.as_ref().is_some_and(|experiment| !experiment.targets(event.person, profile)) {
        return Ok((Reason::NotInExperiment, None));
    }
    let variant = match &offer.experiment {
        None => None,
        Some(experiment) => match variant_of(experiment, event, person) {
            Some(variant) => Some(variant),
            None => return Ok((Reason::NotInExperiment, None)),
        },
    };
    if variant == Some(CONTROL) {
        return Ok((Reason::Control, Some(ChosenOffer { pack, offer, variant, withheld: true, voucher: None })));
    }
    if spent.is_exhausted(offer) {
        return Ok((Reason::Budget, None));
    }
    let voucher = offer.voucher(variant);
    Ok((Reason::Offer, Some(ChosenOffer { pack, offer, variant, withheld: false, voucher })))
}

/// The variant of a person; none for who takes no part.
pub(crate) fn variant_of<'p>(experiment: &'p Experiment, event: &Event<'_>, person: &Person) -> Option<&'p str> {
    first_variant(experiment, person).or_else(|| experiment.variant(event.person))
}

/// The variant that the person was in first, perhaps before logging in: they stay in it.
fn first_variant<'p>(experiment: &'p Experiment, person: &Person) -> Option<&'p str> {
    let variant = person.exposure(experiment.hash)?;
    experiment.variants.iter().map(String::as_str).find(|name| stable_hash([*name]) == variant)
}

#[cold]
fn within(error: Error, offer: &Offer) -> Error {
    error.context(format!("rule {}", offer.id))
}
