//! Logins: the history of an anonymous person goes to the customer.
//!
//! Their states are in different partitions, so two records go through a topic that the processor both writes and reads: when a
//! customer's event comes from a device for the first time in a session, `identify` asks the anonymous person of the device;
//! that person's state is emptied and goes to the customer as `merge`, in the same transaction. A late anonymous event
//! of before the login is handed over in the same way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bytes::Bytes;
use tributary_api::{Error, Record, Result, Topic, Value};

use crate::event::Event;
use crate::memory::Memory;
use crate::outputs::{record, stable_id};
use crate::person::Person;

/// Asks an anonymous person for the history.
pub(crate) const IDENTIFY: &str = "identify";
/// Brings it to the customer.
pub(crate) const MERGE: &str = "merge";
const HISTORY: &str = "history";
const REMEMBERED: &str = "remembered";

/// How the collector calls the anonymous person of a device.
fn anonymous(device: &str) -> String {
    format!("anon:{device}")
}

/// The record that asks for the history of the device that a customer's event comes from; none if it was asked for in this
/// session.
pub(crate) fn identify(topic: &Topic, event: &Event<'_>, person: &mut Person) -> Option<Record> {
    let (customer, device) = (event.customer?, event.device?);
    if !person.is_new_on(device, event.session) {
        return None;
    }
    let anonymous = anonymous(device);
    let value = Value::map([
        ("event_id", Value::string(stable_id(&[IDENTIFY, &anonymous, event.id]))),
        ("type", Value::string(IDENTIFY)),
        ("person_id", Value::string(anonymous.as_str())),
        ("customer_id", Value::string(customer)),
        ("ts", Value::Int64(event.at)),
        ("received_at", Value::Int64(event.received_at)),
    ]);
    Some(record(topic, &anonymous, event.received_at, value))
}

/// Hands the history of the event's person over to a customer, and what signals remember of them.
pub(crate) fn hand_over(
    topic: &Topic,
    event: &Event<'_>,
    customer: &str,
    (person, remembered): (&mut Person, Option<Bytes>),
) -> Record {
    let value = Value::map([
        ("event_id", Value::string(stable_id(&[MERGE, event.person, event.id]))),
        ("type", Value::string(MERGE)),
        ("person_id", Value::string(customer)),
        ("customer_id", Value::string(customer)),
        ("from", Value::string(event.person)),
        (HISTORY, Value::string(BASE64.encode(person.hand_over().encode()))),
        (REMEMBERED, remembered.map(|bytes| BASE64.encode(bytes)).into()),
        ("ts", Value::Int64(event.at)),
        ("received_at", Value::Int64(event.received_at)),
    ]);
    record(topic, customer, event.received_at, value)
}

/// The history in a `merge`, and what signals remember.
pub(crate) fn history(event: &Event<'_>) -> Result<(Person, Option<Memory>)> {
    let bytes = |name: &str| BASE64.decode(event.value.get(name)?.as_str()?).ok();
    let missing = || Error::data("a record of identity.topic has no history: only the processor writes there");
    let history = Person::decode(&bytes(HISTORY).ok_or_else(missing)?)?;
    Ok((history, bytes(REMEMBERED).and_then(|bytes| Memory::decode(&bytes))))
}
