//! A connection: the handshake, the login, then one request after another.

use std::{
    io::{self, Read as _},
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use crate::{
    data::{Collation, SqlError},
    faults::{self, Action, On},
    session::{Answer, Cancel, Command, Login, Session},
};

use super::{
    answer::{AnswerWriter, Channel, RequestKind},
    bytes::Malformed,
    login::{LoginRequest, TDS_7_3A, TDS_7_4, TDS_8},
    packet::{DEFAULT_PACKET_SIZE, Kind, Message, MessageReader, MessageWriter, PACKET_SIZES, Reset, malformed},
    prelogin::{self, Encryption, NegotiatedEncryption},
    request,
    seed::Seed,
    server::ServerState,
    token::{self, Done, Status},
    transport::{Input, Output},
};

/// Messages that wait while one is being carried out: a cancellation, seldom more.
const WAITING: usize = 4;
/// What is sent before a login is small.
const LOGIN_LIMIT: usize = 1 << 17;
/// A client that does not log in is not waited for longer.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);
/// With strict encryption the first byte of the connection is TLS's.
const TLS_HANDSHAKE: u8 = 0x16;
/// TLS has a record of 16 KiB.
const ENCRYPTED_PACKET_SIZE: u32 = 16383;

/// Serves a client until it leaves.
pub(super) fn serve(stream: TcpStream, spid: u16, cancel: &Cancel, shared: &ServerState) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOGIN_TIMEOUT))?;
    let Some(mut opening) = open(&stream, shared)? else { return Ok(()) };
    let reader = MessageReader::new(LOGIN_LIMIT);
    let Some(message) = reader.read(&mut opening.input)? else { return Ok(()) };
    let request = match message.kind {
        Kind::Login => LoginRequest::parse(&message.body).map_err(|error| malformed(error.0))?,
        _ => return Err(malformed("another request than a login")),
    };
    if opening.agreed == NegotiatedEncryption::LoginOnly {
        opening.input = Input::Plain(stream.try_clone()?);
        opening.output = Output::Plain(stream.try_clone()?);
    }
    let entered = enter(&request, opening.output, opening.encrypted, spid, cancel, shared);
    let Some((session, channel)) = entered else { return Ok(()) };
    stream.set_read_timeout(None)?;
    let (sender, receiver) = sync_channel(WAITING);
    let limit = shared.options.message_limit;
    let (input, reading) = (opening.input, cancel.clone());
    let reader = thread::Builder::new()
        .name(format!("standin-{spid}-reader"))
        .spawn(move || read_requests(input, limit, &sender, &reading))?;
    Requests { session, channel, receiver }.run();
    // The reader may stand in a read.
    drop(stream.shutdown(Shutdown::Read));
    if reader.join().is_err() {
        tracing::error!(spid, "the reader of a connection has panicked");
    }
    if cancel.is_broken() { Ok(()) } else { part(&stream) }
}

/// Ends a connection so that the client still reads the last message: unread bytes would make the
/// end a reset.
fn part(mut stream: &TcpStream) -> io::Result<()> {
    const MOST: usize = 1 << 24;
    stream.shutdown(Shutdown::Write)?;
    let mut unread = [0; 16 * 1024];
    let mut dropped = 0;
    while dropped < MOST {
        match stream.read(&mut unread)? {
            0 => break,
            count => dropped += count,
        }
    }
    Ok(())
}

/// A connection on which the two sides have agreed how to speak.
struct Opening {
    input: Input,
    output: Output,
    agreed: NegotiatedEncryption,
    encrypted: bool,
}

/// Everything before the login; none if the client left or cannot do what the server wants.
fn open(stream: &TcpStream, shared: &ServerState) -> io::Result<Option<Opening>> {
    let mut first = [0];
    if stream.peek(&mut first)? == 0 {
        return Ok(None);
    }
    let encryption = shared.options.encryption;
    let strict = first[0] == TLS_HANDSHAKE;
    if strict && encryption == Encryption::NotSupported || !strict && encryption == Encryption::Strict {
        return Err(malformed("the server and the client do not agree on encryption"));
    }
    let (mut input, mut output) = if strict {
        let session = shared.certificate.accept_strict(stream.try_clone()?)?;
        (Input::encrypted(session.clone()), Output::Encrypted(session))
    } else {
        (Input::Plain(stream.try_clone()?), Output::Plain(stream.try_clone()?))
    };
    let reader = MessageReader::new(LOGIN_LIMIT);
    let Some(message) = reader.read(&mut input)? else { return Ok(None) };
    if message.kind != Kind::PreLogin {
        return Err(malformed("the first message is not the one before the login"));
    }
    let (answer, agreed) = prelogin::answer(&message.body, encryption, strict).map_err(|error| malformed(error.0))?;
    let mut writer = MessageWriter::new(Kind::Answer, 0, DEFAULT_PACKET_SIZE);
    writer.body = answer;
    writer.finish(&mut output)?;
    match agreed {
        NegotiatedEncryption::Nothing => return Ok(None),
        NegotiatedEncryption::Plain => {}
        NegotiatedEncryption::LoginOnly | NegotiatedEncryption::All => {
            let session = shared.certificate.accept_within_packets(stream.try_clone()?)?;
            (input, output) = (Input::encrypted(session.clone()), Output::Encrypted(session));
        }
    }
    Ok(Some(Opening { input, output, agreed, encrypted: strict || agreed == NegotiatedEncryption::All }))
}

/// The login itself; `None` if it was refused; the client has then got the error.
fn enter(
    request: &LoginRequest,
    output: Output,
    encrypted: bool,
    spid: u16,
    cancel: &Cancel,
    shared: &ServerState,
) -> Option<(Box<dyn Session>, Channel)> {
    let packet_size = packet_size(request.packet_size, encrypted);
    let mut channel = Channel {
        output,
        writer: MessageWriter::new(Kind::Answer, spid, DEFAULT_PACKET_SIZE),
        seed: Seed::new(shared.options.seed ^ u64::from(spid)),
        cancel: cancel.clone(),
        faults: shared.faults.clone(),
        spid,
        user: request.user.clone(),
        application: request.application.clone(),
        database: String::new(),
        in_transaction: false,
        utf8: request.utf8,
        broken: false,
    };
    let login = Login {
        spid,
        user: request.user.clone(),
        password: request.password.clone(),
        database: request.database.clone(),
        host: request.host.clone(),
        application: request.application.clone(),
        cancel: cancel.clone(),
    };
    match admit(request, &login, &mut channel, shared) {
        Ok(Admitted::In(session)) => {
            channel.database = session.database();
            put_welcome(&mut channel, request, packet_size);
            channel.finish();
            // The new size holds from the next message on.
            channel.writer = MessageWriter::new(Kind::Answer, spid, packet_size);
            Some((session, channel))
        }
        Ok(Admitted::Elsewhere { host, port }) => {
            let out = &mut channel.writer.body;
            token::put_login_ack(out, answered_version(request.version));
            token::put_routing(out, &host, port);
            if request.features {
                token::put_features(out, request.utf8);
            }
            token::put_done(out, Done::Statement, Status::default(), Command::Other, None);
            channel.finish();
            None
        }
        Err(error) => {
            tracing::debug!(%error, user = request.user, "a login was refused");
            let out = &mut channel.writer.body;
            token::put_error(out, &error);
            let status = Status { error: true, ..Status::default() };
            token::put_done(out, Done::Statement, status, Command::Other, None);
            channel.finish();
            None
        }
    }
}

enum Admitted {
    In(Box<dyn Session>),
    Elsewhere { host: String, port: u16 },
}

fn admit(
    request: &LoginRequest,
    login: &Login,
    channel: &mut Channel,
    shared: &ServerState,
) -> Result<Admitted, SqlError> {
    if request.version < TDS_7_3A && request.version != TDS_8 {
        let message = "The protocol version of the client is not supported: the stand-in speaks 7.3 and newer.";
        return Err(SqlError::new(17835, 20, 1, message));
    }
    if request.integrated {
        let message =
            "Login failed. The login is from an untrusted domain and cannot be used with Integrated authentication.";
        return Err(SqlError::new(18452, 14, 1, message));
    }
    let who = faults::Session { spid: login.spid, application: &login.application, user: &login.user };
    match channel.faults.meet(On::Login, who) {
        Some(Action::Error(error)) => return Err(error),
        Some(Action::Route { host, port }) => return Ok(Admitted::Elsewhere { host, port }),
        Some(Action::Stall(pause)) => channel.wait(pause),
        Some(Action::Reset) => login.cancel.reset(),
        None => {}
    }
    shared.engine.login(login).map(Admitted::In)
}

fn packet_size(asked: u32, encrypted: bool) -> u32 {
    let asked = if asked == 0 { DEFAULT_PACKET_SIZE } else { asked };
    let most = if encrypted { ENCRYPTED_PACKET_SIZE } else { *PACKET_SIZES.end() };
    asked.clamp(*PACKET_SIZES.start(), most)
}

/// The newest version that both speak.
fn answered_version(asked: u32) -> u32 {
    if asked == TDS_8 { TDS_8 } else { asked.min(TDS_7_4) }
}

fn put_welcome(channel: &mut Channel, request: &LoginRequest, packet_size: u32) {
    const LANGUAGE: &str = "us_english";
    let out = &mut channel.writer.body;
    let database = &channel.database;
    let changed = SqlError::new(5701, 0, 2, format!("Changed database context to '{database}'."));
    let language = SqlError::new(5703, 0, 1, format!("Changed language setting to {LANGUAGE}."));
    token::put_database(out, database, "master");
    token::put_info(out, &changed);
    token::put_collation(out, Collation::DEFAULT);
    token::put_language(out, LANGUAGE, "");
    token::put_info(out, &language);
    token::put_login_ack(out, answered_version(request.version));
    token::put_packet_size(out, packet_size, DEFAULT_PACKET_SIZE);
    if request.features {
        token::put_features(out, request.utf8);
    }
    token::put_done(out, Done::Statement, Status::default(), Command::Other, None);
}

/// Reads on while a request is carried out: a cancellation has to be seen at once.
fn read_requests(mut input: Input, limit: usize, requests: &SyncSender<io::Result<Message>>, cancel: &Cancel) {
    let reader = MessageReader::new(limit);
    loop {
        let message = match reader.read(&mut input) {
            Ok(None) => break,
            Ok(Some(message)) => Ok(message),
            Err(error) => Err(error),
        };
        match &message {
            Ok(message) if message.kind == Kind::Attention => cancel.cancel(),
            Err(_) => cancel.kill(),
            Ok(_) => {}
        }
        let last = message.is_err();
        if requests.send(message).is_err() || last {
            break;
        }
    }
    cancel.kill();
}

/// Carries out what the client asks.
struct Requests {
    session: Box<dyn Session>,
    channel: Channel,
    receiver: Receiver<io::Result<Message>>,
}

/// How the connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// With what follows, in this message or the next.
    Continue,
    /// With the next message: the client did not want this one any more.
    Cancelled,
    Close,
}

impl Requests {
    fn run(mut self) {
        while let Ok(message) = self.receiver.recv() {
            let next = match message {
                Ok(message) => self.carry_out(&message),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => self.refuse(&error.to_string()),
                Err(_) => Next::Close,
            };
            if next == Next::Close || self.channel.broken || self.channel.cancel.is_killed() {
                return;
            }
        }
    }

    fn carry_out(&mut self, message: &Message) -> Next {
        if message.kind == Kind::Attention {
            self.channel.cancel.clear();
            AnswerWriter::new(&mut self.channel, RequestKind::Batch).end_cancelled();
            self.channel.finish();
            return Next::Continue;
        }
        if message.ignored {
            let status = Status { error: true, ..Status::default() };
            token::put_done(&mut self.channel.writer.body, Done::Statement, status, Command::Other, None);
            self.channel.finish();
            return Next::Continue;
        }
        if message.reset != Reset::No {
            token::put_reset(&mut self.channel.writer.body);
            let keep = message.reset == Reset::KeepTransaction;
            self.session.reset(keep, &mut AnswerWriter::new(&mut self.channel, RequestKind::Procedure));
        }
        match self.answer(message) {
            Ok(next) => {
                self.channel.finish();
                next
            }
            Err(malformed) => self.refuse(malformed.0),
        }
    }

    fn answer(&mut self, message: &Message) -> Result<Next, Malformed> {
        match message.kind {
            Kind::Batch => {
                let sql = request::batch(&message.body)?;
                Ok(self.answer_with(RequestKind::Batch, false, |session, answer| session.batch(&sql, answer)))
            }
            Kind::Transaction => {
                let asked = request::transaction(&message.body)?;
                Ok(self.answer_with(RequestKind::Batch, false, |session, answer| session.transaction(&asked, answer)))
            }
            Kind::Rpc => {
                let mut calls = request::calls(&message.body)?.into_iter().peekable();
                let mut next = Next::Continue;
                while next == Next::Continue
                    && let Some(mut call) = calls.next()
                {
                    let more = calls.peek().is_some();
                    next = self.answer_with(RequestKind::Procedure, more, |session, answer| {
                        answer.expect_outputs(&call.parameters);
                        session.call(&call.procedure, &mut call.parameters, answer);
                    });
                }
                Ok(next)
            }
            Kind::BulkLoad => Err(Malformed("a bulk load is not supported")),
            _ => Err(Malformed("a request that does not come after a login")),
        }
    }

    /// Lets the session answer, and ends the answer as it has to be; `more` calls follow in the message.
    fn answer_with(
        &mut self,
        asked: RequestKind,
        more: bool,
        run: impl FnOnce(&mut dyn Session, &mut AnswerWriter<'_>),
    ) -> Next {
        let fault = self.channel.meet(On::Statement);
        let mut answer = AnswerWriter::new(&mut self.channel, asked);
        match fault {
            Some(error) => answer.error(&error),
            None if answer.is_over() => {}
            None => run(&mut *self.session, &mut answer),
        }
        if answer.is_over() {
            return self.end_early(asked);
        }
        match asked {
            RequestKind::Batch => answer.end_batch(),
            RequestKind::Procedure => answer.end_procedure(more),
        }
        if answer.is_fatal() { Next::Close } else { Next::Continue }
    }

    /// The client has cancelled, or the session was killed.
    fn end_early(&mut self, asked: RequestKind) -> Next {
        let killed = self.channel.cancel.is_killed();
        let mut answer = AnswerWriter::new(&mut self.channel, asked);
        if killed {
            let message = "Cannot continue the execution because the session is in the kill state.";
            answer.error(&SqlError::new(596, 21, 1, message));
            answer.end_batch();
            return Next::Close;
        }
        answer.end_cancelled();
        match self.receiver.recv() {
            Ok(Ok(message)) if message.kind == Kind::Attention => {
                self.channel.cancel.clear();
                Next::Cancelled
            }
            _ => Next::Close,
        }
    }

    /// The input is not the protocol: the client gets an error, and the connection is closed.
    fn refuse(&mut self, what: &str) -> Next {
        tracing::debug!(what, spid = self.channel.spid, "a request is malformed");
        let mut answer = AnswerWriter::new(&mut self.channel, RequestKind::Batch);
        answer.error(&SqlError::new(
            4002,
            20,
            1,
            format!("The incoming tabular data stream (TDS) protocol stream is incorrect: {what}."),
        ));
        answer.end_batch();
        self.channel.finish();
        Next::Close
    }
}
