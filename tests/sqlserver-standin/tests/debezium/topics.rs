//! What is in Kafka's topics, read by Kafka's own consumer in a JVM beside (Tail.java).

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::rig;

/// How long a test waits for what it expects.
pub(crate) const WAIT_LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) key: Value,
    /// Null for a tombstone.
    pub(crate) value: Value,
}

pub(crate) struct Topics {
    shared: Arc<Shared>,
    marks: Mutex<(u64, ChildStdin)>,
}

#[derive(Default)]
struct Shared {
    read: Mutex<Read>,
    more: Condvar,
}

#[derive(Default)]
struct Read {
    topics: HashMap<String, Vec<Record>>,
    /// The highest mark that is reached.
    mark: u64,
}

impl Topics {
    /// Reads all topics of a broker from now on, from their starts.
    pub(crate) fn follow(bootstrap: &str) -> Topics {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debezium/Tail.java");
        let mut child = Command::new("java")
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(rig::fetched("kafka.sh").join("libs/*"))
            .arg(source)
            .arg(bootstrap)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).for_each(|line| reader.take(&line));
            child.wait()
        });
        Topics { shared, marks: Mutex::new((0, input)) }
    }

    /// Waits until a topic's records are as wanted: those that are there then.
    pub(crate) fn wait(&self, topic: &str, wanted: impl Fn(&[Record]) -> bool) -> Vec<Record> {
        let deadline = Instant::now() + WAIT_LIMIT;
        let mut read = self.shared.lock();
        loop {
            let records = read.topics.get(topic).map_or(&[] as &[Record], Vec::as_slice);
            if wanted(records) {
                return records.to_vec();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{topic} does not hold what is waited for, {}", shown(records));
            read = self.shared.more.wait_timeout(read, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All that is in a topic now.
    pub(crate) fn all(&self, topic: &str) -> Vec<Record> {
        let mark = {
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            let (mark, input) = &mut *marks;
            *mark += 1;
            writeln!(input, "{mark}").unwrap();
            *mark
        };
        let waiting = self.shared.more.wait_timeout_while(self.shared.lock(), WAIT_LIMIT, |read| read.mark < mark);
        let (read, timeout) = waiting.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the reader of the topics makes no progress");
        read.topics.get(topic).cloned().unwrap_or_default()
    }
}

impl Shared {
    /// A test that fails may have held it.
    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, line: &str) {
        let mut read = self.lock();
        let parts: Vec<&str> = line.split('\t').collect();
        match parts[..] {
            [topic, _, _, key, value] => {
                let record = Record { key: parsed(key), value: parsed(value) };
                read.topics.entry(topic.to_owned()).or_default().push(record);
            }
            // Marks are answered in their order.
            [mark] => read.mark = mark.parse().unwrap(),
            _ => panic!("not a line of Tail.java: {line}"),
        }
        self.more.notify_all();
    }
}

impl Record {
    /// c, r, u or d; nothing for a tombstone.
    pub(crate) fn op(&self) -> &str {
        self.value["op"].as_str().unwrap_or("")
    }

    /// A change as `[op, before, after]`; null for a tombstone.
    pub(crate) fn change(&self) -> Value {
        match &self.value {
            Value::Null => Value::Null,
            value => json!([value["op"], value["before"], value["after"]]),
        }
    }

    pub(crate) fn source(&self, field: &str) -> &Value {
        &self.value["source"][field]
    }
}

fn parsed(json: &str) -> Value {
    if json.is_empty() { Value::Null } else { serde_json::from_str(json).unwrap_or_else(|_| json!(json)) }
}

fn shown(records: &[Record]) -> String {
    let last: Vec<String> = records.iter().rev().take(5).rev().map(|r| format!("{} = {}", r.key, r.value)).collect();
    format!("there are {} records, the last of them {last:#?}", records.len())
}
