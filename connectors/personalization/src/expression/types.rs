//! Types of expressions, as far as they are declared. What is not declared has any type, and nothing is said about it.

use std::collections::BTreeMap;
use std::fmt;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use serde::Deserialize;
use tributary_api::{Error, Result};

/// The maximum nesting of a declared type.
const MAX_LEVELS: usize = 16;

/// A declared type, in YAML a name, a list of one type or an object: `{name: string, tags: [string], consent: {marketing: boolean}}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Type {
    #[default]
    Any,
    Boolean,
    Number,
    Text,
    List(Box<Type>),
    Object(BTreeMap<String, Type>),
}

/// What is declared of events, profiles and products.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schema {
    /// The types that events may have; none: any.
    #[serde(default)]
    pub(crate) event_types: Vec<String>,
    #[serde(default)]
    event: Type,
    #[serde(default)]
    profile: Type,
    #[serde(default)]
    product: Type,
}

impl Schema {
    /// # Errors
    /// `Config`, with the place of the fault.
    pub(crate) fn parse(yaml: &str) -> Result<Self> {
        let invalid = |error: serde_yaml_ng::Error| {
            let place = error
                .location()
                .map_or_else(String::new, |at| format!(" at line {} column {}", at.line(), at.column()));
            // Nothing of the file is quoted: it may be any that the worker can read.
            Error::config(format!(
                "the schema cannot be read{place}: write event_types, event, profile and product, with fields of type any, \
                 boolean, number, string, [TYPE] or {{FIELD: TYPE}}"
            ))
        };
        let schema: Self = serde_yaml_ng::from_str(yaml).map_err(invalid)?;
        let deepest = [&schema.event, &schema.profile, &schema.product].into_iter().map(Type::levels).max();
        match deepest {
            Some(levels) if levels > MAX_LEVELS => {
                Err(Error::config(format!("the schema has more than {MAX_LEVELS} levels")))
            }
            _ => Ok(schema),
        }
    }

    /// The type of a field of a root, by its path; `None` when the path is not declared.
    ///
    /// # Errors
    /// `Config`, naming the fields that there are.
    pub(crate) fn field(&self, root: &str, path: &str) -> Result<Type> {
        let mut at = self.root(root);
        let mut place = root.to_owned();
        for name in path.split('.') {
            at = at.field(&place, name)?;
            place = format!("{place}.{name}");
        }
        Ok(at)
    }

    fn root(&self, name: &str) -> Type {
        match name {
            "event" => self.event.clone(),
            "profile" => self.profile.clone(),
            "product" => self.product.clone(),
            _ => Type::Any,
        }
    }
}

impl Type {
    fn levels(&self) -> usize {
        match self {
            Self::List(item) => 1 + item.levels(),
            Self::Object(fields) => 1 + fields.values().map(Self::levels).max().unwrap_or_default(),
            _ => 1,
        }
    }

    /// The type of a field of this one, which is at `place`.
    fn field(&self, place: &str, name: &str) -> Result<Self> {
        match self {
            Self::Any => Ok(Self::Any),
            Self::Object(fields) => fields.get(name).cloned().ok_or_else(|| {
                let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                Error::config(format!("{place}.{name} is unknown: there are {}", known.join(", ")))
            }),
            other => Err(Error::config(format!("{place}.{name} is unknown: {place} is {other}"))),
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(other)) => one.is(other),
            (Self::Object(_), Self::Object(_)) => true,
            _ => self == other,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "of any type",
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        })
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Name(Name),
            List([Box<Type>; 1]),
            Object(BTreeMap<String, Type>),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Name {
            Any,
            Boolean,
            Number,
            String,
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Name(Name::Any) => Self::Any,
            Written::Name(Name::Boolean) => Self::Boolean,
            Written::Name(Name::Number) => Self::Number,
            Written::Name(Name::String) => Self::Text,
            Written::List([item]) => Self::List(item),
            Written::Object(fields) => Self::Object(fields),
        })
    }
}

/// Checks the fields and types of an expression; signals are those of [`Type::Number`] and [`Type::Boolean`].
///
/// # Errors
/// `Config`, naming the field or the operation.
pub(super) fn check(ast: &IdedExpr, schema: &Schema, signals: &BTreeMap<&str, Type>) -> Result<()> {
    let mut check = TypeCheck { schema, signals, scope: Vec::new() };
    let whole = check.type_of(ast)?;
    if whole.is(&Type::Boolean) {
        return Ok(());
    }
    Err(Error::config(format!("the condition is {whole}: it must be true or false")))
}

struct TypeCheck<'a> {
    schema: &'a Schema,
    signals: &'a BTreeMap<&'a str, Type>,
    /// The variables of the enclosing comprehensions.
    scope: Vec<(&'a str, Type)>,
}

impl<'a> TypeCheck<'a> {
    fn type_of(&mut self, node: &'a IdedExpr) -> Result<Type> {
        match &node.expr {
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::Ident(name) => Ok(self.variable(name)),
            Expr::Select(select) => {
                let field = self.select(&select.operand, &select.field)?;
                Ok(if select.test { Type::Boolean } else { field })
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => {
                let items: Vec<Type> = list.elements.iter().map(|item| self.type_of(item)).collect::<Result<_>>()?;
                let first = items.first().cloned().unwrap_or_default();
                Ok(Type::List(Box::new(if items.iter().all(|item| *item == first) { first } else { Type::Any })))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Unspecified | Expr::Map(_) | Expr::Struct(_) => Ok(Type::Any),
        }
    }

    fn variable(&self, name: &str) -> Type {
        if let Some((_, known)) = self.scope.iter().rev().find(|(known, _)| *known == name) {
            return known.clone();
        }
        if name == "now" { Type::Number } else { self.schema.root(name) }
    }

    fn select(&mut self, operand: &'a IdedExpr, field: &str) -> Result<Type> {
        if let Expr::Ident(name) = &operand.expr
            && name == "signal"
            && !self.scope.iter().any(|(known, _)| known == name)
        {
            return Ok(self.signals.get(field).cloned().unwrap_or_default());
        }
        self.type_of(operand)?.field(&path(operand), field)
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Type> {
        let target = call.target.as_ref().map(|target| self.type_of(target)).transpose()?;
        let args: Vec<Type> = call.args.iter().map(|arg| self.type_of(arg)).collect::<Result<_>>()?;
        let all = |wanted: &Type| args.iter().find(|arg| !arg.is(wanted));
        let refuse = |what: &str, got: &Type| Err(Error::config(format!("{what} cannot be used with what is {got}")));
        match (call.func_name.as_str(), args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _) => match all(&Type::Boolean) {
                Some(got) => refuse("&&, || and !", got),
                None => Ok(Type::Boolean),
            },
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) if !is_null(call) && !left.is(right) => {
                Err(Error::config(format!("== and != compare what is {left} with what is {right}: they always differ")))
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => match (left.is(right), [left, right].into_iter().find(|one| !is_ordered(one))) {
                (true, None) => Ok(Type::Boolean),
                (_, Some(got)) => refuse("<, <=, > and >=", got),
                (false, None) => {
                    Err(Error::config(format!("<, <=, > and >= compare what is {left} with what is {right}")))
                }
            },
            (operators::EQUALS | operators::NOT_EQUALS | operators::IN, _) => Ok(Type::Boolean),
            ("startsWith" | "endsWith" | "contains", _) => {
                match target.iter().chain(&args).find(|one| !one.is(&Type::Text)) {
                    Some(got) => refuse(&call.func_name, got),
                    None => Ok(Type::Boolean),
                }
            }
            (
                operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE | operators::MODULO | operators::NEGATE,
                _,
            ) => match all(&Type::Number) {
                Some(got) => refuse("arithmetic", got),
                None => Ok(Type::Number),
            },
            ("size" | "int" | "uint" | "double", _) => Ok(Type::Number),
            ("string", _) => Ok(Type::Text),
            (operators::CONDITIONAL, [condition, ..]) if !condition.is(&Type::Boolean) => refuse("? and :", condition),
            (operators::CONDITIONAL, [_, yes, no]) => Ok(if yes == no { yes.clone() } else { Type::Any }),
            _ => Ok(Type::Any),
        }
    }

    fn comprehension(&mut self, inner: &'a ComprehensionExpr) -> Result<Type> {
        let item = match self.type_of(&inner.iter_range)? {
            Type::List(item) => *item,
            _ => Type::Any,
        };
        let begin = self.type_of(&inner.accu_init)?;
        let before = self.scope.len();
        // What is collected of items has any type.
        let collected = if begin == Type::Boolean { begin } else { Type::Any };
        self.scope.extend([(inner.iter_var.as_str(), item), (inner.accu_var.as_str(), collected.clone())]);
        self.scope.extend(inner.iter_var2.as_deref().map(|second| (second, Type::Any)));
        let parts = [&inner.loop_cond, &inner.loop_step, &inner.result];
        let checked = parts.into_iter().try_for_each(|part| self.type_of(part).map(drop));
        self.scope.truncate(before);
        checked.map(|()| collected)
    }
}

fn is_ordered(kind: &Type) -> bool {
    matches!(kind, Type::Any | Type::Number | Type::Text)
}

/// A missing field is null, so everything can be compared with it.
fn is_null(call: &CallExpr) -> bool {
    call.args.iter().any(|arg| matches!(arg.expr, Expr::Literal(LiteralValue::Null)))
}

fn of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Boolean,
        LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Type::Number,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::Bytes(_) | LiteralValue::Null => Type::Any,
    }
}

/// What an expression is called in messages.
fn path(node: &IdedExpr) -> String {
    match &node.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => format!("{}.{}", path(&select.operand), select.field),
        _ => "the value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Expression;
    use super::*;

    const SCHEMA: &str = "event_types: [product_view]\nevent: {type: string, price: number, tags: [string], ab: any}\n\
                          profile: {tier: string, consent: {marketing: boolean}}\n";

    fn check(source: &str) -> std::result::Result<(), String> {
        let signals = BTreeMap::from([("linger", Type::Boolean), ("engaged_s", Type::Number)]);
        let expression = Expression::compile(source, &["linger", "engaged_s"]).unwrap();
        expression.check_types(&Schema::parse(SCHEMA).unwrap(), &signals).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_declared_may_be_used_as_it_is_declared() {
        for right in [
            "signal.linger && !signal.linger && signal.engaged_s > 20",
            "event.price * 2.0 >= 30.5 && event.type == 'product_view'",
            "profile.consent.marketing && has(profile.tier) && profile.tier.startsWith('g')",
            "event.tags.exists(t, t == 'vip') && 'a' in event.tags && size(event.tags) > 1",
            "event.tags.map(t, t + 'x').all(t, t != 'yx')",
            "profile.tier != null && profile.tier in ['gold', 'silver']",
            "event.ab.anything.deeper == 3 || event.ab == 'x' || product.price > 3",
            "profile.tier == 'gold' ? signal.linger : event.price > 5.0",
            "event['tags'].all(t, t > 'a') || now > 5",
        ] {
            assert_eq!(check(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn what_is_not_declared_or_of_another_type_is_refused_by_name() {
        for (wrong, named) in [
            ("profile.segmnt == 'gold'", "profile.segmnt is unknown: there are consent, tier"),
            ("profile.consent.mail", "profile.consent.mail is unknown"),
            ("has(profile.teir)", "profile.teir"),
            ("profile.tier.level == 3", "profile.tier is text"),
            ("signal.engaged_s > '20'", "a number with what is text"),
            ("signal.linger > 3", "true or false"),
            ("event.price == '3'", "always differ"),
            ("event.tags.exists(t, t == 3)", "always differ"),
            ("event.price && signal.linger", "&&"),
            ("!profile.tier", "!"),
            ("event.price.contains('x')", "contains"),
            ("profile.tier - 3 > 2", "arithmetic"),
            ("event.price", "the condition is a number"),
            ("event.price ? true : false", "?"),
        ] {
            let error = check(wrong).unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_schema_that_is_none_is_refused_without_quoting_it() {
        for wrong in ["event: {price: secret}", "secret: 1", "profile: [string, string]", "- secret"] {
            let error = Schema::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("write event_types") && !error.contains("secret"), "{error}");
        }
        let deep = format!("event: {}number{}", "[".repeat(20), "]".repeat(20));
        assert!(Schema::parse(&deep).unwrap_err().to_string().contains("levels"));
    }
}
