use std::sync::Arc;

use tributary_api::Result;
use tributary_kafka::{ClientConfig, DeliveryListener, Producer, ProducerOptions};

use super::Control;

/// A producer that a task has for itself: its waits end when the task is asked to stop, and what it holds is dropped when
/// the task is abandoned.
///
/// # Errors
/// `Config` when a setting cannot be used.
pub(crate) fn own_producer(
    control: &Control,
    client: ClientConfig,
    listener: Arc<dyn DeliveryListener>,
) -> Result<Arc<Producer>> {
    let options = ProducerOptions { stop: control.stopping().clone(), ..ProducerOptions::default() };
    let producer = Arc::new(Producer::with_options(&without_delivery_timeout(client), listener, options)?);
    control.on_abandon(&producer, Producer::purge);
    Ok(producer)
}

/// A producer that never gives a record up because the broker is away for long, unless the user has said otherwise.
/// Connect's own default, and the only one that keeps a task alive through an outage.
pub(crate) fn without_delivery_timeout(client: ClientConfig) -> ClientConfig {
    client.set_default("delivery.timeout.ms", i32::MAX)
}
