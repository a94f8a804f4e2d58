use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelString, MAP_TYPE, NULL_TYPE, Type};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use tributary_api::Value;

use super::Budget;
use crate::signals::Signals;

/// Longer lists are truncated for rules.
const MAX_LIST: usize = 256;

static NULL: Value = Value::Null;
static MAP: Type = MAP_TYPE;
static NOTHING: Type = NULL_TYPE;

/// The variables of a rule, converted lazily.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables<'a> {
    pub(crate) event: &'a Value,
    pub(crate) profile: &'a Value,
    pub(crate) product: &'a Value,
    pub(crate) signals: &'a Signals<'a>,
    pub(crate) now: i64,
    pub(crate) budget: &'a Budget,
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if self.budget.is_exhausted() {
            return None;
        }
        let (root, path) = variable.split_once('.').unwrap_or((variable, ""));
        let below = |value: &'b Value| {
            // A missing field is null, so that a rule can compare it.
            let value = if path.is_empty() { value } else { value.path(path).unwrap_or(&NULL) };
            Some(CowVal::Owned(convert(value, self.budget)))
        };
        match root {
            "event" => below(self.event),
            "profile" => below(self.profile),
            "product" => below(self.product),
            "signal" => self.signals.number(path).map(|number| match number {
                Ok(number) => CowVal::owned(CelInt::from(number)),
                Err(raised) => CowVal::owned(CelBool::from(raised)),
            }),
            "now" if path.is_empty() => Some(CowVal::owned(CelInt::from(self.now))),
            _ => None,
        }
    }
}

fn convert<'v>(value: &'v Value, budget: &'v Budget) -> Box<dyn Val + 'v> {
    let value = if budget.value(value) { value } else { &NULL };
    match value {
        Value::Boolean(value) => Box::new(CelBool::from(*value)),
        Value::String(text) => Box::new(CelString::from(&**text)),
        Value::Float32(_) | Value::Float64(_) => Box::new(CelDouble::from(value.as_f64().unwrap_or_default())),
        Value::Array(items) => {
            let items: Vec<Box<dyn Val + 'v>> = items
                .iter()
                .take(MAX_LIST)
                .take_while(|item| budget.item(item))
                .map(|item| convert(item, budget))
                .collect();
            Box::new(CelList::from(items))
        }
        value => match value.as_i64() {
            Some(number) => Box::new(CelInt::from(number)),
            None => Box::new(Json(value, budget)),
        },
    }
}

/// An object, or null; its fields are converted lazily.
#[derive(Clone, Copy, Debug)]
struct Json<'a>(&'a Value, &'a Budget);

impl Json<'_> {
    fn is_object(self) -> bool {
        matches!(self.0, Value::Map(_) | Value::Struct(_))
    }
}

impl Val for Json<'_> {
    fn get_type(&self) -> &Type {
        if self.is_object() { &MAP } else { &NOTHING }
    }

    fn cel_type() -> &'static Type {
        &MAP
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        !self.is_object() && other.get_type().name() == NOTHING.name()
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for Json<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = index.downcast_ref::<CelString<'_>>().map_or("", |name| name.inner());
        match self.0.get(name) {
            Some(value) => Ok(CowVal::Owned(convert(value, self.1))),
            None => Err(ExecutionError::no_such_key(name)),
        }
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}
