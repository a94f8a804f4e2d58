use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::event::{Event, Handler, Reply};

/// The version of a function that was never published.
pub(crate) const LATEST: &str = "$LATEST";
/// What AWS waits before the second and before the third attempt at an asynchronous event.
const RETRY_WAITS: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(120)];
/// A function's time-out unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The functions of an account, and what holds for all of them.
#[derive(Clone, Debug)]
pub struct Functions {
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) account_concurrency: usize,
    pub(crate) kept: usize,
    pub(crate) retry_after: Duration,
}

impl Functions {
    /// None yet.
    pub fn new() -> Self {
        Self { functions: BTreeMap::new(), account_concurrency: 10, kept: 10_000, retry_after: Duration::from_secs(1) }
    }

    /// One more function; a second one of a name takes the first one's place.
    pub fn with(mut self, name: impl Into<String>, function: Function) -> Self {
        self.functions.insert(name.into(), function);
        self
    }

    /// How many invocations of all functions that reserve nothing may run at once (10, as in a new account).
    pub fn account_concurrency(mut self, limit: usize) -> Self {
        self.account_concurrency = limit;
        self
    }

    /// What `Retry-After` says when there is no concurrency left (1 s; whole seconds).
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = wait;
        self
    }

    /// How many invocations are kept for [`invocations`](crate::LambdaFront::invocations), payloads included (the last
    /// 10,000).
    pub fn keep(mut self, count: usize) -> Self {
        self.kept = count;
        self
    }
}

impl Default for Functions {
    fn default() -> Self {
        Self::new()
    }
}

/// One function: its code and its settings.
#[derive(Clone, Debug)]
pub struct Function {
    pub(crate) code: Code,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) reserved: Option<usize>,
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) retry_waits: [Duration; 2],
}

#[derive(Clone, Debug)]
pub(crate) enum Code {
    Process(PathBuf),
    Inline(Handler),
}

impl Function {
    /// A program that speaks the Runtime API, for example one made with `lambda_runtime`.
    pub fn process(program: impl Into<PathBuf>) -> Self {
        Self::of(Code::Process(program.into()))
    }

    /// A closure in the test process: to decide on each event what the front has to answer.
    pub fn inline<F, Answer>(handler: F) -> Self
    where
        F: Fn(Event) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Reply> + Send + 'static,
    {
        Self::of(Code::Inline(Handler::new(handler)))
    }

    /// A variable of the process's environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// How long one invocation may take until its process is killed (3 s).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How many invocations may run at once, whatever the account's other functions do; the next one is throttled.
    pub fn reserved_concurrency(mut self, limit: usize) -> Self {
        self.reserved = Some(limit);
        self
    }

    /// A name of a published version, and this version itself; `$LATEST` is there always.
    pub fn alias(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        let version = version.into();
        self.versions.insert(version.clone(), version.clone());
        self.versions.insert(name.into(), version);
        self
    }

    /// What is waited before the second and the third attempt at an asynchronous event (1 and 2 minutes).
    pub fn retry_waits(mut self, waits: [Duration; 2]) -> Self {
        self.retry_waits = waits;
        self
    }

    fn of(code: Code) -> Self {
        Self {
            code,
            environment: Vec::new(),
            timeout: TIMEOUT,
            reserved: None,
            versions: BTreeMap::from([(LATEST.to_owned(), LATEST.to_owned())]),
            retry_waits: RETRY_WAITS,
        }
    }
}

/// The program of this name in the same build as the running test.
pub fn beside(name: &str) -> Result<PathBuf> {
    // A test is target/PROFILE/deps/NAME-HASH, another program is target/PROFILE/NAME.
    let this = std::env::current_exe()?;
    let found = this.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("there is no program {name} beside {}, build the workspace first", this.display()))
}
