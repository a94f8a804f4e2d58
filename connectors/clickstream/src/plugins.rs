use std::sync::Arc;

use tributary_api::{Factory, Plugin, SinkFactory, SourceFactory};

use crate::collect::{ClickstreamSource, ClickstreamTask};
use crate::deliver::{DeliveryTask, SessionDelivery};
use crate::http::Listeners;
use crate::{collect, deliver};

/// The source `tributary.ClickstreamSource` and the sink `tributary.SessionDelivery`, which share listeners.
pub fn plugins() -> Vec<Plugin> {
    plugins_on(Listeners::new())
}

/// [`plugins`] on listeners that the caller can ask for their addresses.
pub fn plugins_on(listeners: Listeners) -> Vec<Plugin> {
    let [for_source, for_source_task, for_sink, for_sink_task] = [(); 4].map(|()| listeners.clone());
    let source = SourceFactory {
        connector: Arc::new(move || Box::new(ClickstreamSource::new(for_source.clone()))),
        task: Arc::new(move || Box::new(ClickstreamTask::new(for_source_task.clone()))),
        task_class: "tributary.ClickstreamSourceTask".to_owned(),
    };
    let sink = SinkFactory {
        connector: Arc::new(move || Box::new(SessionDelivery::new(for_sink.clone()))),
        task: Arc::new(move || Box::new(DeliveryTask::new(for_sink_task.clone()))),
        task_class: "tributary.SessionDeliveryTask".to_owned(),
    };
    vec![
        Plugin::new("tributary.ClickstreamSource", collect::config_def(), Factory::Source(source))
            .alias("tributary.ClickstreamSourceConnector")
            .doc(collect::DOC),
        Plugin::new("tributary.SessionDelivery", deliver::config_def(), Factory::Sink(sink))
            .alias("tributary.SessionDeliveryConnector")
            .alias("tributary.SessionDeliverySinkConnector")
            .doc(deliver::DOC),
    ]
}
