use tributary_api::{Error, Result};

use super::{ClientConfig, Native};

/// Trust and key stores: Java's formats as far as they can be read without Java.
pub(super) fn translate(config: &ClientConfig, native: &mut Native) -> Result<()> {
    let encrypted =
        config.get("security.protocol").is_some_and(|protocol| protocol.to_ascii_uppercase().ends_with("SSL"));
    if !encrypted {
        return Ok(());
    }
    trusted(config, native)?;
    shown(config, native)?;
    let algorithm = config.java.get("ssl.endpoint.identification.algorithm").map(|value| value.trim());
    let check_name = algorithm.is_none_or(|algorithm| !algorithm.is_empty());
    let algorithm = if check_name { "https" } else { "none" };
    native.put("ssl.endpoint.identification.algorithm", algorithm, "ssl.endpoint.identification.algorithm");
    Ok(())
}

fn trusted(config: &ClientConfig, native: &mut Native) -> Result<()> {
    if let Some(pem) = config.get("ssl.truststore.certificates") {
        native.put("ssl.ca.pem", pem, "ssl.truststore.certificates");
    } else if let Some(location) = config.get("ssl.truststore.location") {
        match Format::of(config.get("ssl.truststore.type"), location) {
            Format::Pem => native.put("ssl.ca.location", location, "ssl.truststore.location"),
            Format::Jks | Format::Pkcs12 => {
                return Err(unreadable(
                    "ssl.truststore",
                    "keytool -exportcert -rfc -keystore <store> -alias <alias> -file <file>.pem",
                ));
            }
        }
    }
    Ok(())
}

fn shown(config: &ClientConfig, native: &mut Native) -> Result<()> {
    let password = config.get("ssl.key.password");
    if let (Some(chain), Some(key)) = (config.get("ssl.keystore.certificate.chain"), config.get("ssl.keystore.key")) {
        native.put("ssl.certificate.pem", chain, "ssl.keystore.certificate.chain");
        native.put("ssl.key.pem", key, "ssl.keystore.key");
    } else if let Some(location) = config.get("ssl.keystore.location") {
        match Format::of(config.get("ssl.keystore.type"), location) {
            Format::Pem => {
                // One file holds both, as in Java.
                native.put("ssl.certificate.location", location, "ssl.keystore.location");
                native.put("ssl.key.location", location, "ssl.keystore.location");
            }
            Format::Pkcs12 => {
                native.put("ssl.keystore.location", location, "ssl.keystore.location");
                if let Some(password) = config.get("ssl.keystore.password") {
                    native.put("ssl.keystore.password", password, "ssl.keystore.password");
                }
                return Ok(());
            }
            Format::Jks => {
                return Err(unreadable(
                    "ssl.keystore",
                    "keytool -importkeystore -srckeystore <store> -destkeystore <file>.p12 -deststoretype PKCS12",
                ));
            }
        }
    }
    if let Some(password) = password {
        native.put("ssl.key.password", password, "ssl.key.password");
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Format {
    Pem,
    Pkcs12,
    Jks,
}

impl Format {
    /// By the declared type, by the file's name otherwise; Java's default is JKS.
    fn of(declared: Option<&str>, location: &str) -> Self {
        let extension = location.rsplit('.').next().unwrap_or_default();
        match declared.unwrap_or(extension).to_ascii_lowercase().as_str() {
            "pem" | "crt" | "cer" => Self::Pem,
            "pkcs12" | "p12" | "pfx" => Self::Pkcs12,
            _ => Self::Jks,
        }
    }
}

#[cold]
fn unreadable(store: &str, command: &str) -> Error {
    Error::config_at(
        format!("{store}.location"),
        format!(
            "{store}.location is a java store that only a java program can read: convert it with `{command}`, then set \
         {store}.location to the new file and {store}.type to its type"
        ),
    )
}
