//! The secrets that sign session tokens: one without an id, an earlier one, and keys that tokens name.

use tributary_api::{Config, ConfigIssue, ConfigKey, ConfigType, Error, Importance, Result, Width};

use crate::session::Signer;

const SECRET: &str = "session.secret";
const PREVIOUS_SECRET: &str = "session.secret.previous";
const KEYS: &str = "session.keys";
const SIGNING_KEY: &str = "session.key.id";

/// The signer of a configuration.
///
/// # Errors
/// With the property that cannot be used.
pub(super) fn signer(config: &Config) -> Result<Signer> {
    let secret = |name| config.secret(name).map(|secret| secret.map(|secret| secret.expose()));
    let at = |name: &'static str| move |error: Error| error.context(name).with_property(name);
    let mut signer = Signer::new(secret(SECRET)?.unwrap_or_default()).map_err(at(SECRET))?;
    if let Some(previous) = secret(PREVIOUS_SECRET)? {
        signer = signer.also_accept(previous).map_err(at(PREVIOUS_SECRET))?;
    }
    for pair in secret(KEYS)?.unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        // The message shows nothing of a pair, which may be a secret without its id.
        let form = || Error::config("write a list of ID=SECRET, separated by commas");
        let (id, secret) = pair.split_once('=').ok_or_else(form).map_err(at(KEYS))?;
        signer = signer.with_key(id.trim(), secret.trim()).map_err(at(KEYS))?;
    }
    match config.optional_string(SIGNING_KEY)? {
        Some(id) => signer.sign_with(id).map_err(at(SIGNING_KEY)),
        None => Ok(signer),
    }
}

/// What is wrong with the secrets.
pub(super) fn check(config: &Config) -> Result<Option<ConfigIssue>> {
    // That it is missing is reported already.
    let is_given = config.secret(SECRET)?.is_some();
    Ok(signer(config).err().filter(|_| is_given).map(|error| ConfigIssue::of_error(&error, SECRET)))
}

/// The properties of both connectors.
pub(super) fn config_keys() -> [ConfigKey; 4] {
    let password = |name: &str, display_name: &str, doc: &str| {
        ConfigKey::new(name, ConfigType::Password)
            .importance(Importance::Low)
            .width(Width::Medium)
            .display_name(display_name)
            .doc(doc)
    };
    [
        password(
            SECRET,
            "Session secret",
            "The secret that signs session tokens (HMAC-SHA256), shared with the web server that issues them; at least \
             32 random bytes. It verifies the tokens that name none of session.keys in their header (kid).",
        )
        .required()
        .importance(Importance::High),
        password(
            PREVIOUS_SECRET,
            "Previous session secret",
            "A secret whose tokens are still accepted: set it to the old one for as long as a session lasts when you \
             change the secret.",
        ),
        password(
            KEYS,
            "Session keys",
            "Further secrets by their ids, such as 2026a=SECRET,2026b=SECRET: a token that names one of these ids in its \
             header (kid) is verified with its secret alone. To change a key, add the new one here in all connectors, \
             let it sign, and remove the old one when its last token has ended.",
        ),
        ConfigKey::new(SIGNING_KEY, ConfigType::String)
            .importance(Importance::Low)
            .width(Width::Medium)
            .display_name("Signing key")
            .doc(
                "The id of the one of session.keys that signs the tokens of anonymous sessions, which the collector \
                 issues itself. Without it session.secret does.",
            ),
    ]
}

#[cfg(test)]
mod tests {
    use tributary_api::{ConfigDef, Props};

    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Config {
        let secret = [("session.secret", "0123456789abcdef0123456789abcdef")];
        let props: Props = secret.iter().chain(pairs).map(|(name, value)| ((*name).into(), (*value).into())).collect();
        ConfigDef::new(config_keys()).parse(&props).unwrap()
    }

    fn issue(pairs: &[(&str, &str)]) -> String {
        check(&config(pairs)).unwrap().map(|issue| format!("{}: {}", issue.name, issue.message)).unwrap_or_default()
    }

    #[test]
    fn keys_are_a_list_of_ids_and_secrets() {
        let keys = ("session.keys", "a = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, b=BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB ,");
        assert_eq!(issue(&[keys, ("session.key.id", "b")]), "");
        let session = crate::session::Session::anonymous(2000);
        let token = signer(&config(&[keys, ("session.key.id", "a")])).unwrap().issue(&session);
        assert!(signer(&config(&[keys])).unwrap().verify(&token, 1).is_ok());
        let other = ("session.keys", "a=BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB");
        assert!(signer(&config(&[other])).unwrap().verify(&token, 1).is_err());
    }

    #[test]
    fn what_is_wrong_names_its_property_and_no_secret() {
        for (pairs, wanted) in [
            (&[("session.keys", "a=short-secret")][..], "session.keys"),
            (&[("session.keys", "SECRETSECRETSECRETSECRETSECRETSECRET")], "session.keys"),
            (&[("session.keys", "a b=SECRETSECRETSECRETSECRETSECRETSECRET")], "session.keys"),
            (&[("session.key.id", "a")], "session.key.id"),
            (&[("session.secret.previous", "short")], "session.secret.previous"),
            (&[("session.secret", "short")], "session.secret"),
        ] {
            let issue = issue(pairs);
            assert!(issue.starts_with(&format!("{wanted}: ")) && !issue.contains("SECRETSECRET"), "{issue}");
        }
    }
}
