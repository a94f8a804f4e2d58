use std::sync::Arc;

use tributary_api::Result;
use tributary_kafka::{ClientConfig, DeliveryListener, Producer, ProducerOptions};

use super::Control;

/// A producer that only this task uses: its waits end when the task is asked to stop, and its queue is purged when the
/// task is abandoned.
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

/// Settings of a producer that never drops a record because the broker is unreachable for long, unless the user sets a
/// timeout. As Connect does by default: otherwise an outage would fail every task.
pub(crate) fn without_delivery_timeout(client: ClientConfig) -> ClientConfig {
    client.set_default("delivery.timeout.ms", i32::MAX)
}
