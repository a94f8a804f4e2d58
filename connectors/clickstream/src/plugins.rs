use tributary_api::Plugin;

use crate::collect::{ClickstreamSource, ClickstreamTask};
use crate::deliver::{DeliveryTask, SessionDelivery};
use crate::http::Listeners;
use crate::{collect, deliver};

/// The source `tributary.ClickstreamSource` and the sink `tributary.SessionDelivery`, which share listeners.
pub fn plugins() -> Vec<Plugin> {
    plugins_on(Listeners::new())
}

/// [`plugins`] with listeners whose addresses the caller can read.
pub fn plugins_on(listeners: Listeners) -> Vec<Plugin> {
    let version = env!("CARGO_PKG_VERSION");
    let [for_source, for_source_task, for_sink, for_sink_task] = [(); 4].map(|()| listeners.clone());
    let source = Plugin::source(
        "tributary.ClickstreamSource",
        version,
        collect::config_def(),
        move || ClickstreamSource::new(for_source.clone()),
        move |cx, config| ClickstreamTask::start(cx, config, for_source_task.clone()),
    );
    let sink = Plugin::sink(
        "tributary.SessionDelivery",
        version,
        deliver::config_def(),
        move || SessionDelivery::new(for_sink.clone()),
        move |cx, config| DeliveryTask::start(cx, config, for_sink_task.clone()),
    );
    vec![
        source.alias("tributary.ClickstreamSourceConnector").doc(collect::DOC),
        sink.alias("tributary.SessionDeliveryConnector")
            .alias("tributary.SessionDeliverySinkConnector")
            .doc(deliver::DOC),
    ]
}
