//! From signals to at most one offer, in a fixed order; each step that ends it leaves its reason.

use tributary_api::{Error, Result, Value};

use crate::event::Event;
use crate::expression::{Budget, Variables};
use crate::person::{MAX_EMISSIONS, Person};
use crate::rules::{CONTROL, Offer, OnError, RulePack, Voucher};
use crate::signals::Signals;

/// Why there is an offer, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An offer was made.
    Offer,
    /// The profile does not consent, or is not known.
    Consent,
    /// The browser asks not to be tracked or targeted.
    OptOut,
    /// One of the shop's own people.
    Staff,
    /// Not a person.
    Bot,
    /// The person is kept out of everything, to measure against.
    Holdout,
    /// The rule's condition does not hold.
    NotEligible,
    /// The rule's condition has no value for this event.
    RuleError,
    /// Enough was offered lately.
    Cap,
    /// The experiment's coverage leaves the person out.
    NotInExperiment,
    /// The person is in the experiment's arm that gets nothing.
    Control,
    /// The event waited so long that the offer would have expired.
    Stale,
}

impl Reason {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Consent => "consent",
            Self::OptOut => "opt_out",
            Self::Staff => "staff",
            Self::Bot => "bot",
            Self::Holdout => "holdout",
            Self::NotEligible => "not_eligible",
            Self::RuleError => "rule_error",
            Self::Cap => "cap",
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
    /// The offers that were looked at, by priority, with what became of each.
    pub(crate) considered: Vec<(&'p str, Reason)>,
    /// The offer that was made, or would have been but for the control arm.
    pub(crate) chosen: Option<Chosen<'p>>,
}

#[derive(Debug)]
pub(crate) struct Chosen<'p> {
    pub(crate) offer: &'p Offer,
    pub(crate) variant: Option<&'p str>,
    /// Absent in the control arm.
    pub(crate) voucher: Option<&'p Voucher>,
}

/// What a decision is made from.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) event: &'a Event<'a>,
    pub(crate) profile: &'a Value,
    pub(crate) signals: &'a Signals<'a>,
    /// The clock of the decision: from the record, so that it is the same when the record is processed again.
    pub(crate) at: i64,
    /// The wall clock: only to see that an event is old.
    pub(crate) now: i64,
    /// What the event's rules may take together.
    pub(crate) budget: &'a Budget,
}

/// Decides about one event. An offer counts against the person's caps also when the experiment's control variant
/// withholds it: otherwise rules would fire for the control group more often than for the others.
///
/// # Errors
/// `Data` when a rule with `on_error: dlq` has no value.
pub(crate) fn decide<'p>(pack: &'p RulePack, case: &Case<'_>, person: &mut Person) -> Result<Decision<'p>> {
    if let Some(reason) = suppressed(pack, case) {
        return Ok(Decision { reason, considered: Vec::new(), chosen: None });
    }
    let candidates = pack.by_event.get(case.event.kind).map_or(&[][..], Vec::as_slice);
    let mut considered = Vec::with_capacity(candidates.len());
    for offer in candidates.iter().filter_map(|index| pack.offers.get(*index)) {
        let (reason, chosen) = consider(pack, offer, case, person)?;
        considered.push((offer.id.as_str(), reason));
        if let Some(chosen) = chosen {
            let forget_before = case.at - pack.longest_cap;
            let mut counted = Vec::with_capacity(offer.caps.len());
            for cap in &offer.caps {
                if !counted.contains(&cap.key) {
                    counted.push(cap.key);
                    person.emit(cap.key, case.at, forget_before);
                }
            }
            return Ok(Decision { reason, considered, chosen: Some(chosen) });
        }
    }
    let telling = considered.iter().map(|(_, reason)| *reason).find(|reason| *reason != Reason::NotEligible);
    Ok(Decision { reason: telling.unwrap_or(Reason::NotEligible), considered, chosen: None })
}

/// Consent fails closed: only a clear yes of a known profile counts.
fn suppressed(pack: &RulePack, case: &Case<'_>) -> Option<Reason> {
    let Case { event, profile, .. } = case;
    let profile_says = |path: &str| profile.path(path).and_then(Value::as_bool) == Some(true);
    let refused = event.value.path(&format!("consent.{}", pack.consent)).and_then(Value::as_bool) == Some(false);
    if refused || ["gpc", "dnt", "consent.gpc", "consent.dnt"].into_iter().any(|path| event.flag(path)) {
        return Some(Reason::OptOut);
    }
    if !profile_says(&format!("consent.{}", pack.consent)) {
        return Some(Reason::Consent);
    }
    if profile_says("staff") {
        return Some(Reason::Staff);
    }
    event.flag("bot").then_some(Reason::Bot)
}

fn consider<'p>(
    pack: &RulePack,
    offer: &'p Offer,
    case: &Case<'_>,
    person: &Person,
) -> Result<(Reason, Option<Chosen<'p>>)> {
    let Case { event, profile, signals, at, now, budget } = case;
    if offer.holdout.as_ref().is_some_and(|holdout| holdout.holds(event.person)) {
        return Ok((Reason::Holdout, None));
    }
    match offer.when.evaluate(&Variables { event: event.value, profile, signals, now: *at, budget }) {
        Ok(true) => {}
        Ok(false) => return Ok((Reason::NotEligible, None)),
        Err(_) if offer.on_error == OnError::Skip => return Ok((Reason::RuleError, None)),
        Err(error) => return Err(within(error, offer)),
    }
    if at + offer.expires_in <= *now {
        return Ok((Reason::Stale, None));
    }
    let kept = person.emissions.iter().filter(|emission| emission.at > at - pack.longest_cap).count();
    let full = !offer.caps.is_empty() && kept + offer.caps.len() > MAX_EMISSIONS;
    if full || offer.caps.iter().any(|cap| person.emissions_since(cap.key, at - cap.per) >= cap.max) {
        return Ok((Reason::Cap, None));
    }
    let variant = match &offer.experiment {
        None => None,
        Some(experiment) => match experiment.variant(event.person) {
            Some(variant) => Some(variant),
            None => return Ok((Reason::NotInExperiment, None)),
        },
    };
    if variant == Some(CONTROL) {
        return Ok((Reason::Control, Some(Chosen { offer, variant, voucher: None })));
    }
    let voucher = offer.voucher(variant);
    Ok((Reason::Offer, Some(Chosen { offer, variant, voucher })))
}

#[cold]
fn within(error: Error, offer: &Offer) -> Error {
    error.context(format!("rule {}", offer.id))
}
