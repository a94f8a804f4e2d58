//! One client that takes all it may, through a proxy and past it: others are served, and no client's claim is taken for
//! an address but a trusted proxy's.
//!
//! The proxy is this process at 127.0.0.1, which the website trusts; at 127.0.0.2 it is not trusted.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use anyhow::{Context, Result, bail, ensure};
use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tributary_tests::free_port;

use crate::target::LIMIT;
use crate::website::{EVENT, Website, token};

const FORWARDED_FOR: &str = "x-forwarded-for";
const TRUSTED: [(&str, &str); 1] = [("http.trusted.proxies", "127.0.0.1/32")];
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The greedy client, and the modest one.
const GREEDY: &str = "203.0.113.9";
const MODEST: &str = "198.51.100.1";
/// What the greedy client writes into its request itself; the proxy adds whom it has seen.
const DISGUISED: &str = "198.51.100.77, 203.0.113.9";

/// Requests to a website from one peer, for others.
struct Requests<'a> {
    website: &'a Website,
    client: reqwest::Client,
}

impl<'a> Requests<'a> {
    fn of_proxy(website: &'a Website) -> Self {
        Self { website, client: reqwest::Client::new() }
    }

    fn of_stranger(website: &'a Website) -> Result<Self> {
        Ok(Self { website, client: reqwest::Client::builder().local_address(STRANGER).build()? })
    }

    /// A click of a new visitor.
    async fn click(&self, forwarded_for: &str) -> Result<Response> {
        let request = self.client.post(format!("http://{}/collect", self.website.listen)).body(EVENT);
        Ok(request.header(FORWARDED_FOR, forwarded_for).send().await?)
    }

    async fn clicks(&self, count: usize, forwarded_for: &str) -> Result<Vec<StatusCode>> {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(self.click(forwarded_for).await?.status());
        }
        Ok(statuses)
    }

    /// A client that has used up its share is refused before it has had as much again: on a slow machine a part of the share
    /// comes back meanwhile.
    async fn is_refused_within(&self, clicks: usize, forwarded_for: &str) -> Result<()> {
        for _ in 0..clicks {
            let answer = self.click(forwarded_for).await?;
            if answer.status() != StatusCode::OK {
                return refused(&answer);
            }
        }
        bail!("{clicks} more clicks are taken")
    }

    /// A page that listens, as long as the answer is kept.
    async fn page(&self, person: &str, forwarded_for: &str) -> Result<Response> {
        let request = self.client.get(format!("http://{}/events", self.website.listen)).bearer_auth(token(person)?);
        Ok(request.header(FORWARDED_FOR, forwarded_for).send().await?)
    }
}

fn refused(answer: &Response) -> Result<()> {
    ensure!(answer.status() == StatusCode::TOO_MANY_REQUESTS, "{}", answer.status());
    ensure!(answer.headers().contains_key(RETRY_AFTER), "it does not say when to come again");
    Ok(())
}

#[tokio::test]
async fn a_client_that_begins_endless_sessions_uses_up_its_own_share() -> Result<()> {
    const SHARE: usize = 20;
    let mut website = Website::with(&TRUSTED, &[("session.max.new.per.minute", "20")], &[]).await?;
    let (proxy, stranger) = (Requests::of_proxy(&website), Requests::of_stranger(&website)?);
    // A header of a client that is not trusted does not count against other clients.
    assert_eq!(stranger.clicks(3 * SHARE, MODEST).await?, [StatusCode::OK; 3 * SHARE]);
    assert_eq!(proxy.clicks(SHARE, GREEDY).await?, [StatusCode::OK; SHARE]);
    proxy.is_refused_within(SHARE, GREEDY).await?;
    proxy.is_refused_within(SHARE, DISGUISED).await?;
    assert_eq!(proxy.clicks(SHARE, MODEST).await?, [StatusCode::OK; SHARE]);
    assert_eq!(stranger.click(GREEDY).await?.status(), StatusCode::OK, "it is not who it says it is");
    website.holds().await
}

#[tokio::test]
async fn a_client_with_the_maximum_of_pages_does_not_block_others() -> Result<()> {
    let shares = [("subscribers.max.per.client", "8"), ("subscribers.max.per.person", "3")];
    let mut website = Website::with(&TRUSTED, &[], &shares).await?;
    let proxy = Requests::of_proxy(&website);
    let mut held = Vec::new();
    for number in 0..8 {
        held.push(proxy.page(&format!("p-{number}"), GREEDY).await?);
    }
    ensure!(held.iter().all(|page| page.status() == StatusCode::OK), "{held:?}");
    refused(&proxy.page("p-8", GREEDY).await?)?;
    refused(&proxy.page("p-8", DISGUISED).await?)?;
    for _ in 0..3 {
        held.push(proxy.page("modest", MODEST).await?);
    }
    ensure!(held.iter().all(|page| page.status() == StatusCode::OK), "{held:?}");
    refused(&proxy.page("modest", "198.51.100.2").await?)?;
    // A client that leaves frees its place.
    held.clear();
    tributary_tests::wait_until(LIMIT, "a place that was given up", || async {
        proxy.page("p-8", GREEDY).await.is_ok_and(|page| page.status() == StatusCode::OK)
    })
    .await?;
    website.holds().await
}

#[tokio::test]
async fn a_client_with_the_maximum_of_bytes_does_not_block_others() -> Result<()> {
    const SENT: usize = 1_000_000;
    // Four such requests have room, and eight in all.
    let room = [("queue.max.bytes.per.client", "4500000"), ("queue.max.bytes", "9000000")];
    let mut website = Website::with(&TRUSTED, &room, &[]).await?;
    // Of either name there are few enough: it is one client.
    let mut held = Vec::new();
    for forwarded_for in [GREEDY, DISGUISED, GREEDY, DISGUISED, GREEDY, DISGUISED] {
        held.push(begin(&website, forwarded_for, SENT).await?);
    }
    let proxy = Requests::of_proxy(&website);
    let body = format!(r#"[{}]"#, vec![EVENT; 1_000].join(","));
    let request = proxy.client.post(format!("http://{}/collect", website.listen)).body(body);
    let answer = request.header(FORWARDED_FOR, MODEST).send().await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.text().await?);
    let mut statuses = Vec::new();
    for mut request in held {
        let mut status = [0; 12];
        let answer = tokio::time::timeout(LIMIT, request.read_exact(&mut status));
        answer.await.context("a request that does not go on is never answered")??;
        statuses.push(String::from_utf8_lossy(&status).into_owned());
    }
    // For want of room, and those that had it for going no further.
    ensure!(statuses.iter().all(|status| ["HTTP/1.1 429", "HTTP/1.1 408"].contains(&status.as_str())), "{statuses:?}");
    ensure!(statuses.iter().any(|status| status.ends_with("429")), "{statuses:?}");
    website.holds().await
}

#[tokio::test]
async fn a_client_whose_connections_are_all_at_work_gets_no_more_and_keeps_nobody_out() -> Result<()> {
    const MOST: usize = 3;
    // Addresses of the loopback are not counted.
    let Some(own) = another_address() else {
        eprintln!("skipped: this machine has no address but the loopback's");
        return Ok(());
    };
    let port = free_port()?;
    let (everywhere, most) = (format!("0.0.0.0:{port}"), MOST.to_string());
    let both = [("http.listen", everywhere.as_str()), ("http.connections.max.per.address", most.as_str())];
    let mut website = Website::with(&both, &[], &[]).await?;
    website.listen = format!("127.0.0.1:{port}");
    let client = reqwest::Client::new();
    let page = async |number: usize| -> Result<Response> {
        let token = token(&format!("p-{number}"))?;
        Ok(client.get(format!("http://{own}:{port}/events")).bearer_auth(token).send().await?)
    };
    let mut held = Vec::new();
    for number in 0..MOST {
        held.push(page(number).await?);
    }
    ensure!(held.iter().all(|page| page.status() == StatusCode::OK), "{held:?}");
    if let Ok(one_more) = page(MOST).await {
        bail!("one more connection is answered with {}", one_more.status());
    }
    website.holds().await?;
    // Who leaves gives up its place.
    held.clear();
    tributary_tests::wait_until(LIMIT, "a place that was given up", || async {
        page(MOST).await.is_ok_and(|page| page.status() == StatusCode::OK)
    })
    .await?;
    website.holds().await
}

/// An address of this machine that is not of the loopback.
fn another_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only chooses the way.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

/// A request of which all but a few bytes have come.
async fn begin(website: &Website, forwarded_for: &str, bytes: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(&website.listen).await?;
    let head = format!(
        "POST /collect HTTP/1.1\r\nhost: {}\r\n{FORWARDED_FOR}: {forwarded_for}\r\ncontent-length: {}\r\n\r\n",
        website.listen,
        bytes + 10
    );
    stream.write_all(head.as_bytes()).await?;
    // It may be refused before all is sent.
    let _ = stream.write_all(&vec![b' '; bytes]).await;
    Ok(stream)
}
