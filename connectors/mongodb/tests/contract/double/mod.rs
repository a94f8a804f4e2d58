//! A server that speaks MongoDB's wire protocol (OP_MSG) and keeps its collections in memory: as much of the write
//! commands, sessions and transactions as a sink meets, and faults where a test asks for them.

mod store;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use self::store::Store;

/// What the server is.
#[derive(Clone, Debug)]
pub(crate) struct ServerKind {
    pub(crate) replica_set: bool,
    /// 21: MongoDB 7.0; 25: 8.0, with bulkWrite.
    pub(crate) wire: i32,
    pub(crate) max_document: i32,
    pub(crate) max_message: i32,
    pub(crate) max_writes: i32,
}

pub(crate) const SEVEN: ServerKind =
    ServerKind { replica_set: false, wire: 21, max_document: 16 << 20, max_message: 48_000_000, max_writes: 100_000 };
pub(crate) const EIGHT: ServerKind = ServerKind { wire: 25, ..SEVEN };
pub(crate) const SET: ServerKind = ServerKind { replica_set: true, ..SEVEN };

/// What goes wrong with the next command of a name.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection ends before it is executed.
    Lost,
    /// It is executed, and the connection ends before the answer.
    AnswerLost,
    /// This is the answer, and nothing is executed.
    Answer(Document),
    /// It is executed, and this is added to the answer.
    Added(Document),
    /// From now on no request is answered until the server [wakes](Double::wake); connections stay.
    Silence,
}

/// The server; it ends when dropped.
pub(crate) struct Double {
    kind: ServerKind,
    port: u16,
    state: Arc<Mutex<State>>,
    /// Absent while it is stopped.
    serving: Option<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    /// All commands that write, as they came.
    commands: Vec<Document>,
    faults: HashMap<String, VecDeque<Fault>>,
    /// Answers to numbered commands, by session and number.
    answered: HashMap<(String, i64), Document>,
    /// Transactions at work, by session: the number, and all collections as they will be.
    transactions: HashMap<String, (i64, Store)>,
    silent: bool,
}

impl Double {
    pub(crate) fn start(kind: ServerKind) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut double = Self { kind, port, state: Arc::default(), serving: None };
        double.serve(listener);
        double
    }

    /// Stops it: connections break, and its port is closed. The collections are kept.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.shutdown().await;
        }
    }

    /// Goes on, on the same port.
    pub(crate) fn go_on(&mut self) {
        self.serve(StdListener::bind(("127.0.0.1", self.port)).unwrap());
    }

    /// Looking for a server takes longer than the half second that the driver waits between two looks, and than a busy machine
    /// stands still.
    pub(crate) fn uri(&self) -> String {
        format!("mongodb://{}/?serverSelectionTimeoutMS=5000", self.address())
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The documents of a collection, in the order in which they were made.
    pub(crate) fn documents(&self, namespace: &str) -> Vec<Document> {
        lock(&self.state).store.documents(namespace)
    }

    pub(crate) fn collections(&self) -> Vec<String> {
        lock(&self.state).store.names()
    }

    /// The command that made a time-series collection.
    pub(crate) fn timeseries(&self, namespace: &str) -> Option<Document> {
        lock(&self.state).store.timeseries(namespace)
    }

    pub(crate) fn put(&self, namespace: &str, document: Document) {
        lock(&self.state).store.put(namespace, document);
    }

    /// The next command of this name meets a fault; several come one after the other.
    pub(crate) fn fault(&self, command: &str, fault: Fault) {
        lock(&self.state).faults.entry(command.to_owned()).or_default().push_back(fault);
    }

    /// Ends the silence: what came meanwhile is executed.
    pub(crate) fn wake(&self) {
        lock(&self.state).silent = false;
    }

    /// The commands that write; asking takes them.
    pub(crate) fn take_commands(&self) -> Vec<Document> {
        std::mem::take(&mut lock(&self.state).commands)
    }

    fn serve(&mut self, listener: StdListener) {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (state, kind, port) = (Arc::clone(&self.state), self.kind.clone(), self.port);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve_connection(connection, Arc::clone(&state), kind.clone(), port));
            }
        });
        self.serving = Some(serving);
    }
}

async fn serve_connection(mut connection: TcpStream, state: Arc<Mutex<State>>, kind: ServerKind, port: u16) {
    while let Some((request, command)) = wire::read(&mut connection).await {
        while is_silent(&state, &command) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let Some(answer) = answer(&state, &kind, port, &command) else { return };
        if wire::write(&mut connection, request, &answer).await.is_none() {
            return;
        }
    }
}

fn is_silent(state: &Mutex<State>, command: &Document) -> bool {
    let mut state = lock(state);
    let faults = command.keys().next().and_then(|name| state.faults.get_mut(name));
    if faults.is_some_and(|faults| faults.pop_front_if(|fault| matches!(fault, Fault::Silence)).is_some()) {
        state.silent = true;
    }
    state.silent
}

/// The answer; none: the connection ends.
fn answer(state: &Mutex<State>, kind: &ServerKind, port: u16, command: &Document) -> Option<Document> {
    let name = command.keys().next()?.clone();
    if ["hello", "isMaster", "ismaster"].contains(&name.as_str()) {
        return Some(hello(kind, port));
    }
    let mut state = lock(state);
    let fault = state.faults.get_mut(&name).and_then(VecDeque::pop_front);
    if ["insert", "update", "delete", "bulkWrite"].contains(&name.as_str()) {
        state.commands.push(command.clone());
    }
    match fault {
        Some(Fault::Lost) => None,
        Some(Fault::Answer(answer)) => Some(answer),
        Some(Fault::AnswerLost) => {
            execute(&mut state, kind, &name, command);
            None
        }
        Some(Fault::Added(more)) => {
            let mut answer = execute(&mut state, kind, &name, command);
            answer.extend(more);
            Some(answer)
        }
        Some(Fault::Silence) | None => Some(execute(&mut state, kind, &name, command)),
    }
}

fn execute(state: &mut State, kind: &ServerKind, name: &str, command: &Document) -> Document {
    let session = command.get_document("lsid").map(ToString::to_string).unwrap_or_default();
    let number = command.get_i64("txnNumber").unwrap_or_default();
    if number != 0 && !kind.replica_set {
        return failure(20, "Transaction numbers are only allowed on a replica set member or mongos");
    }
    match name {
        "commitTransaction" | "abortTransaction" => return end_transaction(state, name, &session, number),
        _ if command.get_bool("autocommit").is_ok_and(|on| !on) => {
            return in_transaction(state, name, command, session, number);
        }
        _ => {}
    }
    if number == 0 {
        return state.store.execute(name, command, kind);
    }
    if let Some(answer) = state.answered.get(&(session.clone(), number)) {
        return answer.clone();
    }
    let answer = state.store.execute(name, command, kind);
    state.answered.insert((session, number), answer.clone());
    answer
}

fn in_transaction(state: &mut State, name: &str, command: &Document, session: String, number: i64) -> Document {
    if command.get_bool("startTransaction").is_ok_and(|on| on) {
        state.transactions.insert(session.clone(), (number, state.store.clone()));
    }
    let Some((known, staged)) = state.transactions.get_mut(&session) else { return no_transaction() };
    if *known != number {
        return no_transaction();
    }
    let answer = staged.execute(name, command, &SET);
    if answer.contains_key("writeErrors") {
        state.transactions.remove(&session);
    }
    answer
}

fn end_transaction(state: &mut State, name: &str, session: &str, number: i64) -> Document {
    let key = (session.to_owned(), number);
    if name == "commitTransaction"
        && let Some(answer) = state.answered.get(&key)
    {
        return answer.clone();
    }
    match state.transactions.remove(session) {
        Some((known, staged)) if known == number => {
            if name == "commitTransaction" {
                state.store = staged;
                state.answered.insert(key, doc! { "ok": 1 });
            }
            doc! { "ok": 1 }
        }
        _ => no_transaction(),
    }
}

fn no_transaction() -> Document {
    let mut answer = failure(251, "the transaction is not at work");
    answer.insert("errorLabels", vec![Bson::from("TransientTransactionError")]);
    answer
}

pub(crate) fn failure(code: i32, message: &str) -> Document {
    doc! { "ok": 0, "code": code, "codeName": format!("Code{code}"), "errmsg": message }
}

fn hello(kind: &ServerKind, port: u16) -> Document {
    let me = format!("127.0.0.1:{port}");
    let mut hello = doc! {
        "helloOk": true, "isWritablePrimary": true, "ismaster": true, "localTime": DateTime::now(),
        "maxBsonObjectSize": kind.max_document, "maxMessageSizeBytes": kind.max_message,
        "maxWriteBatchSize": kind.max_writes, "minWireVersion": 0, "maxWireVersion": kind.wire,
        "logicalSessionTimeoutMinutes": 30, "ok": 1,
    };
    if kind.replica_set {
        hello.extend(doc! { "setName": "rs0", "setVersion": 1, "hosts": [&me], "me": &me, "primary": &me });
    }
    hello
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}
