//! Budgets of vouchers. Each input partition has its share of one, so that they are never overspent however many tasks there
//! are, without asking each other; what a partition does not spend is not spent elsewhere. What was spent is state, in the same
//! transaction as the offer.

use std::collections::BTreeMap;

use bytes::Bytes;
use tributary_api::{Result, TransformContext};

use crate::event::Event;
use crate::packs::Packs;
use crate::personalize::PEOPLE;
use crate::rules::{Budget, Offer};

/// No person's id holds a NUL.
const KEY: &str = "\0budget\0";

/// What the partition of an event has spent, of the offers that the event may get.
#[derive(Debug, Default)]
pub(crate) struct Spent(BTreeMap<String, Counter>);

#[derive(Clone, Copy, Debug)]
struct Counter {
    /// The number of the period since the epoch.
    period: i64,
    vouchers: i64,
    /// The share of the partition.
    share: i64,
}

impl Spent {
    pub(crate) fn load(packs: &Packs, event: &Event<'_>, cx: &mut TransformContext<'_>) -> Result<Self> {
        let mut counters = BTreeMap::new();
        for (_, _, offer) in packs.candidates(event.kind) {
            let Some(budget) = offer.budget else { continue };
            let now = event.received_at.div_euclid(budget.per);
            let stored = cx.get(PEOPLE, &key(offer))?.and_then(|bytes| read(&bytes));
            // What comes late counts with what came before it, or it would begin a period again.
            let (period, vouchers) = stored.filter(|(period, _)| *period >= now).unwrap_or((now, 0));
            let counter = Counter { period, vouchers, share: share(budget, cx.partition()) };
            counters.insert(offer.id.clone(), counter);
        }
        Ok(Self(counters))
    }

    pub(crate) fn is_exhausted(&self, offer: &Offer) -> bool {
        self.0.get(&offer.id).is_some_and(|counter| counter.vouchers >= counter.share)
    }

    /// Counts one more voucher.
    pub(crate) fn spend(&mut self, offer: &Offer, cx: &mut TransformContext<'_>) -> Result<()> {
        let Some(counter) = self.0.get_mut(&offer.id) else { return Ok(()) };
        counter.vouchers += 1;
        cx.put(PEOPLE, key(offer), Some(Bytes::from(format!("{} {}", counter.period, counter.vouchers))))
    }
}

fn key(offer: &Offer) -> Bytes {
    Bytes::from(format!("{KEY}{}", offer.id))
}

/// The period and what was spent in it.
fn read(bytes: &[u8]) -> Option<(i64, i64)> {
    let (period, vouchers) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some((period.parse().ok()?, vouchers.parse().ok()?))
}

/// The part of one of so many partitions; the first ones have one more where it cannot be divided.
fn share(budget: Budget, (partition, partitions): (i32, i32)) -> i64 {
    let (partition, partitions) = (i64::from(partition), i64::from(partitions.max(1)));
    budget.vouchers / partitions + i64::from(partition < budget.vouchers % partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_budget() {
        for (vouchers, partitions) in [(500, 6), (5, 6), (5000, 1), (7, 3)] {
            let budget = Budget { vouchers, per: 1 };
            let sum: i64 = (0..partitions).map(|partition| share(budget, (partition, partitions))).sum();
            assert_eq!(sum, vouchers, "{partitions} partitions");
        }
    }
}
