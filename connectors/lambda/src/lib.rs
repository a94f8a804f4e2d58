//! The Lambda sink: records become events of AWS Lambda functions, under the properties of Confluent's and of
//! Nordstrom's sinks.
//!
//! Guarantee: at least once and in order for each partition. A partition has one invocation in flight at a time; an
//! offset is committed when the function has answered and the reports on its record are in their topics. The same
//! records in one event carry the same idempotency key. An invocation is repeated only when the function failed or when
//! it is not known whether it was invoked, never because it takes long.
#![forbid(unsafe_code)]

mod answer;
mod client;
mod config;
mod connector;
mod delivery;
mod http;
mod invoke;
mod item;
mod partition_queue;
mod payload;
mod report;
mod shared;
mod task;
mod throttle;

use tributary_api::{ConfigDef, Plugin};

use self::config::Flavour;
use self::connector::LambdaConnector;
use self::task::LambdaTask;

/// The plugins of this crate.
pub fn plugins() -> Vec<Plugin> {
    let confluent =
        plugin("io.confluent.connect.aws.lambda.AwsLambdaSinkConnector", config::confluent(), Flavour::Confluent);
    let nordstrom =
        plugin("com.nordstrom.kafka.connect.lambda.LambdaSinkConnector", config::nordstrom(), Flavour::Nordstrom);
    vec![
        confluent.alias("tributary.AwsLambdaSink").doc(
            "Invokes AWS Lambda functions with batches of records, in order for each partition, and writes their \
             responses to a topic.",
        ),
        nordstrom.doc("The same sink with the properties of Nordstrom's Lambda sink."),
    ]
}

fn plugin(class: &str, definition: ConfigDef, flavour: Flavour) -> Plugin {
    let connector = move || LambdaConnector::new(flavour);
    let start = move |cx, config| LambdaTask::start(cx, config, flavour);
    Plugin::sink(class, env!("CARGO_PKG_VERSION"), definition, connector, start).pauses_partitions()
}
