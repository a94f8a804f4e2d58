//! Personalization: computes signals from a shopper's clicks, and offers from signals and rules.
//!
//! | class | what it does |
//! |---|---|
//! | `tributary.Enrich` | joins a click with the customer's row of a table: adds `profile` |
//! | `tributary.Personalize` | keeps each person's history, computes signals and decides about offers by a rule pack |
//!
//! Decisions are deterministic: they follow from the person's state, the event, the rule pack and the clock value in
//! the record, so that a record processed again after a crash is decided the same way.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod assignment;
mod conditions;
mod decision;
mod enrich;
mod event;
pub mod experiments;
mod expression;
mod hash;
mod identity;
mod memory;
mod outputs;
mod packs;
mod person;
mod personalize;
mod rules;
mod signals;
mod spent;
mod targeting;
mod unleash;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tributary_api::{Factory, Plugin};

pub use rules::RulePack;

/// The transforms of this crate.
pub fn plugins() -> Vec<Plugin> {
    vec![
        Plugin::new(
            "tributary.Enrich",
            env!("CARGO_PKG_VERSION"),
            enrich::definition(),
            Factory::Transformation(Arc::new(|config| Ok(Box::new(enrich::Enrich::new(config)?)))),
        )
        .needs_processor()
        .doc("Joins a record with the row of a table: the row becomes one of its fields."),
        Plugin::new(
            "tributary.Personalize",
            env!("CARGO_PKG_VERSION"),
            personalize::definition(),
            Factory::Transformation(Arc::new(|config| Ok(Box::new(personalize::Personalize::new(config)?)))),
        )
        .needs_processor()
        .answers_requests(|config| Ok(packs::RulesRequests::new(config)))
        .doc("Keeps the history of each person, computes signals from clicks and decides about offers by rules."),
    ]
}
