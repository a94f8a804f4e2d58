//! The tracker against a model that keeps everything and looks for the head run each time.

use std::collections::HashMap;

use proptest::prelude::*;
use tributary_api::{Error, OffsetMap, Origin};

use crate::tasks::source::InFlight;
use crate::tasks::source::in_flight::SEQUENCE_BITS;

#[derive(Clone, Debug)]
enum Step {
    Track {
        partition: u8,
        outputs: u32,
    },
    /// One of the outputs that are not acknowledged.
    Acknowledge(prop::sample::Index),
    Take,
    Stored(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..4, 0_u32..3).prop_map(|(partition, outputs)| Step::Track { partition, outputs }),
        4 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
        1 => Just(Step::Take),
        1 => any::<bool>().prop_map(Step::Stored),
    ]
}

/// One in four partitions is made anew each time, with its names in another order: equal, not the same.
fn partition(number: u8, odd: bool) -> OffsetMap {
    let (file, host) = (("file", i64::from(number).into()), ("host", "a".into()));
    if odd { OffsetMap::new([host, file]) } else { OffsetMap::new([file, host]) }
}

#[derive(Default)]
struct Model {
    records: HashMap<u8, Vec<Known>>,
    stored: HashMap<u8, usize>,
    storing: HashMap<u8, usize>,
}

struct Known {
    pending: u32,
}

impl Model {
    fn head_run(&self, partition: u8) -> usize {
        self.records[&partition].iter().take_while(|known| known.pending == 0).count()
    }

    fn waiting(&self) -> usize {
        self.records.keys().map(|partition| self.records[partition].len() - self.head_run(*partition)).sum()
    }

    fn take(&mut self) -> HashMap<u8, usize> {
        let partitions: Vec<u8> = self.records.keys().copied().collect();
        let heads = partitions.into_iter().map(|partition| (partition, self.head_run(partition)));
        let due = heads.filter(|(partition, head)| *head > self.stored.get(partition).copied().unwrap_or_default());
        self.storing = due.collect();
        self.storing.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_acknowledged_head_run_is_storable(steps in prop::collection::vec(step(), 1..200)) {
        let mut tracker = InFlight::new();
        let mut model = Model::default();
        let mut sent: Vec<(u64, u8, usize)> = Vec::new();
        let mut taken = false;
        for (turn, step) in steps.into_iter().enumerate() {
            match step {
                Step::Track { partition: number, outputs } => {
                    let place = model.records.entry(number).or_default().len();
                    let offset = OffsetMap::new([("position", i64::try_from(place + 1).unwrap().into())]);
                    let origin = Origin::source(Some(partition(number, turn % 2 == 0)), Some(offset));
                    let token = tracker.track(origin, outputs, 10);
                    model.records.get_mut(&number).unwrap().push(Known { pending: outputs });
                    sent.extend((0..outputs).map(|_| (token, number, place)));
                }
                Step::Acknowledge(which) if !sent.is_empty() => {
                    let (token, number, place) = sent.swap_remove(which.index(sent.len()));
                    let known = &mut model.records.get_mut(&number).unwrap()[place];
                    known.pending -= 1;
                    let finished = tracker.acknowledge(token, |origin, _| match origin {
                        Origin::Source { offset: Some(offset), .. } => offset.int("position"),
                        _ => None,
                    });
                    let expected = (known.pending == 0).then(|| Some(i64::try_from(place + 1).unwrap()));
                    prop_assert_eq!(finished, expected);
                }
                Step::Take if !taken => {
                    let expected = model.take();
                    let found: HashMap<u8, usize> = tracker.take_storable().into_iter().map(|(partition, offset)| {
                        let number = u8::try_from(partition.int("file").unwrap()).unwrap();
                        (number, usize::try_from(offset.int("position").unwrap()).unwrap())
                    }).collect();
                    prop_assert_eq!(found, expected);
                    taken = true;
                }
                Step::Stored(durable) if taken => {
                    tracker.stored(durable);
                    if durable {
                        let storing = std::mem::take(&mut model.storing);
                        model.stored.extend(storing);
                    }
                    taken = false;
                }
                _ => {}
            }
            prop_assert_eq!(tracker.records(), model.waiting());
        }
        for (token, _, _) in sent {
            tracker.acknowledge(token, |_, _| ());
        }
        prop_assert_eq!((tracker.records(), tracker.bytes()), (0, 0));
    }
}

#[test]
fn records_without_a_source_offset_are_acknowledged_and_never_stored() {
    let mut tracker = InFlight::new();
    let first = tracker.track(Origin::None, 1, 5);
    let second = tracker.track(Origin::source(None, None).tagged(9), 1, 5);
    assert_eq!((tracker.records(), tracker.bytes()), (2, 10));
    let tag = |origin: &Origin, _: Option<Error>| if let Origin::Source { tag, .. } = origin { *tag } else { 0 };
    assert_eq!(tracker.acknowledge(second, tag), Some(9));
    assert_eq!(tracker.acknowledge(second, tag), None, "once");
    assert_eq!(tracker.acknowledge(first, tag), Some(0));
    assert!(tracker.take_storable().is_empty());
    assert_eq!(tracker.records(), 0);
}

#[test]
fn many_partitions_that_come_and_go_are_forgotten() {
    let mut tracker = InFlight::new();
    let mut largest = 0;
    for number in 0..10_000_i64 {
        let partition = OffsetMap::new([("shard", number.into())]);
        let offset = OffsetMap::new([("position", 1.into())]);
        let token = tracker.track(Origin::source(Some(partition), Some(offset)), 1, 1);
        largest = largest.max(token >> SEQUENCE_BITS);
        tracker.acknowledge(token, |_, _| ());
        assert_eq!(tracker.take_storable().len(), 1);
        tracker.stored(true);
    }
    assert!(largest < 2_000, "lanes are used again: {largest}");
}
