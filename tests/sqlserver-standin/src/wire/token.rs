//! The parts of an answer that are not rows.

use crate::{
    data::{Collation, SqlError},
    session::Command,
};

use super::{
    bytes::{put_counted, put_short_text, put_text, put_utf16},
    prelogin::SERVER_VERSION,
};

/// What is written as the server's name.
pub(super) const SERVER_NAME: &str = "STANDIN";

const ENV_DATABASE: u8 = 1;
const ENV_LANGUAGE: u8 = 2;
const ENV_PACKET_SIZE: u8 = 4;
const ENV_COLLATION: u8 = 7;
const ENV_BEGUN: u8 = 8;
const ENV_COMMITTED: u8 = 9;
const ENV_ROLLED_BACK: u8 = 10;
const ENV_RESET: u8 = 18;
const ENV_ROUTING: u8 = 20;

/// Which of the three tokens ends a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// A statement of a batch.
    Statement = 0xfd,
    /// A procedure.
    Procedure = 0xfe,
    /// A statement within a procedure.
    InProcedure = 0xff,
}

/// What is said at the end of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) more: bool,
    pub(super) error: bool,
    pub(super) in_transaction: bool,
    pub(super) cancelled: bool,
    /// The error ends the connection.
    pub(super) fatal: bool,
}

pub(super) fn put_done(out: &mut Vec<u8>, done: Done, status: Status, command: Command, rows: Option<u64>) {
    let mut bits = 0_u16;
    for (bit, set) in [
        (0x001, status.more),
        (0x002, status.error),
        (0x004, status.in_transaction),
        (0x010, rows.is_some()),
        (0x020, status.cancelled),
        (0x100, status.fatal),
    ] {
        bits |= if set { bit } else { 0 };
    }
    out.push(done as u8);
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(&command_number(command).to_le_bytes());
    out.extend_from_slice(&rows.unwrap_or(0).to_le_bytes());
}

fn command_number(command: Command) -> u16 {
    match command {
        Command::Select => 0xc1,
        Command::Insert => 0xc3,
        Command::Delete => 0xc4,
        Command::Update => 0xc5,
        Command::Merge => 0x117,
        Command::Begin => 0xd4,
        Command::Commit => 0xd5,
        Command::Rollback => 0xd2,
        Command::Use => 0xfd,
        Command::CreateTable => 0xc6,
        Command::DropTable => 0xc7,
        Command::AlterTable => 0xd8,
        Command::Truncate => 0xc9,
        Command::Execute => 0xe0,
        Command::Other => 0,
    }
}

pub(super) fn put_error(out: &mut Vec<u8>, error: &SqlError) {
    put_message(out, 0xaa, error);
}

pub(super) fn put_info(out: &mut Vec<u8>, message: &SqlError) {
    put_message(out, 0xab, message);
}

fn put_message(out: &mut Vec<u8>, token: u8, message: &SqlError) {
    out.push(token);
    put_counted(out, |out| {
        out.extend_from_slice(&message.number.to_le_bytes());
        out.extend_from_slice(&[message.state, message.class]);
        put_text(out, &message.message);
        put_short_text(out, SERVER_NAME);
        put_short_text(out, &message.procedure);
        out.extend_from_slice(&message.line.to_le_bytes());
    });
}

fn put_env(out: &mut Vec<u8>, kind: u8, part: impl FnOnce(&mut Vec<u8>)) {
    out.push(0xe3);
    put_counted(out, |out| {
        out.push(kind);
        part(out);
    });
}

fn put_env_text(out: &mut Vec<u8>, kind: u8, to: &str, from: &str) {
    put_env(out, kind, |out| {
        put_short_text(out, to);
        put_short_text(out, from);
    });
}

pub(super) fn put_database(out: &mut Vec<u8>, to: &str, from: &str) {
    put_env_text(out, ENV_DATABASE, to, from);
}

pub(super) fn put_language(out: &mut Vec<u8>, to: &str, from: &str) {
    put_env_text(out, ENV_LANGUAGE, to, from);
}

pub(super) fn put_packet_size(out: &mut Vec<u8>, to: u32, from: u32) {
    put_env_text(out, ENV_PACKET_SIZE, &to.to_string(), &from.to_string());
}

pub(super) fn put_collation(out: &mut Vec<u8>, collation: Collation) {
    put_env(out, ENV_COLLATION, |out| {
        out.push(5);
        out.extend_from_slice(&collation.to_bytes());
        out.push(0);
    });
}

pub(super) fn put_begun(out: &mut Vec<u8>, transaction: u64) {
    put_env(out, ENV_BEGUN, |out| {
        out.push(8);
        out.extend_from_slice(&transaction.to_le_bytes());
        out.push(0);
    });
}

pub(super) fn put_committed(out: &mut Vec<u8>, transaction: u64) {
    put_ended(out, ENV_COMMITTED, transaction);
}

pub(super) fn put_rolled_back(out: &mut Vec<u8>, transaction: u64) {
    put_ended(out, ENV_ROLLED_BACK, transaction);
}

fn put_ended(out: &mut Vec<u8>, kind: u8, transaction: u64) {
    put_env(out, kind, |out| {
        out.push(0);
        out.push(8);
        out.extend_from_slice(&transaction.to_le_bytes());
    });
}

pub(super) fn put_reset(out: &mut Vec<u8>) {
    put_env(out, ENV_RESET, |out| out.extend_from_slice(&[0, 0]));
}

/// The client is to log in there instead.
pub(super) fn put_routing(out: &mut Vec<u8>, host: &str, port: u16) {
    put_env(out, ENV_ROUTING, |out| {
        put_counted(out, |out| {
            out.push(0);
            out.extend_from_slice(&port.to_le_bytes());
            put_text(out, host);
        });
        out.extend_from_slice(&[0, 0]);
    });
}

pub(super) fn put_login_ack(out: &mut Vec<u8>, version: u32) {
    const NAME: &str = "Microsoft SQL Server";
    out.push(0xad);
    put_counted(out, |out| {
        out.push(1);
        out.extend_from_slice(&version.to_be_bytes());
        // The server counts two zeros after its name.
        out.push((NAME.len() + 2) as u8);
        put_utf16(out, NAME);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&SERVER_VERSION);
    });
}

/// The features that the server took up.
pub(super) fn put_features(out: &mut Vec<u8>, utf8: bool) {
    out.push(0xae);
    if utf8 {
        out.extend_from_slice(&[0x0a, 1, 0, 0, 0, 1]);
    }
    out.push(0xff);
}

pub(super) fn put_order(out: &mut Vec<u8>, ordinals: &[u16]) {
    out.push(0xa9);
    put_counted(out, |out| out.extend(ordinals.iter().flat_map(|ordinal| ordinal.to_le_bytes())));
}

pub(super) fn put_return_status(out: &mut Vec<u8>, status: i32) {
    out.push(0x79);
    out.extend_from_slice(&status.to_le_bytes());
}
