//! The driver's properties (`driver.*`, formerly `database.*`) that have a meaning here.

use std::time::Duration;

use tributary_api::{Config, Error, Props, Result, Secret};

use super::definition::properties;
use crate::sql::{Encryption, Login};

pub(super) fn login(config: &Config) -> Result<Login> {
    let driver = Driver(config.originals());
    driver.refuse_unsupported()?;
    let encryption = driver.encryption()?;
    let access_token = driver.get("accessToken").map(Secret::new);
    let user = config.optional_string("database.user")?.unwrap_or_default().to_owned();
    if user.is_empty() && access_token.is_none() {
        return Err(Error::config_at("database.user", "database.user is missing: write the login to connect with"));
    }
    let password = config.secret("database.password")?.cloned().unwrap_or_else(|| Secret::new(""));
    let query_timeout: u64 = config.int("database.query.timeout.ms")?;
    let port: u16 = config.int("database.port")?;
    Ok(Login {
        host: config.string("database.hostname")?.to_owned(),
        port,
        user,
        password,
        access_token,
        encryption,
        trust_any_certificate: driver.flag("trustServerCertificate")?,
        certificate: driver.get("serverCertificate").map(str::to_owned),
        host_in_certificate: driver.get("hostNameInCertificate").map(str::to_owned),
        application: driver.get("applicationName").unwrap_or("Tributary").to_owned(),
        read_only: driver.get("applicationIntent").is_some_and(|intent| intent.eq_ignore_ascii_case("ReadOnly")),
        multi_subnet_failover: driver.flag("multiSubnetFailover")?,
        packet_size: driver.packet_size(encryption)?,
        login_timeout: Duration::from_secs(driver.number("loginTimeout")?.map_or(30, u64::from)),
        query_timeout: (query_timeout > 0).then(|| Duration::from_millis(query_timeout)),
    })
}

struct Driver<'a>(&'a Props);

impl<'a> Driver<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.get(&format!("driver.{name}")).or_else(|| self.0.get(&format!("database.{name}")));
        found.map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name).map(str::to_lowercase).as_deref() {
            None | Some("false" | "no") => Ok(false),
            Some("true" | "yes") => Ok(true),
            Some(other) => Err(wrong(name, other, "true or false")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u32>> {
        self.get(name).map(|text| text.parse().map_err(|_| wrong(name, text, "a whole number"))).transpose()
    }

    /// The bounds are the protocol's. A packet that is encrypted fits into one TLS record.
    fn packet_size(&self, encryption: Encryption) -> Result<Option<u32>> {
        let most = if encryption == Encryption::Login { u32::MAX } else { 16_383 };
        match self.number("packetSize")? {
            Some(size) if !(512..=32_767).contains(&size) => {
                Err(wrong("packetSize", &size.to_string(), "a number from 512 to 32767"))
            }
            size => Ok(size.map(|size| size.min(most))),
        }
    }

    fn encryption(&self) -> Result<Encryption> {
        match self.get("encrypt").map(str::to_lowercase).as_deref() {
            None | Some("true" | "yes" | "mandatory") => Ok(Encryption::All),
            Some("false" | "no" | "optional") => Ok(Encryption::Login),
            Some("strict") => Ok(Encryption::Strict),
            Some(other) => Err(wrong("encrypt", other, "true, false or strict")),
        }
    }

    fn refuse_unsupported(&self) -> Result<()> {
        let scheme = self.get("authenticationScheme");
        if self.flag("integratedSecurity")?
            || scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case("nativeAuthentication"))
        {
            let message = "Windows logins (driver.integratedSecurity, driver.authenticationScheme) are not supported yet: write a SQL \
                           login into database.user and database.password, or an Entra token into driver.accessToken";
            return Err(Error::config_at("driver.integratedSecurity", message));
        }
        match self.get("authentication") {
            None | Some("NotSpecified" | "SqlPassword") => Ok(()),
            Some(other) => Err(Error::config_at(
                "driver.authentication",
                format!(
                    "driver.authentication={other} is not supported yet: use SqlPassword, or fetch a token for driver.accessToken"
                ),
            )),
        }
    }
}

pub(super) fn warn_of_unknown_driver_settings(props: &Props) {
    let definition = properties();
    for name in props.keys().filter(|name| name.starts_with("driver.") && definition.key(name).is_none()) {
        tracing::warn!(property = name, "a setting of the JDBC driver has no effect: it is not supported yet");
    }
}

fn wrong(name: &str, value: &str, wanted: &str) -> Error {
    let name = format!("driver.{name}");
    let message = format!("{name} is {value:?}: write {wanted}");
    Error::config_at(name, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_packet_has_the_bounds_of_the_protocol_and_of_its_encryption() {
        let size = |text: &str, encryption| {
            let props = Props::from([("driver.packetSize".to_owned(), text.to_owned())]);
            Driver(&props).packet_size(encryption)
        };
        assert_eq!(size("32767", Encryption::Login).unwrap(), Some(32_767));
        assert_eq!(size("32767", Encryption::All).unwrap(), Some(16_383));
        assert_eq!(size("", Encryption::All).unwrap(), None);
        assert!(size("511", Encryption::Login).unwrap_err().to_string().contains("driver.packetSize"));
        assert!(size("32768", Encryption::Login).is_err());
    }
}
