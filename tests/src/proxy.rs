use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::kafka::Kafka;

/// A real broker behind a proxy in this process. By its rules the proxy delays one client's produce requests, or answers
/// them instead of the broker; all other requests pass.
#[derive(Debug)]
pub struct KafkaProxy {
    kafka: Kafka,
    rules: Arc<Rules>,
    /// Ends with it.
    _serving: JoinSet<()>,
}

/// The API keys of Produce and Metadata.
const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
/// From this version on it is flexible: lengths are encoded differently.
const FLEXIBLE: i16 = 9;
const FRAMES: usize = 1_000;
const STEP: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct Rules(Mutex<Rule>);

#[derive(Debug, Default)]
struct Rule {
    /// Whose requests: a `client.id`.
    client: String,
    holds: bool,
    /// So many requests to write may pass although others are held.
    passes: usize,
    arrived: usize,
    answered: usize,
    refused: usize,
    /// The first request of each connection gets this error for an answer, once the broker has served it.
    error: Option<i16>,
    /// Only those of connections that were there before the rule.
    only_earlier: bool,
    /// How many rules there have been.
    number: usize,
}

impl KafkaProxy {
    /// Starts the broker.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let advertised = format!("PLAINTEXT://{}", listener.local_addr()?);
        let kafka = Kafka::start_with(&[("advertised.listeners", &advertised)]).await?;
        let rules = Arc::<Rules>::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, kafka.bootstrap(), Arc::clone(&rules)));
        Ok(Self { kafka, rules, _serving: serving })
    }

    /// The bootstrap address for clients: the broker advertises this proxy.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// From now on this client's requests to write wait, and so do its questions where topics are.
    pub fn hold(&self, client: &str) {
        *self.rules.lock() = Rule { client: client.to_owned(), holds: true, ..Rule::default() };
    }

    /// From now on the first request to write on each connection of this client is answered with an error of Kafka's.
    pub fn refuse(&self, client: &str, error: i16) {
        self.refuse_where(client, error, false);
    }

    /// [`refuse`](Self::refuse), but only on the connections that the client has by now.
    pub fn refuse_once(&self, client: &str, error: i16) {
        self.refuse_where(client, error, true);
    }

    fn refuse_where(&self, client: &str, error: i16, only_earlier: bool) {
        let mut rule = self.rules.lock();
        let number = rule.number + 1;
        *rule = Rule { client: client.to_owned(), error: Some(error), only_earlier, number, ..Rule::default() };
    }

    /// So many more requests to write may pass.
    pub fn pass(&self, requests: usize) {
        self.rules.lock().passes += requests;
    }

    /// All may pass.
    pub fn let_through(&self) {
        let mut rule = self.rules.lock();
        (rule.holds, rule.error) = (false, None);
    }

    /// The client's requests to write that have come since there is a rule.
    pub fn arrived(&self) -> usize {
        self.rules.lock().arrived
    }

    /// Those of them that the broker has answered.
    pub fn answered(&self) -> usize {
        self.rules.lock().answered
    }

    /// Those of them whose answer was an error of this proxy's.
    pub fn refused(&self) -> usize {
        self.rules.lock().refused
    }
}

impl Rules {
    fn lock(&self) -> MutexGuard<'_, Rule> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_pass(&self, writes: bool) -> bool {
        let mut rule = self.lock();
        if !rule.holds || !writes {
            return !rule.holds;
        }
        let passes = rule.passes.checked_sub(1);
        rule.passes = passes.unwrap_or(0);
        passes.is_some()
    }
}

/// A request that a rule applies to, until it is answered.
struct Request {
    correlation: [u8; 4],
    version: i16,
    writes: bool,
    error: Option<i16>,
}

async fn serve(listener: TcpListener, broker: String, rules: Arc<Rules>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&broker).await else { continue };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let (frames, read) = mpsc::channel(FRAMES);
        let (requests, waiting) = mpsc::channel(FRAMES);
        connections.spawn(receive(from_client, Arc::clone(&rules), frames));
        connections.spawn(forward(read, to_server, Arc::clone(&rules), requests));
        connections.spawn(answer(from_server, to_client, Arc::clone(&rules), waiting));
    }
}

/// Reads requests ahead, to know which of them wait.
async fn receive(mut client: OwnedReadHalf, rules: Arc<Rules>, frames: mpsc::Sender<(Vec<u8>, Option<Request>)>) {
    let (mut refused, known_at) = (false, rules.lock().number);
    while let Some(frame) = read(&mut client).await {
        let request = {
            let mut rule = rules.lock();
            let known = !rule.client.is_empty() && name(&frame) == rule.client.as_bytes();
            let writes = number(&frame, 0) == PRODUCE;
            (known && (writes || number(&frame, 0) == METADATA)).then(|| {
                rule.arrived += usize::from(writes);
                let applies = !rule.only_earlier || known_at < rule.number;
                let error = rule.error.filter(|_| writes && !refused && applies);
                refused |= error.is_some();
                let correlation = [frame[4], frame[5], frame[6], frame[7]];
                Request { correlation, version: number(&frame, 2), writes, error }
            })
        };
        if frames.send((frame, request)).await.is_err() {
            return;
        }
    }
}

async fn forward(
    mut frames: mpsc::Receiver<(Vec<u8>, Option<Request>)>,
    mut server: OwnedWriteHalf,
    rules: Arc<Rules>,
    requests: mpsc::Sender<Request>,
) {
    while let Some((frame, request)) = frames.recv().await {
        if let Some(request) = request {
            while !rules.may_pass(request.writes) {
                tokio::time::sleep(STEP).await;
            }
            if requests.send(request).await.is_err() {
                return;
            }
        }
        if write(&mut server, &frame).await.is_none() {
            return;
        }
    }
}

async fn answer(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    rules: Arc<Rules>,
    mut requests: mpsc::Receiver<Request>,
) {
    let mut next = None;
    while let Some(mut frame) = read(&mut server).await {
        if next.is_none() {
            next = requests.try_recv().ok();
        }
        if let Some(request) = next.take_if(|request| frame.starts_with(&request.correlation)) {
            if let Some(error) = request.error {
                let place = error_of_the_first_partition(&frame, request.version);
                frame[place..place + 2].copy_from_slice(&error.to_be_bytes());
            }
            let mut rule = rules.lock();
            rule.answered += usize::from(request.writes);
            rule.refused += usize::from(request.error.is_some());
        }
        if write(&mut client, &frame).await.is_none() {
            return;
        }
    }
}

/// The frame without its length; none at the end.
async fn read(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut frame = vec![0; length as usize];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn write(to: &mut OwnedWriteHalf, frame: &[u8]) -> Option<()> {
    to.write_u32(u32::try_from(frame.len()).ok()?).await.ok()?;
    to.write_all(frame).await.ok()
}

fn number(frame: &[u8], at: usize) -> i16 {
    i16::from_be_bytes([frame[at], frame[at + 1]])
}

/// The client's id: after the request's number, version and correlation id.
fn name(frame: &[u8]) -> &[u8] {
    let length = usize::try_from(number(frame, 8)).unwrap_or(0);
    &frame[10..10 + length]
}

/// After the correlation id: topics, each with its name and partitions, each with its number and error. In a flexible
/// version the lengths before them take one byte, for the names and counts that tests have.
fn error_of_the_first_partition(frame: &[u8], version: i16) -> usize {
    if version >= FLEXIBLE {
        let topic = 4 + 1 + 1;
        topic + usize::from(frame[topic]) + 1 + 4
    } else {
        let topic = 4 + 4;
        topic + 2 + usize::try_from(number(frame, topic)).unwrap_or(0) + 4 + 4
    }
}
