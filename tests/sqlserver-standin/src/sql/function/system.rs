//! Functions of the server, the session and the login; the `@@` variables.

use super::{Call, Signature, int, text};
use crate::data::{Collation, Datum, SqlError, Type, Variant};
use crate::sql::exec::Core;
use crate::sql::plan::Binder;
use crate::sql::types;

/// The version that the stand-in says it is.
pub(crate) const VERSION: &str = "16.0.4085.2";
const VERSION_TEXT: &str = "Microsoft SQL Server 2022 (RTM-CU9) (KB5030731) - 16.0.4085.2 (X64) \n\tJan  1 2024 00:00:00 \n\tCopyright (C) 2022 Microsoft Corporation\n\tDeveloper Edition (64-bit) on Linux (stand-in for tests) <X64>";

/// `@@NAME`: its value and type.
pub(crate) fn global(core: &Core, name: &str) -> Option<(Datum, Type)> {
    let nvarchar = |length| types::text_of(true, Some(length), Collation::DEFAULT);
    let number = |value: i64| Some((super::int_datum(value), Type::Int));
    match name.to_ascii_uppercase().as_str() {
        "@@VERSION" => Some((Datum::Text(VERSION_TEXT.to_owned()), nvarchar(300))),
        "@@SERVERNAME" => Some((Datum::Text(core.server_name().to_owned()), nvarchar(128))),
        "@@SERVICENAME" => Some((Datum::Text("MSSQLSERVER".to_owned()), nvarchar(128))),
        "@@SPID" => Some((Datum::SmallInt(i16::try_from(core.spid()).unwrap_or(i16::MAX)), Type::SmallInt)),
        "@@TRANCOUNT" => number(i64::from(core.transaction_count())),
        "@@ROWCOUNT" => number(core.row_count()),
        "@@ERROR" => number(i64::from(core.last_error())),
        "@@IDENTITY" => Some((core.last_identity(), Type::Numeric { precision: 38, scale: 0 })),
        "@@NESTLEVEL" => number(i64::from(core.nesting())),
        "@@FETCH_STATUS" => number(-1),
        "@@CURSOR_ROWS" | "@@PACK_RECEIVED" | "@@PACK_SENT" | "@@TOTAL_ERRORS" => number(0),
        "@@PROCID" => number(0),
        "@@MAX_PRECISION" => Some((Datum::TinyInt(38), Type::TinyInt)),
        "@@MAX_CONNECTIONS" => number(32_767),
        "@@LOCK_TIMEOUT" => number(core.lock_timeout_millis()),
        "@@TEXTSIZE" => number(2_147_483_647),
        "@@LANGUAGE" => Some((Datum::Text("us_english".to_owned()), nvarchar(128))),
        "@@LANGID" => Some((Datum::SmallInt(0), Type::SmallInt)),
        "@@DATEFIRST" => u8::try_from(core.date_first()).ok().map(|first| (Datum::TinyInt(first), Type::TinyInt)),
        "@@OPTIONS" => number(core.option_bits()),
        "@@MICROSOFTVERSION" => number(0x1000_0FF5),
        "@@DBTS" => Some((
            Datum::Bytes(core.last_row_version().to_be_bytes().to_vec()),
            Type::VarBinary { length: crate::data::Length::Limited(8) },
        )),
        _ => None,
    }
}

pub(super) fn resolve(call: &Call<'_>, binder: &mut Binder<'_>) -> Result<Option<Signature>, SqlError> {
    let sysname = call.sysname();
    let core = &*binder.core;
    let named = |value: String| {
        call.count(0..=1)?;
        Ok(Some(Signature {
            arguments: (0..call.arguments.len()).map(|at| call.kind(at)).collect(),
            ..Signature::fixed(sysname.clone(), Datum::Text(value))
        }))
    };
    match call.name {
        "SUSER_NAME" | "SUSER_SNAME" | "SYSTEM_USER" | "ORIGINAL_LOGIN" => return named(core.login().to_owned()),
        "CURRENT_USER" | "SESSION_USER" | "USER" => return named(core.user_name(&binder.database.clone())),
        "HOST_NAME" => return named(core.host().to_owned()),
        "APP_NAME" | "PROGRAM_NAME" => return named(core.application().to_owned()),
        _ => {}
    }
    Ok(Some(match call.name {
        "SCOPE_IDENTITY" => {
            call.count(0..=0)?;
            Signature {
                nullable: true,
                ..Signature::fixed(Type::Numeric { precision: 38, scale: 0 }, core.last_identity())
            }
        }
        "ROWCOUNT_BIG" => Signature::fixed(Type::BigInt, Datum::BigInt(core.row_count())),
        "XACT_STATE" => {
            call.count(0..=0)?;
            Signature::fixed(Type::SmallInt, Datum::SmallInt(core.transaction_state()))
        }
        "ERROR_NUMBER" | "ERROR_MESSAGE" | "ERROR_SEVERITY" | "ERROR_STATE" | "ERROR_LINE" | "ERROR_PROCEDURE" => {
            call.count(0..=0)?;
            caught(call, binder)
        }
        "NEWID" | "NEWSEQUENTIALID" => {
            call.count(0..=0)?;
            let body = |_: &[Datum]| Ok(Datum::Guid(*uuid::Uuid::new_v4().as_bytes()));
            Signature { volatile: true, ..Signature::lenient(Vec::new(), Type::UniqueIdentifier, body) }.required()
        }
        "CURRENT_TRANSACTION_ID" => Signature::fixed(Type::BigInt, Datum::BigInt(core.transaction_id())),
        "MIN_ACTIVE_ROWVERSION" => {
            let next = core.last_row_version() + 1;
            Signature::fixed(Type::Binary { length: 8 }, Datum::Bytes(next.to_be_bytes().to_vec()))
        }
        "SERVERPROPERTY" => {
            call.count(1..=1)?;
            let server = core.server_name().to_owned();
            Signature::strict(vec![sysname], Type::Variant, move |v| Ok(server_property(text(&v[0]), &server)))
        }
        "CONNECTIONPROPERTY" => {
            call.count(1..=1)?;
            Signature::strict(vec![sysname], Type::Variant, |v| {
                Ok(match text(&v[0]).to_ascii_lowercase().as_str() {
                    "net_transport" => variant_text("TCP"),
                    "protocol_type" => variant_text("TSQL"),
                    "auth_scheme" => variant_text("SQL"),
                    _ => Datum::Null,
                })
            })
        }
        "SESSIONPROPERTY" => {
            call.count(1..=1)?;
            let options = core.options().clone();
            Signature::strict(vec![sysname], Type::Variant, move |v| {
                Ok(options.switch(text(&v[0])).map_or(Datum::Null, |on| variant_int(i32::from(on))))
            })
        }
        "SESSION_CONTEXT" => {
            call.count(1..=1)?;
            Signature { nullable: true, ..Signature::strict(vec![sysname], Type::Variant, |_| Ok(Datum::Null)) }
        }
        "COLLATIONPROPERTY" => {
            call.count(2..=2)?;
            Signature::strict(vec![sysname.clone(), sysname], Type::Variant, |v| {
                Ok(collation_property(text(&v[0]), text(&v[1])))
            })
        }
        "SQL_VARIANT_PROPERTY" => {
            call.count(2..=2)?;
            Signature::strict(vec![Type::Variant, sysname], Type::Variant, |v| Ok(variant_property(&v[0], text(&v[1]))))
        }
        "CHECKSUM" | "BINARY_CHECKSUM" => {
            call.count(1..=254)?;
            let arguments = (0..call.arguments.len()).map(|at| call.kind(at)).collect();
            Signature::lenient(arguments, Type::Int, |v| Ok(checksum(v))).required()
        }
        "IS_SRVROLEMEMBER" => {
            call.count(1..=2)?;
            let roles = core.server_roles();
            let arguments = vec![sysname; call.arguments.len()];
            Signature::strict(arguments, Type::Int, move |v| {
                let member = text(&v[0]).eq_ignore_ascii_case("public")
                    || roles.iter().any(|role| role.eq_ignore_ascii_case(text(&v[0])));
                Ok(Datum::Int(i32::from(member)))
            })
        }
        "IDENT_CURRENT" => {
            call.count(1..=1)?;
            ident_current(call, binder)
        }
        _ => return Ok(None),
    }))
}

/// What `ERROR_NUMBER()` and its like tell of the error that a `CATCH` has.
fn caught(call: &Call<'_>, binder: &Binder<'_>) -> Signature {
    let error = binder.frame.caught.as_ref();
    let (kind, value) = match call.name {
        "ERROR_MESSAGE" => (call.nvarchar(4000), error.map(|error| Datum::Text(error.message.clone()))),
        "ERROR_PROCEDURE" => {
            let procedure = error.filter(|error| !error.procedure.is_empty());
            (call.sysname(), procedure.map(|error| Datum::Text(error.procedure.clone())))
        }
        "ERROR_NUMBER" => (Type::Int, error.map(|error| Datum::Int(error.number))),
        "ERROR_SEVERITY" => (Type::Int, error.map(|error| Datum::Int(i32::from(error.class)))),
        "ERROR_STATE" => (Type::Int, error.map(|error| Datum::Int(i32::from(error.state)))),
        _ => (Type::Int, error.map(|error| Datum::Int(error.line))),
    };
    Signature { nullable: true, ..Signature::fixed(kind, value.unwrap_or(Datum::Null)) }
}

fn ident_current(call: &Call<'_>, binder: &mut Binder<'_>) -> Signature {
    let kind = Type::Numeric { precision: 38, scale: 0 };
    let value = match call.arguments[0].constant.as_ref() {
        Some(Datum::Text(name)) => binder.core.identity_of(name, &binder.database.clone()),
        _ => None,
    };
    let value = value.map_or(Datum::Null, |last| crate::sql::value::number::decimal(i128::from(last), 38, 0));
    Signature { arguments: vec![call.kind(0)], nullable: true, ..Signature::fixed(kind, value) }
}

fn variant_text(value: &str) -> Datum {
    let kind = types::text_of(true, Some(128), Collation::DEFAULT);
    Datum::Variant(Box::new(Variant { r#type: kind, value: Datum::Text(value.to_owned()) }))
}

fn variant_int(value: i32) -> Datum {
    Datum::Variant(Box::new(Variant { r#type: Type::Int, value: Datum::Int(value) }))
}

fn server_property(name: &str, server: &str) -> Datum {
    match name.to_ascii_lowercase().as_str() {
        "productversion" => variant_text(VERSION),
        "productlevel" => variant_text("RTM"),
        "productupdatelevel" => variant_text("CU9"),
        "productmajorversion" => variant_text("16"),
        "productminorversion" => variant_text("0"),
        "productbuild" => variant_text("4085"),
        "edition" => variant_text("Developer Edition (64-bit)"),
        "engineedition" => variant_int(3),
        "editionid" => Datum::Variant(Box::new(Variant { r#type: Type::BigInt, value: Datum::BigInt(-2_117_995_310) })),
        "collation" => variant_text(Collation::DEFAULT.name()),
        "servername" | "machinename" | "computernamephysicalnetbios" => variant_text(server),
        "isclustered"
        | "ishadrenabled"
        | "isintegratedsecurityonly"
        | "isfulltextinstalled"
        | "issingleuser"
        | "isxtpsupported"
        | "ispolybaseinstalled"
        | "isadvancedanalyticsinstalled"
        | "islocaldb" => variant_int(0),
        "processid" => variant_int(1),
        "lcid" => variant_int(1033),
        "sqlcharset" => Datum::Variant(Box::new(Variant { r#type: Type::TinyInt, value: Datum::TinyInt(1) })),
        "sqlcharsetname" => variant_text("iso_1"),
        "sqlsortorder" => Datum::Variant(Box::new(Variant { r#type: Type::TinyInt, value: Datum::TinyInt(52) })),
        "sqlsortordername" => variant_text("nocase_iso"),
        _ => Datum::Null,
    }
}

fn collation_property(name: &str, property: &str) -> Datum {
    let Some(collation) = Collation::named(name) else { return Datum::Null };
    match property.to_ascii_lowercase().as_str() {
        "codepage" => variant_int(i32::from(collation.code_page())),
        "lcid" => variant_int(i32::try_from(collation.locale()).unwrap_or(0)),
        "comparisonstyle" => variant_int(match collation.case() {
            crate::data::collation::Case::Insensitive => 196_609,
            crate::data::collation::Case::Sensitive => 196_608,
            crate::data::collation::Case::Binary => 0,
        }),
        "version" => variant_int(if collation.name().contains("_100_") { 2 } else { 0 }),
        _ => Datum::Null,
    }
}

fn variant_property(value: &Datum, property: &str) -> Datum {
    let Datum::Variant(variant) = value else { return Datum::Null };
    let (precision, scale) = types::precision_and_scale(&variant.r#type);
    match property.to_ascii_lowercase().as_str() {
        "basetype" => variant_text(types::name(&variant.r#type)),
        "precision" => variant_int(i32::from(precision)),
        "scale" => variant_int(i32::from(scale)),
        "maxlength" => variant_int(i32::from(types::max_length(&variant.r#type))),
        "collation" => variant.r#type.collation().map_or(Datum::Null, |collation| variant_text(collation.name())),
        _ => Datum::Null,
    }
}

/// A number that depends on all values; not SQL Server's own, which is not published.
fn checksum(values: &[Datum]) -> Datum {
    let mut sum = 0_u32;
    for value in values {
        let shown = match value {
            Datum::Text(text) => text.to_lowercase().trim_end().to_owned(),
            other => format!("{other:?}"),
        };
        for byte in shown.bytes() {
            sum = sum.rotate_left(4) ^ u32::from(byte);
        }
    }
    Datum::Int(sum.cast_signed())
}

/// A flag as `int`.
pub(super) fn flag(on: bool) -> Datum {
    Datum::Int(i32::from(on))
}

/// An id that may be given as a number.
pub(super) fn id(value: &Datum) -> Option<i32> {
    i32::try_from(int(value)).ok()
}
