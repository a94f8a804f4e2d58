use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tributary_api::{Config, Error, Result};

const PROPERTY: &str = "response.http.headers.config";

/// `response.http.headers.config`: headers of every response, such as `set X-Frame-Options: DENY, add Cache-Control:
/// "no-cache, no-store"`. A rule that contains a comma is enclosed in double quotes as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHeaders(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    adds: bool,
    name: HeaderName,
    value: HeaderValue,
}

impl ResponseHeaders {
    pub(crate) fn of(worker: &Config) -> Result<Self> {
        rules(worker.string(PROPERTY)?).map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for Rule { adds, name, value } in &self.0 {
            match adds {
                true => drop(headers.append(name, value.clone())),
                false => drop(headers.insert(name, value.clone())),
            }
        }
    }
}

/// Whether all rules can be read.
///
/// # Errors
/// `Config`, quoting the first that cannot.
pub(crate) fn check(text: &str) -> Result<()> {
    rules(text).map(drop)
}

fn rules(text: &str) -> Result<Vec<Rule>> {
    split(text).iter().filter(|rule| !rule.is_empty()).map(|rule| parse(rule)).collect()
}

/// Splits at commas outside quotes, and removes the quotes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut quoted) = (vec![String::new()], false);
    for character in text.chars() {
        match (character, parts.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => parts.push(String::new()),
            (other, Some(part)) => part.push(other),
            (_, None) => {}
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

fn parse(rule: &str) -> Result<Rule> {
    let wrong = || {
        let how = "write rules as \"set Name: value\" or \"add Name: value\", separated by commas";
        Error::config_at(PROPERTY, format!("{PROPERTY} has {rule:?}: {how}"))
    };
    let (action, header) = rule.split_once(' ').ok_or_else(wrong)?;
    let (name, value) = header.split_once(':').ok_or_else(wrong)?;
    let adds = match action.to_ascii_lowercase().as_str() {
        "set" | "setdate" => false,
        "add" | "adddate" => true,
        _ => return Err(wrong()),
    };
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    Ok(Rule { adds, name, value })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tributary_api::Props;

    use super::*;
    use crate::RestOptions;

    fn rules(text: &str) -> Result<ResponseHeaders> {
        let props = Props::from([("response.http.headers.config".to_owned(), text.to_owned())]);
        ResponseHeaders::of(&RestOptions::definition().parse(&props)?)
    }

    #[test]
    fn rules_set_and_add() {
        let mut headers = HeaderMap::new();
        headers.insert("a", "old".parse().unwrap());
        let rules = rules(r#"set A: new, "add B: 1, 2",add B:3"#).unwrap();
        rules.apply(&mut headers);
        assert_eq!(headers.get("a").unwrap(), "new");
        let values: Vec<_> = headers.get_all("b").iter().collect();
        assert_eq!(values, ["1, 2", "3"]);
        assert!(ResponseHeaders::of(&RestOptions::definition().parse(&Props::new()).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn a_rule_that_cannot_be_read_is_refused() {
        for text in ["A: b", "put A: b", "set A", "set : b c", "set A B: x"] {
            assert!(rules(text).is_err(), "{text}");
        }
    }
}
