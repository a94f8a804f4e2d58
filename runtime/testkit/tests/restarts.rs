//! Leaks of files and of threads are found.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use tributary_testkit::restarts::{alone, stay_flat};

#[tokio::test]
async fn leaks_are_found() {
    if !alone("leaks_are_found").unwrap() {
        return;
    }
    assert_eq!(stay_flat(50, || async { drop(File::open("/dev/null").unwrap()) }).await, Ok(()));
    let files = Mutex::new(Vec::new());
    let leak = || async { files.lock().unwrap().push(File::open("/dev/null").unwrap()) };
    assert!(stay_flat(50, leak).await.unwrap_err().contains("after them"));
    let threads: Mutex<Vec<JoinHandle<()>>> = Mutex::default();
    let (hold, held) = sync_channel::<()>(0);
    let held = std::sync::Arc::new(Mutex::new(held));
    let leak = || async {
        let held = std::sync::Arc::clone(&held);
        let thread = std::thread::spawn(move || held.lock().unwrap().recv().unwrap_or_default());
        threads.lock().unwrap().push(thread);
    };
    assert!(stay_flat(50, leak).await.unwrap_err().contains("threads"));
    drop(hold);
    for thread in threads.into_inner().unwrap() {
        thread.join().unwrap();
    }
}
