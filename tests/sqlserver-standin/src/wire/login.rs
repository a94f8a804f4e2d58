//! The login: who, to which database, with what packet size.

use super::bytes::{Malformed, Source};

/// Versions of the protocol, as a login says them.
pub(super) const TDS_7_3A: u32 = 0x730A_0003;
pub(super) const TDS_7_4: u32 = 0x7400_0004;
pub(super) const TDS_8: u32 = 0x0800_0000;

const FEATURE_UTF8: u8 = 0x0a;
const FEATURE_END: u8 = 0xff;

/// A login message.
#[derive(Debug, Default)]
pub(super) struct LoginRequest {
    pub(super) version: u32,
    /// 0 leaves it to the server.
    pub(super) packet_size: u32,
    pub(super) host: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) application: String,
    pub(super) database: String,
    /// By Windows, not by a name and a password.
    pub(super) integrated: bool,
    /// The client can take text in UTF-8.
    pub(super) utf8: bool,
    /// The client sent features, and waits for an answer to them.
    pub(super) features: bool,
}

impl LoginRequest {
    pub(super) fn parse(message: &[u8]) -> Result<LoginRequest, Malformed> {
        const INTEGRATED: u8 = 0x80;
        const EXTENSION: u8 = 0x10;
        let mut fixed = Source::new(message);
        if fixed.u32()? as usize != message.len() {
            return Err(Malformed("a login of another length than it says"));
        }
        let version = fixed.u32()?;
        let packet_size = fixed.u32()?;
        fixed.take(12)?;
        let [_, options, _, more] = fixed.array()?;
        fixed.take(8)?;
        let mut text = |message: &[u8]| field(message, fixed.u16()?, fixed.u16()?);
        let host = text(message)?;
        let user = text(message)?;
        let password = revealed(&mut fixed, message)?;
        let mut text = |message: &[u8]| field(message, fixed.u16()?, fixed.u16()?);
        let application = text(message)?;
        let _server = text(message)?;
        let (extension, extension_length) = (fixed.u16()?, fixed.u16()?);
        let mut text = |message: &[u8]| field(message, fixed.u16()?, fixed.u16()?);
        let _library = text(message)?;
        let _language = text(message)?;
        let database = text(message)?;
        let mut login = LoginRequest {
            version,
            packet_size,
            host,
            user,
            password,
            application,
            database,
            integrated: options & INTEGRATED != 0,
            utf8: false,
            features: false,
        };
        if more & EXTENSION != 0 && extension_length >= 4 {
            login.read_features(message, extension)?;
        }
        Ok(login)
    }

    fn read_features(&mut self, message: &[u8], extension: u16) -> Result<(), Malformed> {
        let at = Source::new(after(message, usize::from(extension))?).u32()?;
        let mut features = Source::new(after(message, at as usize)?);
        self.features = true;
        loop {
            let feature = features.u8()?;
            if feature == FEATURE_END {
                return Ok(());
            }
            let length = features.u32()? as usize;
            features.take(length)?;
            self.utf8 |= feature == FEATURE_UTF8;
        }
    }
}

fn after(message: &[u8], offset: usize) -> Result<&[u8], Malformed> {
    message.get(offset..).ok_or(Malformed("a part of the login is outside of it"))
}

fn field(message: &[u8], offset: u16, units: u16) -> Result<String, Malformed> {
    if units == 0 {
        return Ok(String::new());
    }
    Source::new(after(message, usize::from(offset))?).utf16(usize::from(units))
}

/// The password, which the protocol hides from a glance only.
fn revealed(fixed: &mut Source<'_>, message: &[u8]) -> Result<String, Malformed> {
    let (offset, units) = (fixed.u16()?, fixed.u16()?);
    if units == 0 {
        return Ok(String::new());
    }
    let hidden = Source::new(after(message, usize::from(offset))?).take(usize::from(units) * 2)?;
    let bytes: Vec<u8> = hidden.iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
    Ok(super::bytes::utf16(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A login as a client builds it: the fixed part, then the texts, then the features.
    fn message(user: &str, password: &str, features: &[u8]) -> Vec<u8> {
        let mut fixed = Vec::new();
        let mut data: Vec<u8> = Vec::new();
        for number in [TDS_7_4, 8000, 0, 0, 0] {
            fixed.extend_from_slice(&number.to_le_bytes());
        }
        fixed.extend_from_slice(&[0xe0, 0x03, 0x20, 0x10]);
        fixed.extend_from_slice(&[0; 8]);
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let hidden = wide(password).iter().map(|b| b.rotate_left(4) ^ 0xa5).collect();
        let texts = [wide("box"), wide(user), hidden, wide("app"), wide(""), vec![], wide("lib"), wide(""), wide("db")];
        for (index, bytes) in texts.iter().enumerate() {
            let offset = (94 + data.len()) as u16;
            if index == 5 {
                fixed.extend_from_slice(&[offset.to_le_bytes(), 4_u16.to_le_bytes()].concat());
                data.extend_from_slice(&u32::from(offset + 4).to_le_bytes());
                data.extend_from_slice(features);
            } else {
                fixed.extend_from_slice(&[offset.to_le_bytes(), ((bytes.len() / 2) as u16).to_le_bytes()].concat());
                data.extend_from_slice(bytes);
            }
        }
        fixed.resize(90, 0);
        let length = (4 + fixed.len() + data.len()) as u32;
        [length.to_le_bytes().to_vec(), fixed, data].concat()
    }

    #[test]
    fn a_login_says_who_and_where() {
        let login = LoginRequest::parse(&message("sa", "Gęślą1!", &[0x0a, 1, 0, 0, 0, 1, 0xff])).unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str(), login.database.as_str()), ("sa", "Gęślą1!", "db"));
        assert_eq!((login.version, login.packet_size), (TDS_7_4, 8000));
        assert!(login.utf8 && login.features && !login.integrated);
    }

    #[test]
    fn features_without_an_end_are_malformed() {
        assert!(LoginRequest::parse(&message("sa", "x", &[0x0a, 255, 255, 255, 255])).is_err());
    }

    #[test]
    fn a_login_cut_anywhere_is_malformed() {
        let whole = message("sa", "secret", &[0xff]);
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            if length >= 4 {
                cut[..4].copy_from_slice(&(length as u32).to_le_bytes());
            }
            // Nothing is said of the result: it must only not panic.
            drop(LoginRequest::parse(&cut));
        }
        assert!(LoginRequest::parse(&whole[..90]).is_err());
    }
}
