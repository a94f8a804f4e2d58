use crate::functions::LATEST;

/// The account and region of all functions.
pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "us-east-1";

/// Which function a request names, and which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) qualifier: Option<String>,
}

impl Target {
    /// Reads `NAME`, `ACCOUNT:function:NAME` or an ARN, each with or without `:QUALIFIER`, and the query's qualifier. None
    /// if it is none of these, or names two qualifiers that differ.
    pub(crate) fn parse(text: &str, query: Option<&str>) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (name, qualifier) = match parts.as_slice() {
            ["arn", _, "lambda", _, _, "function", rest @ ..] | [_, "function", rest @ ..] => match rest {
                [name] => (*name, None),
                [name, qualifier] => (*name, Some(*qualifier)),
                _ => return None,
            },
            [name] => (*name, None),
            [name, qualifier] => (*name, Some(*qualifier)),
            _ => return None,
        };
        let sound = |part: &str| {
            !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_$".contains(letter))
        };
        if !sound(name) || !qualifier.is_none_or(sound) || !query.is_none_or(sound) {
            return None;
        }
        let qualifier = match (qualifier, query) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.or(other).map(ToOwned::to_owned),
        };
        Some(Self { name: name.to_owned(), qualifier })
    }

    /// The name of the version that is asked for.
    pub(crate) fn qualifier(&self) -> &str {
        self.qualifier.as_deref().unwrap_or(LATEST)
    }

    /// The ARN as the request names it.
    pub(crate) fn arn(&self) -> String {
        let qualifier = self.qualifier.as_ref().map(|name| format!(":{name}")).unwrap_or_default();
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}{qualifier}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, query: Option<&str>) -> Option<(String, Option<String>)> {
        Target::parse(text, query).map(|target| (target.name, target.qualifier))
    }

    #[test]
    fn a_function_has_many_names() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:clicks";
        let named = |qualifier: Option<&str>| Some(("clicks".to_owned(), qualifier.map(ToOwned::to_owned)));
        for text in ["clicks", arn, "123456789012:function:clicks"] {
            assert_eq!(parsed(text, None), named(None), "{text}");
            assert_eq!(parsed(text, Some("live")), named(Some("live")), "{text}");
            assert_eq!(parsed(&format!("{text}:live"), None), named(Some("live")), "{text}");
            assert_eq!(parsed(&format!("{text}:live"), Some("live")), named(Some("live")), "{text}");
            assert_eq!(parsed(&format!("{text}:live"), Some("7")), None, "{text}");
        }
        assert_eq!(parsed("clicks:$LATEST", None), named(Some("$LATEST")));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "a b", "a:b:c:d", "arn:aws:s3:::bucket", "clicks:", "arn:aws:lambda:r:1:function:a:b:c"] {
            assert_eq!(parsed(text, None), None, "{text}");
        }
    }
}
