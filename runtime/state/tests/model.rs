//! Every store, with its overlay and timers, behaves as a plain map: compared step by step on random histories.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use tributary_api::{Timer, TopicPartition};
use tributary_state::{DiskStore, Layout, MemoryStore, PartitionState, Positions, Slot};

#[derive(Clone, Debug)]
enum Step {
    Put(usize, u8, Option<u8>),
    Schedule(u8, i64),
    Cancel(u8),
    FailedRecord(Vec<(usize, u8, Option<u8>)>),
    Commit,
    Abort,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0..2_usize, 0..6_u8, proptest::option::of(any::<u8>()));
    prop_oneof![
        6 => write.clone().prop_map(|(slot, key, value)| Step::Put(slot, key, value)),
        3 => (0..6_u8, 0..100_i64).prop_map(|(key, at)| Step::Schedule(key, at)),
        2 => (0..6_u8).prop_map(Step::Cancel),
        2 => proptest::collection::vec(write, 1..5).prop_map(Step::FailedRecord),
        3 => Just(Step::Commit),
        1 => Just(Step::Abort),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Default, PartialEq, Debug)]
struct Model {
    values: BTreeMap<(usize, u8), u8>,
    timers: BTreeMap<u8, i64>,
}

impl Model {
    fn put(&mut self, slot: usize, key: u8, value: Option<u8>) {
        match value {
            Some(value) => drop(self.values.insert((slot, key), value)),
            None => drop(self.values.remove(&(slot, key))),
        }
    }
}

fn layout() -> Layout {
    Layout::new(["people".to_owned(), "pages".to_owned()])
}

fn key(key: u8) -> Bytes {
    Bytes::copy_from_slice(&[b'k', key])
}

fn value(value: Option<u8>) -> Option<Bytes> {
    value.map(|value| Bytes::copy_from_slice(&[value]))
}

fn check(steps: &[Step], mut open: impl FnMut() -> PartitionState, durable: bool) {
    let mut state = Some(open());
    let (mut committed, mut seen) = (Model::default(), Model::default());
    let mut offset = 0_i64;
    for step in steps {
        let current = state.as_mut().unwrap();
        match step {
            Step::Put(slot, k, v) => {
                current.put(Slot(*slot), key(*k), value(*v));
                seen.put(*slot, *k, *v);
            }
            Step::Schedule(k, at) => {
                current.schedule(&Timer::new(key(*k), *at, "why"));
                seen.timers.insert(*k, *at);
            }
            Step::Cancel(k) => {
                current.cancel(&key(*k)).unwrap();
                seen.timers.remove(k);
            }
            Step::FailedRecord(writes) => {
                let savepoint = current.savepoint();
                for (slot, k, v) in writes {
                    current.put(Slot(*slot), key(*k), value(*v));
                }
                current.rollback(savepoint);
            }
            Step::Commit => {
                offset += 1;
                let input = [(TopicPartition::new("clicks", 0), offset)].into();
                let positions =
                    Positions { changelog: [("people".to_owned(), offset)].into(), input, ..Positions::default() };
                current.commit(&positions).unwrap();
                assert_eq!(current.positions(), &positions);
                committed = seen.clone();
            }
            Step::Abort => {
                current.abort();
                seen = committed.clone();
            }
            Step::Reopen if durable => {
                drop(state.take());
                state = Some(open());
                seen = committed.clone();
            }
            Step::Reopen => {}
        }
        let current = state.as_ref().unwrap();
        for slot in 0..2 {
            for k in 0..6 {
                let expected = seen.values.get(&(slot, k)).map(|value| vec![*value]);
                assert_eq!(current.get(Slot(slot), &key(k)).unwrap().map(|value| value.to_vec()), expected);
            }
        }
        // Due are the committed timers that were not touched since.
        let touched = |k: &u8| current.changes().any(|(slot, changed, _)| slot == Slot(2) && *changed == key(*k));
        let mut expected: Vec<(i64, Bytes)> =
            committed.timers.iter().filter(|(k, at)| **at <= 50 && !touched(k)).map(|(k, at)| (*at, key(*k))).collect();
        expected.sort();
        let due = current.due(50, usize::MAX).unwrap();
        assert!(due.iter().all(|timer| timer.payload == "why"));
        assert_eq!(due.into_iter().map(|timer| (timer.at, timer.key)).collect::<Vec<_>>(), expected);
        assert_eq!(current.next_timer(), committed.timers.values().min().copied());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn memory_store_is_a_map(steps in proptest::collection::vec(step(), 1..80)) {
        check(&steps, || PartitionState::open(&layout(), Box::new(MemoryStore::new(&layout()))).unwrap(), false);
    }

    #[test]
    fn disk_store_is_a_map_that_outlives_its_owner(steps in proptest::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/0.redb");
        let open = || {
            let store = DiskStore::open(&path, &layout(), 1 << 20).unwrap();
            PartitionState::open(&layout(), Box::new(store)).unwrap()
        };
        check(&steps, open, true);
    }
}
