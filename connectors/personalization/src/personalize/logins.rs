//! The records of the identity topic.

use bytes::Bytes;
use tributary_api::{Error, Record, Records, Result, TransformContext, Value};

use super::{PEOPLE, PROFILES, Personalize};
use crate::event::Event;
use crate::hash::stable_hash;
use crate::identity;
use crate::memory::Memory;
use crate::outputs;
use crate::person::Person;

impl Personalize {
    /// A record of the identity topic.
    pub(super) fn apply_identity(&self, event: &Event<'_>, cx: &mut TransformContext<'_>) -> Result<Records> {
        let Some(customer) = event.customer else {
            return Err(Error::data("a record of identity.topic has no customer_id: only the processor writes there"));
        };
        let mut person = Self::person(cx, event)?;
        let mut records = Vec::with_capacity(2);
        match event.kind {
            identity::IDENTIFY => {
                if !person.insert_event_id(event.id) {
                    return Ok(Records::None);
                }
                person.seen_at = person.seen_at.max(event.received_at);
                person.logged_in(customer, event.at);
                records = self.hand_over(event, &mut person, customer, cx)?;
            }
            identity::MERGE => {
                let (history, remembered) = identity::history(event)?;
                if !person.merge(stable_hash([event.id]), history, self.session_gap_ms) {
                    return Ok(Records::None);
                }
                person.known = true;
                if let Some(remembered) = remembered {
                    let mut memory = Memory::load(event.person, cx)?;
                    memory.merge(&remembered);
                    memory.store(event.person, cx)?;
                }
                if let Some(topic) = &self.outputs.view {
                    let row = cx.table(PROFILES, customer.as_bytes())?;
                    let view = outputs::view(&self.packs, event, &person, row.map_or(&Value::Null, |row| &row.value));
                    records.push(outputs::record(topic, event.person, event.received_at, view));
                }
            }
            _ => {
                return Err(Error::data(
                    "a record of identity.topic is of an unknown type: only the processor writes there",
                ));
            }
        }
        self.schedule_forgetting(event, &mut person, cx)?;
        cx.put(PEOPLE, Bytes::copy_from_slice(event.person.as_bytes()), Some(person.encode()))?;
        Ok(Records::Many(records))
    }

    /// Moves the history of the event's person to a customer, with what signals remember; the person's own view goes.
    pub(super) fn hand_over(
        &self,
        event: &Event<'_>,
        person: &mut Person,
        customer: &str,
        cx: &mut TransformContext<'_>,
    ) -> Result<Vec<Record>> {
        let Some(topic) = &self.identity else { return Ok(Vec::new()) };
        let key = Memory::key(event.person);
        let remembered = cx.get(PEOPLE, &key)?;
        if remembered.is_some() {
            cx.put(PEOPLE, key, None)?;
        }
        let mut records = vec![identity::hand_over(topic, event, customer, (person, remembered))];
        let forgotten = |topic| outputs::forgotten(topic, event.person, event.received_at);
        records.extend(self.outputs.view.as_ref().map(forgotten));
        Ok(records)
    }
}
