//! Which types become which.

use crate::data::Type;
use crate::sql::types;

/// How far a conversion is allowed between two types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    Implicit,
    Explicit,
    Never,
}

pub(crate) fn allowed(from: &Type, to: &Type) -> Allowed {
    use Allowed::{Explicit, Implicit, Never};
    let legacy = |kind: &Type| kind.is_legacy_large();
    match (from, to) {
        _ if types::rank(from) == types::rank(to) => Implicit,
        (Type::Udt(_), _) => {
            if types::is_binary(to) || types::is_text(to) {
                Explicit
            } else {
                Never
            }
        }
        (_, Type::Udt(_)) => {
            if types::is_binary(from) || types::is_text(from) {
                Implicit
            } else {
                Never
            }
        }
        (Type::Variant, _) => {
            if legacy(to) || *to == Type::Xml {
                Never
            } else {
                Explicit
            }
        }
        (_, Type::Variant) => {
            let max = (types::is_text(from) || types::is_binary(from)) && types::size(from).is_none();
            if max || legacy(from) || *from == Type::Xml { Never } else { Implicit }
        }
        (Type::Xml, _) => {
            if types::is_text(to) || types::is_binary(to) {
                Explicit
            } else {
                Never
            }
        }
        (_, Type::Xml) => {
            if types::is_text(from) || types::is_binary(from) {
                Implicit
            } else {
                Never
            }
        }
        _ if types::is_text(from) && types::is_text(to) => Implicit,
        _ if types::is_text(from) && types::is_binary(to) => Explicit,
        _ if types::is_binary(from) && types::is_text(to) => Implicit,
        _ if types::is_binary(from) && types::is_binary(to) => Implicit,
        _ if legacy(from) || legacy(to) => Never,
        _ if types::is_text(from) => Implicit,
        _ if types::is_text(to) => {
            if matches!(from, Type::Money | Type::SmallMoney) {
                Explicit
            } else {
                Implicit
            }
        }
        (Type::UniqueIdentifier, _) => {
            if types::is_binary(to) {
                Explicit
            } else {
                Never
            }
        }
        (_, Type::UniqueIdentifier) => {
            if types::is_binary(from) {
                Explicit
            } else {
                Never
            }
        }
        _ if types::is_number(from) && types::is_number(to) => Implicit,
        _ if types::is_binary(from) && matches!(to, Type::Real | Type::Float) => Never,
        _ if types::is_binary(from) && types::is_number(to) => Implicit,
        _ if types::is_number(from) && types::is_binary(to) => Implicit,
        _ if types::is_temporal(from) && types::is_temporal(to) => match (from, to) {
            (Type::Date, Type::Time { .. }) | (Type::Time { .. }, Type::Date) => Never,
            _ => Implicit,
        },
        _ if types::is_temporal(from) && types::is_binary(to) => Explicit,
        _ if types::is_binary(from) && types::is_temporal(to) => Explicit,
        (_, Type::DateTime | Type::SmallDateTime) if types::is_number(from) => Implicit,
        (Type::DateTime | Type::SmallDateTime, _) if types::is_number(to) => Explicit,
        _ => Never,
    }
}
