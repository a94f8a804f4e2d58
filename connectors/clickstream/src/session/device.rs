//! The device of a visitor: an id that outlives sessions, in a cookie of its own, signed as session tokens are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use tributary_api::ByteString;

use super::token::is_id;
use super::{Session, Signer};

/// The beginning of its cookie's value, which no session token has.
const FORMAT: &str = "d1";
/// The cookie is renewed after this time: a browser that comes back keeps it.
const RENEW_AFTER_MS: i64 = 30 * 86_400_000;

/// A device, as its cookie says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) id: ByteString,
    /// Whether the browser should get the cookie again.
    pub(crate) is_old: bool,
}

impl Signer {
    /// The cookie's value for a device.
    pub(crate) fn issue_device(&self, id: &str, now: i64) -> String {
        self.sign(&format!("{FORMAT}.{}.{}", BASE64URL.encode(id), now.div_euclid(1000)))
    }

    /// The device of a cookie's value; none if it is not signed by this site.
    pub(crate) fn verify_device(&self, value: &str, now: i64) -> Option<Device> {
        let signed = self.signed_part(value)?;
        let (id, issued_at) = signed.strip_prefix(FORMAT)?.strip_prefix('.')?.split_once('.')?;
        let id = String::from_utf8(BASE64URL.decode(id).ok()?).ok()?;
        let issued_at = issued_at.parse::<i64>().ok()?.checked_mul(1000)?;
        is_id(&id).then(|| Device { id: id.into(), is_old: now - issued_at > RENEW_AFTER_MS })
    }
}

impl Session {
    /// The same session, on a device.
    #[must_use]
    pub(crate) fn on_device(self, device: ByteString) -> Self {
        let mut session = self;
        session.device = Some(device);
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn signer(secret: char) -> Signer {
        Signer::new(&secret.to_string().repeat(32)).unwrap()
    }

    #[test]
    fn a_device_is_known_by_its_cookie_for_as_long_as_the_secret_is() {
        let value = signer('a').issue_device("d-1", NOW);
        let device = signer('a').verify_device(&value, NOW + 1).unwrap();
        assert_eq!((&*device.id, device.is_old), ("d-1", false));
        assert!(signer('a').verify_device(&value, NOW + RENEW_AFTER_MS + 1000).unwrap().is_old);
        assert_eq!(signer('b').verify_device(&value, NOW), None);
        assert!(signer('b').also_accept(&"a".repeat(32)).unwrap().verify_device(&value, NOW).is_some());
        for forged in ["", "d1", "d1.ZC0x.1", &value.replace("d1", "d2"), &value[..value.len() - 2]] {
            assert_eq!(signer('a').verify_device(forged, NOW), None, "{forged}");
        }
    }

    #[test]
    fn a_devices_cookie_is_no_session_and_a_session_token_no_device() {
        let signer = signer('a');
        assert!(signer.verify(&signer.issue_device("d-1", NOW), NOW).is_err());
        assert_eq!(signer.verify_device(&signer.issue(&Session::anonymous(NOW + 9000)), NOW), None);
    }

    #[test]
    fn anonymous_people_are_their_device_and_customers_themselves() {
        let session = Session::anonymous(NOW);
        assert_eq!(&*session.on_device("d-1".into()).person(), "anon:d-1");
        assert_eq!(&*Session::of_customer("c-1", NOW).unwrap().on_device("d-1".into()).person(), "c-1");
    }
}
