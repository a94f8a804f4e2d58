//! Targeting conditions as GrowthBook writes them: which people take part in an experiment. Values are compared as
//! JavaScript does it, because GrowthBook's SDKs do; the published cases of its SDKs are the test.

mod javascript;
#[cfg(test)]
mod tests;

use fancy_regex::{Regex, RegexBuilder};
use tributary_api::{Error, Result, Value};

use javascript::{compare, is_same, number, padded_version, text, truthy, type_name};

/// Steps of a regular expression: beyond, it does not match.
const MAX_STEPS: usize = 10_000;
/// Levels of conditions within conditions.
const MAX_DEPTH: usize = 32;

/// A condition on a person's attributes: all of its parts must hold.
#[derive(Debug)]
pub(crate) struct Condition(Vec<Part>);

#[derive(Debug)]
enum Part {
    Any(Vec<Condition>),
    None(Vec<Condition>),
    All(Vec<Condition>),
    Not(Condition),
    Field(Vec<String>, Test),
}

/// What a value is tested for.
#[derive(Debug)]
enum Test {
    /// It is this value.
    Is(Value),
    /// All of these operators hold.
    Operators(Vec<Operator>),
}

#[derive(Debug)]
enum Operator {
    Equal(Value, bool),
    /// The operator, for example `<`, and the value.
    Order(Relation, Value),
    Version(Relation, String),
    Exists(bool),
    /// In the list; whether it must be; whether the case of letters does not matter.
    In {
        list: Vec<Value>,
        wanted: bool,
        any_case: bool,
    },
    Not(Box<Test>),
    Size(Box<Test>),
    Element(Box<ElementTest>),
    All {
        tests: Vec<Test>,
        any_case: bool,
    },
    Matches(Box<Regex>),
    Type(Value),
    /// An operand that no value satisfies.
    Never,
}

#[derive(Debug)]
enum ElementTest {
    Value(Test),
    Object(Condition),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    NotEqual,
}

impl Condition {
    /// Reads a condition. `groups` gives the lists that `$inGroup` names; one that is not there is empty.
    ///
    /// # Errors
    /// `Config`, naming the operator, when it is none of GrowthBook's, or its pattern is wrong.
    pub(crate) fn parse(value: &Value, groups: &dyn Fn(&str) -> Vec<Value>) -> Result<Self> {
        condition(value, groups, 0)
    }

    /// Whether a person with these attributes takes part.
    pub(crate) fn holds(&self, attributes: &Value) -> bool {
        self.0.iter().all(|part| match part {
            Part::Any(any) => any.is_empty() || any.iter().any(|one| one.holds(attributes)),
            Part::None(none) => !(none.is_empty() || none.iter().any(|one| one.holds(attributes))),
            Part::All(all) => all.iter().all(|one| one.holds(attributes)),
            Part::Not(not) => !not.holds(attributes),
            Part::Field(path, test) => {
                let found = path.iter().try_fold(attributes, |value, name| child(value, name));
                test.holds(found.unwrap_or(&Value::Null), false)
            }
        })
    }
}

/// A field of an object or an element of a list.
fn child<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    }
}

impl Test {
    fn holds(&self, value: &Value, any_case: bool) -> bool {
        match self {
            Self::Is(Value::String(wanted)) if any_case => text(value).to_lowercase() == wanted.to_lowercase(),
            Self::Is(Value::String(wanted)) => text(value) == **wanted,
            Self::Is(Value::Boolean(wanted)) => !value.is_null() && truthy(value) == *wanted,
            Self::Is(Value::Null) => value.is_null(),
            Self::Is(wanted) => match wanted.as_f64() {
                Some(wanted) => number(value) == Some(wanted),
                None => is_same_json(value, wanted),
            },
            Self::Operators(operators) => operators.iter().all(|operator| operator.holds(value)),
        }
    }
}

impl Operator {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Equal(wanted, equal) => is_same(value, wanted) == *equal,
            Self::Order(relation, wanted) => compare(value, wanted).is_some_and(|order| relation.holds(order)),
            Self::Version(relation, wanted) => relation.holds(padded_version(&text(value)).cmp(wanted)),
            Self::Exists(wanted) => value.is_null() != *wanted,
            Self::In { list, wanted, any_case } => is_in(value, list, *any_case) == *wanted,
            Self::Not(test) => !test.holds(value, false),
            Self::Size(test) => value
                .as_array()
                .is_some_and(|items| test.holds(&Value::Int64(i64::try_from(items.len()).unwrap_or(i64::MAX)), false)),
            Self::Element(test) => value.as_array().is_some_and(|items| {
                items.iter().any(|item| {
                    truthy(item)
                        && match &**test {
                            ElementTest::Value(test) => test.holds(item, false),
                            ElementTest::Object(condition) => condition.holds(item),
                        }
                })
            }),
            Self::All { tests, any_case } => value
                .as_array()
                .is_some_and(|items| tests.iter().all(|test| items.iter().any(|item| test.holds(item, *any_case)))),
            Self::Matches(regex) => regex.is_match(&text(value)).unwrap_or(false),
            Self::Type(wanted) => wanted.as_str() == Some(type_name(value)),
            Self::Never => false,
        }
    }
}

impl Relation {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

/// A list has one element in common with the other.
fn is_in(value: &Value, list: &[Value], any_case: bool) -> bool {
    let same = |a: &Value, b: &Value| match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) if any_case => a.to_lowercase() == b.to_lowercase(),
        _ => is_same(a, b),
    };
    let contains = |value: &Value| list.iter().any(|one| same(value, one));
    value.as_array().map_or_else(|| contains(value), |items| items.iter().any(contains))
}

fn is_same_json(a: &Value, b: &Value) -> bool {
    let json = |value: &Value| tributary_api::json::to_vec(value).unwrap_or_default();
    json(a) == json(b)
}

type Groups<'a> = &'a dyn Fn(&str) -> Vec<Value>;

fn condition(value: &Value, groups: Groups<'_>, depth: usize) -> Result<Condition> {
    let entries = entries(value).ok_or_else(|| invalid("a condition must be an object"))?;
    if depth > MAX_DEPTH {
        return Err(invalid("conditions are nested too deep"));
    }
    let several = |value: &Value| -> Result<Vec<Condition>> {
        let items = value.as_array().ok_or_else(|| invalid("$or, $nor and $and need a list of conditions"))?;
        items.iter().map(|item| condition(item, groups, depth + 1)).collect()
    };
    let part = |(name, value): (&str, &Value)| {
        Ok(match name {
            "$or" => Part::Any(several(value)?),
            "$nor" => Part::None(several(value)?),
            "$and" => Part::All(several(value)?),
            "$not" => Part::Not(condition(value, groups, depth + 1)?),
            path => Part::Field(path.split('.').map(str::to_owned).collect(), test(value, groups, depth + 1)?),
        })
    };
    Ok(Condition(entries.into_iter().map(part).collect::<Result<_>>()?))
}

fn test(value: &Value, groups: Groups<'_>, depth: usize) -> Result<Test> {
    if depth > MAX_DEPTH {
        return Err(invalid("conditions are nested too deep"));
    }
    match operators(value) {
        None => Ok(Test::Is(value.clone())),
        Some(entries) => {
            let read = entries.into_iter().map(|(name, operand)| operator(name, operand, groups, depth + 1));
            Ok(Test::Operators(read.collect::<Result<_>>()?))
        }
    }
}

fn operator(name: &str, operand: &Value, groups: Groups<'_>, depth: usize) -> Result<Operator> {
    let order = |relation| Ok(Operator::Order(relation, operand.clone()));
    let version = |relation| Ok(Operator::Version(relation, padded_version(&text(operand))));
    let within = |wanted, any_case| {
        let list = operand.as_array().map(<[Value]>::to_vec);
        Ok(list.map_or(Operator::Never, |list| Operator::In { list, wanted, any_case }))
    };
    let of_group = |wanted| Ok(Operator::In { list: groups(&text(operand)), wanted, any_case: false });
    let all = |any_case| {
        let Some(items) = operand.as_array() else { return Ok(Operator::Never) };
        let tests = items.iter().map(|item| test(item, groups, depth)).collect::<Result<_>>()?;
        Ok(Operator::All { tests, any_case })
    };
    match name {
        "$eq" => Ok(Operator::Equal(operand.clone(), true)),
        "$ne" => Ok(Operator::Equal(operand.clone(), false)),
        "$lt" => order(Relation::Less),
        "$lte" => order(Relation::AtMost),
        "$gt" => order(Relation::Greater),
        "$gte" => order(Relation::AtLeast),
        "$veq" => version(Relation::Equal),
        "$vne" => version(Relation::NotEqual),
        "$vlt" => version(Relation::Less),
        "$vlte" => version(Relation::AtMost),
        "$vgt" => version(Relation::Greater),
        "$vgte" => version(Relation::AtLeast),
        "$exists" => Ok(Operator::Exists(truthy(operand))),
        "$in" => within(true, false),
        "$nin" => within(false, false),
        "$ini" => within(true, true),
        "$nini" => within(false, true),
        "$inGroup" => of_group(true),
        "$notInGroup" => of_group(false),
        "$not" => Ok(Operator::Not(Box::new(test(operand, groups, depth)?))),
        "$size" => Ok(Operator::Size(Box::new(test(operand, groups, depth)?))),
        "$elemMatch" => Ok(Operator::Element(Box::new(match operators(operand) {
            Some(_) => ElementTest::Value(test(operand, groups, depth)?),
            None => ElementTest::Object(condition(operand, groups, depth)?),
        }))),
        "$all" => all(false),
        "$alli" => all(true),
        "$regex" => regex(operand, false),
        "$regexi" => regex(operand, true),
        "$type" => Ok(Operator::Type(operand.clone())),
        _ => Err(invalid(format!("operator {name} is none of GrowthBook's"))),
    }
}

fn regex(pattern: &Value, any_case: bool) -> Result<Operator> {
    let pattern = pattern.as_str().ok_or_else(|| invalid("$regex needs a text"))?;
    let built = RegexBuilder::new(pattern).case_insensitive(any_case).backtrack_limit(MAX_STEPS).build();
    built
        .map(|regex| Operator::Matches(Box::new(regex)))
        .map_err(|error| invalid(format!("$regex {pattern} is no regular expression")).cause(&error))
}

fn entries(value: &Value) -> Option<Vec<(&str, &Value)>> {
    let Value::Map(map) = value else { return None };
    Some(map.iter().filter_map(|(key, value)| Some((key.as_str()?, value))).collect())
}

/// The entries of an object that has operators only.
fn operators(value: &Value) -> Option<Vec<(&str, &Value)>> {
    entries(value).filter(|all| !all.is_empty() && all.iter().all(|(name, _)| name.starts_with('$')))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::config(message)
}
