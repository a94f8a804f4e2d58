//! A process without free file descriptors. The test runs in its own process, whose limit it lowers.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;

use rlimit::Resource;
use support::{ask, never, options, start_with};
use tokio::net::TcpStream;
use tributary_listener::{descriptor_limit, raise_descriptor_limit};

#[tokio::test]
async fn without_descriptors_those_that_wait_give_theirs_up() {
    let (_, hard) = rlimit::getrlimit(Resource::NOFILE).unwrap();
    assert_eq!(raise_descriptor_limit().unwrap(), hard);
    rlimit::setrlimit(Resource::NOFILE, 128, hard).unwrap();
    assert_eq!(descriptor_limit(), 128);
    // Its limit is higher than the descriptors that are left.
    let site = start_with(options(10_000, never()), "127.0.0.1:0").await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(site.connect().await);
    }
    site.until_open(20).await;
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    // Descriptors for this end; the listener has none unless it closes waiting connections.
    drop(files.pop());
    let mut honest = TcpStream::connect(site.address).await.unwrap();
    assert!(ask(&mut honest, "/").await.ends_with("hello"));
}
