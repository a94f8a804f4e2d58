//! tiberius reads and writes each of the cases that the other clients read and write (conformance/run.sh).

use std::{borrow::Cow, collections::HashSet};

use sqlserver_standin::{Encryption, Standin};
use tiberius::{ColumnData, EncryptionLevel, IntoSql, Query, error::Error, time};

use crate::connection::{Caller, Connection, run, value};

const CASES: &str = include_str!("../../conformance/cases.tsv");

struct Case {
    number: usize,
    kind: &'static str,
    nullability: &'static str,
    literal: &'static str,
    expected: &'static str,
}

fn cases() -> Vec<Case> {
    let lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .enumerate()
        .map(|(index, line)| {
            let mut parts = line.split('\t');
            let mut next = || parts.next().unwrap();
            Case { number: index + 1, kind: next(), nullability: next(), literal: next(), expected: next() }
        })
        .collect()
}

struct Raw(ColumnData<'static>);

impl<'a> IntoSql<'a> for Raw {
    fn into_sql(self) -> ColumnData<'a> {
        self.0
    }
}

/// Reads the case; then writes what was read by a parameter, and reads that.
async fn read_and_write(client: &mut Connection, case: &Case) -> Result<[String; 2], Error> {
    let Case { number, kind, nullability, literal, .. } = case;
    run(client, &format!("CREATE TABLE r{number} (v {kind} {nullability})")).await?;
    run(client, &format!("INSERT INTO r{number} (v) VALUES ({literal})")).await?;
    let read = value(client, &format!("SELECT v FROM r{number}")).await?;
    let text_read = text(kind, &read);
    run(client, &format!("CREATE TABLE w{number} (v {kind} {nullability})")).await?;
    let mut insert = Query::new(format!("INSERT INTO w{number} (v) VALUES (@P1)"));
    insert.bind(Raw(read));
    insert.execute(client).await?;
    let written = value(client, &format!("SELECT v FROM w{number}")).await?;
    Ok([text_read, text(kind, &written)])
}

/// What the client cannot hold: it has money as a number of 53 bits, and says a precision of 39 digits for a number that has
/// 38 behind the point.
fn beyond_the_client(case: &Case) -> bool {
    case.kind == "money" && case.literal.contains("922337203685477") || case.kind == "decimal(38,38)"
}

#[tokio::test]
async fn every_case_is_read_and_written() {
    for (server_side, client_side) in [
        (Encryption::NotSupported, EncryptionLevel::NotSupported),
        (Encryption::Optional, EncryptionLevel::Off),
        (Encryption::Required, EncryptionLevel::On),
    ] {
        let standin = Standin::builder().encryption(server_side).start().unwrap();
        let caller = Caller { encryption: client_side, ..Caller::administrator(&standin) };
        let mut client = caller.connect(&standin).await.unwrap();
        run(&mut client, "CREATE DATABASE conformance").await.unwrap();
        run(&mut client, "USE conformance").await.unwrap();
        let mut wrong = Vec::new();
        for case in cases().iter().filter(|case| !beyond_the_client(case)) {
            match read_and_write(&mut client, case).await {
                Ok(texts) => wrong.extend(
                    texts
                        .into_iter()
                        .zip(["read", "written"])
                        .filter(|(text, _)| text != case.expected)
                        .map(|(text, how)| format!("{} {how} as {text}, not {}", title(case), case.expected)),
                ),
                Err(error) => {
                    wrong.push(format!("{}: {error}", title(case)));
                    client = caller.connect(&standin).await.unwrap();
                    run(&mut client, "USE conformance").await.unwrap();
                }
            }
        }
        assert!(wrong.is_empty(), "{server_side:?}:\n{}", wrong.join("\n"));
    }
}

fn title(case: &Case) -> String {
    format!("{}: {} {} {}", case.number, case.kind, case.nullability, case.literal)
}

#[test]
fn the_cases_cover_each_type_with_and_without_null() {
    let kinds: HashSet<&str> = cases().iter().map(|case| case.kind.split(['(', ' ']).next().unwrap()).collect();
    assert_eq!(kinds.len(), 29, "{kinds:?}");
    assert!(cases().len() >= 120);
}

fn text(kind: &str, value: &ColumnData<'static>) -> String {
    let null = || "NULL".to_owned();
    let scale = scale(kind);
    match value {
        ColumnData::Bit(v) => v.map_or_else(null, |v| u8::from(v).to_string()),
        ColumnData::U8(v) => v.map_or_else(null, |v| v.to_string()),
        ColumnData::I16(v) => v.map_or_else(null, |v| v.to_string()),
        ColumnData::I32(v) => v.map_or_else(null, |v| v.to_string()),
        ColumnData::I64(v) => v.map_or_else(null, |v| v.to_string()),
        ColumnData::F32(v) => v.map_or_else(null, |v| format!("{:08x}", v.to_bits())),
        ColumnData::F64(Some(v)) if kind.ends_with("money") => format!("{v:.4}"),
        ColumnData::F64(v) => v.map_or_else(null, |v| format!("{:016x}", v.to_bits())),
        ColumnData::Numeric(v) => v.map_or_else(null, |v| exact(v.value(), usize::from(v.scale()))),
        ColumnData::String(v) => v.as_deref().map_or_else(null, shortened),
        ColumnData::Xml(v) => v.as_ref().map_or_else(null, |v| v.as_ref().as_ref().to_owned()),
        ColumnData::Guid(v) => v.map_or_else(null, |v| v.to_string().to_uppercase()),
        ColumnData::Binary(v) => v.as_ref().map_or_else(null, |v| shortened(&hex(v))),
        ColumnData::Date(v) => v.map_or_else(null, |v| date(i64::from(v.days()))),
        ColumnData::Time(v) => v.map_or_else(null, |v| clock(ticks(&v), scale)),
        ColumnData::SmallDateTime(v) => v.map_or_else(null, |v| {
            let minutes = u64::from(v.seconds_fragments());
            format!("{} {}", date(i64::from(v.days()) + DAYS_TO_1900), clock(minutes * 600_000_000, 0))
        }),
        ColumnData::DateTime(v) => v.map_or_else(null, |v| {
            let thousandths = (u64::from(v.seconds_fragments()) * 10 + 1) / 3;
            format!("{} {}", date(i64::from(v.days()) + DAYS_TO_1900), clock(thousandths * 10_000, 3))
        }),
        ColumnData::DateTime2(v) => v.map_or_else(null, |v| moment(&v, 0, scale)),
        ColumnData::DateTimeOffset(v) => v.map_or_else(null, |v| {
            let offset = v.offset();
            let sign = if offset < 0 { '-' } else { '+' };
            let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
            format!("{} {sign}{hours:02}:{minutes:02}", moment(&v.datetime2(), i64::from(offset), scale))
        }),
    }
}

fn exact(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

const DAYS_TO_1900: i64 = 693_595;
const TICKS_OF_DAY: i64 = 864_000_000_000;

fn scale(kind: &str) -> usize {
    let inside = kind.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(7)
}

fn ticks(at: &time::Time) -> u64 {
    at.increments() * 10_u64.pow(7 - u32::from(at.scale()))
}

fn moment(at: &time::DateTime2, minutes: i64, scale: usize) -> String {
    let local = i64::from(at.date().days()) * TICKS_OF_DAY + ticks(&at.time()) as i64 + minutes * 600_000_000;
    let (days, rest) = (local.div_euclid(TICKS_OF_DAY), local.rem_euclid(TICKS_OF_DAY));
    format!("{} {}", date(days), clock(rest as u64, scale))
}

fn date(days: i64) -> String {
    let span = jiff::Span::new().days(days);
    jiff::civil::date(1, 1, 1).checked_add(span).unwrap().to_string()
}

fn clock(ticks: u64, scale: usize) -> String {
    let (seconds, rest) = (ticks / 10_000_000, ticks % 10_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if scale == 0 { whole } else { format!("{whole}.{}", &format!("{rest:07}")[..scale]) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// x*N for x repeated N times, when that is long.
fn shortened(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    for size in 1..=3 {
        let times = characters.len() / size;
        let part: Cow<'_, str> = characters.iter().take(size).collect::<String>().into();
        if times > 100 && part.repeat(times) == text {
            return format!("{part}*{times}");
        }
    }
    text.to_owned()
}
