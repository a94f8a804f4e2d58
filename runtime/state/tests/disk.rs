//! What a state file does when it is reopened, busy, damaged or of another version.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use tributary_api::Timer;
use tributary_state::{DiskStore, Layout, PartitionState, Positions, Slot, Store as _};

const PEOPLE: Slot = Slot(0);

fn layout() -> Layout {
    Layout::new(["people".to_owned()])
}

fn open(path: &Path) -> PartitionState {
    let store = DiskStore::open(path, &layout(), 1 << 20).unwrap();
    PartitionState::open(&layout(), Box::new(store)).unwrap()
}

fn positions(offset: i64) -> Positions {
    Positions { changelog: [("people".to_owned(), offset)].into(), ..Positions::default() }
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn what_was_not_committed_is_gone_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.redb");
    let mut state = open(&path);
    state.put(PEOPLE, bytes("ann"), Some(bytes("1")));
    state.schedule(&Timer::new(bytes("ann"), 7, bytes("p")));
    state.commit(&positions(5)).unwrap();
    state.put(PEOPLE, bytes("ann"), Some(bytes("2")));
    state.cancel(b"ann").unwrap();
    drop(state);

    let state = open(&path);
    assert_eq!(state.get(PEOPLE, b"ann").unwrap().unwrap(), "1");
    assert_eq!(state.positions(), &positions(5));
    assert_eq!(state.next_timer(), Some(7), "timers are armed again");
    assert!(!state.is_changed());
}

#[test]
fn restore_takes_the_last_value_of_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = open(&folder.path().join("0.redb"));
    let log = [("ann", Some("1")), ("bob", Some("1")), ("ann", Some("2")), ("bob", None)];
    let records = log.map(|(key, value)| (PEOPLE, bytes(key), value.map(bytes)));
    state.restore(records.into(), &positions(4)).unwrap();
    assert_eq!(state.get(PEOPLE, b"ann").unwrap().unwrap(), "2");
    assert_eq!(state.get(PEOPLE, b"bob").unwrap(), None);
    assert_eq!(state.positions(), &positions(4));

    state.clear().unwrap();
    assert_eq!(state.get(PEOPLE, b"ann").unwrap(), None);
    assert_eq!(state.positions(), &Positions::default());
}

#[test]
fn second_owner_gets_a_retriable_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.redb");
    let first = DiskStore::open(&path, &layout(), 1 << 20).unwrap();
    let error = DiskStore::open(&path, &layout(), 1 << 20).unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    drop(first);
    DiskStore::open(&path, &layout(), 1 << 20).unwrap();
}

#[test]
fn damaged_file_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.redb");
    fs::write(&path, b"this is no database at all, but it is longer than a header").unwrap();
    let mut store = DiskStore::open(&path, &layout(), 1 << 20).unwrap();
    assert_eq!(store.positions(), &Positions::default());
    store.flush().unwrap();
}

#[test]
fn file_of_another_format_is_made_anew() {
    const META: redb::TableDefinition<'_, &str, &[u8]> = redb::TableDefinition::new("meta");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.redb");
    let mut state = open(&path);
    state.put(PEOPLE, bytes("ann"), Some(bytes("1")));
    state.commit(&positions(5)).unwrap();
    state.flush().unwrap();
    drop(state);

    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(META).unwrap().insert("format", [0xff_u8, 0xff].as_slice()).unwrap();
    write.commit().unwrap();
    drop(database);

    let state = open(&path);
    assert_eq!(state.get(PEOPLE, b"ann").unwrap(), None);
    assert_eq!(state.positions(), &Positions::default());
}

#[test]
fn layout_may_grow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.redb");
    let mut state = open(&path);
    state.put(PEOPLE, bytes("ann"), Some(bytes("1")));
    state.commit(&positions(5)).unwrap();
    drop(state);

    let larger = Layout::new(["people".to_owned(), "pages".to_owned()]);
    let store = DiskStore::open(&path, &larger, 1 << 20).unwrap();
    assert_eq!(store.get(Slot(0), b"ann").unwrap().unwrap(), "1");
    assert_eq!(store.get(Slot(1), b"ann").unwrap(), None);
    assert!(store.get(Slot(3), b"ann").is_err());
}

#[test]
fn state_is_for_the_workers_user_only_and_was_not_always() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/0.redb");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(open(&path));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path));
    assert_eq!(mode(&path), 0o600);
}
