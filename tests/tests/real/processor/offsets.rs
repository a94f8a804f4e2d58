//! Offsets of a processor over REST: its state goes with them.

use std::time::Duration;

use tributary_api::OffsetMap;
use tributary_control::{ConnectorOffset, ConnectorOffsets};

use super::broker::Broker;
use super::worker::{InProcess, Setup};
use super::{counted, events};

const WAIT: Duration = Duration::from_secs(120);

fn at(topic: &str, offset: Option<i64>) -> ConnectorOffsets {
    let partition = OffsetMap::new([("kafka_partition", 0_i64.into()), ("kafka_topic", topic.into())]);
    let offset = offset.map(|offset| OffsetMap::new([("kafka_offset", offset.into())]));
    ConnectorOffsets { offsets: vec![ConnectorOffset { partition, offset }] }
}

#[test]
fn offsets_are_reset_with_the_state_and_never_moved_back_alone() {
    let Some(broker) = Broker::find() else { return };
    for store in ["memory", "redb"] {
        let setup = Setup::new(&broker, "reset", 1).set("state.store", store);
        let worker = InProcess::start(&setup);
        broker.send(&setup.input, &events(100, 10));
        setup.wait("outputs", WAIT, || broker.count(&setup.output, true) == 100);
        worker.stop_connector(&at(&setup.input, Some(100)));
        for back in [Some(40), None] {
            let error = worker.alter_offsets(at(&setup.input, back)).unwrap_err().to_string();
            assert!(error.contains("cannot be moved back"), "{error}");
        }
        worker.reset_offsets().unwrap();
        worker.resume();
        setup.wait("outputs again", WAIT, || broker.count(&setup.output, true) == 200);
        let highest = counted(&broker.read(&setup.output, true)).into_iter().map(|(_, _, count)| count).max();
        assert_eq!(highest, Some(10), "{store}: each event is counted once, from an empty state on");
        worker.stop();
    }
}

/// As long as the old one, or longer: only its id shows that it is another topic.
#[test]
fn changelog_that_was_made_anew_is_noticed() {
    let Some(broker) = Broker::find() else { return };
    let setup = Setup::new(&broker, "anew", 1).set("state.store", "redb");
    let worker = InProcess::start(&setup);
    broker.send(&setup.input, &events(20, 2));
    setup.wait("outputs", WAIT, || broker.count(&setup.output, true) == 20);
    worker.stop();
    broker.delete(&setup.changelog());
    broker.create(&setup.changelog(), 1, &[("cleanup.policy", "compact")]);
    let others: Vec<_> = (0..500).map(|_| ("key-1".to_owned(), "70 event-x".to_owned())).collect();
    broker.send(&setup.changelog(), &others);
    let worker = InProcess::start(&setup);
    let more = ["key-0", "key-1"].map(|key| (key.to_owned(), format!("more-{key}")));
    broker.send(&setup.input, &more);
    setup.wait("more outputs", WAIT, || broker.count(&setup.output, true) == 22);
    let counts: Vec<_> = counted(&broker.read(&setup.output, true)).into_iter().skip(20).collect();
    let count = |key: &str| counts.iter().find(|(known, ..)| known == key).map(|(.., count)| *count);
    assert_eq!((count("key-0"), count("key-1")), (Some(1), Some(71)), "the state is the new changelog's");
    worker.stop();
}
