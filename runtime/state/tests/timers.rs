//! Timers that cannot be read.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use tributary_api::Timer;
use tributary_state::{Layout, MemoryStore, PartitionState, Positions};

#[test]
fn damaged_or_newer_timer_is_skipped() {
    let layout = Layout::new(["people".to_owned()]);
    let mut state = PartitionState::open(&layout, Box::new(MemoryStore::new(&layout))).unwrap();
    state.put(layout.timers(), Bytes::from_static(b"damaged"), Some(Bytes::from_static(b"x")));
    state.put(layout.timers(), Bytes::from_static(b"newer"), Some(Bytes::from_static(&[0, 9, 0, 0, 0, 0, 0, 0, 0, 1])));
    state.schedule(&Timer::new("good", 5, ""));
    state.commit(&Positions::default()).unwrap();
    let due: Vec<Bytes> = state.due(10, 10).unwrap().into_iter().map(|timer| timer.key).collect();
    assert_eq!(due, ["good"]);
    state.cancel(b"damaged").unwrap();
    state.commit(&Positions::default()).unwrap();
    assert_eq!(state.get(layout.timers(), b"damaged").unwrap(), None, "it can be removed");
}
