//! The first exchange: versions, and whether the connection is encrypted.

use super::bytes::Malformed;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const MARS: u8 = 4;
const END: u8 = 0xff;

/// The version that the server says it is: 16.0.4135.
pub(super) const SERVER_VERSION: [u8; 4] = [16, 0, 0x10, 0x27];

/// What the two sides say of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EncryptionOption {
    /// Only the login.
    Off = 0,
    On = 1,
    NotSupported = 2,
    Required = 3,
}

/// Which encryption a server supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// It has no certificate: nothing is encrypted, not even the login.
    NotSupported,
    /// As the client likes it; at least the login, unless the client cannot.
    #[default]
    Optional,
    /// Everything.
    Required,
    /// Everything, and before the first byte of the protocol.
    Strict,
}

/// What the two sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NegotiatedEncryption {
    Plain,
    LoginOnly,
    All,
    /// The client does not support what the server requires: it gets an error, and disconnects.
    Nothing,
}

/// Decides on encryption and writes the answer.
pub(super) fn answer(
    request: &[u8],
    server: Encryption,
    encrypted: bool,
) -> Result<(Vec<u8>, NegotiatedEncryption), Malformed> {
    if encrypted {
        // What the client says of it means nothing any more.
        return Ok((write(EncryptionOption::NotSupported), NegotiatedEncryption::Plain));
    }
    let (said, agreed) = match (server, requested(request)?) {
        (Encryption::NotSupported, EncryptionOption::Off | EncryptionOption::NotSupported) => {
            (EncryptionOption::NotSupported, NegotiatedEncryption::Plain)
        }
        (Encryption::NotSupported, EncryptionOption::On | EncryptionOption::Required) => {
            (EncryptionOption::NotSupported, NegotiatedEncryption::Nothing)
        }
        (Encryption::Optional, EncryptionOption::Off) => (EncryptionOption::Off, NegotiatedEncryption::LoginOnly),
        (Encryption::Optional, EncryptionOption::NotSupported) => {
            (EncryptionOption::NotSupported, NegotiatedEncryption::Plain)
        }
        (_, EncryptionOption::On | EncryptionOption::Required) => (EncryptionOption::On, NegotiatedEncryption::All),
        (Encryption::Required | Encryption::Strict, EncryptionOption::Off) => {
            (EncryptionOption::Required, NegotiatedEncryption::All)
        }
        (Encryption::Required | Encryption::Strict, EncryptionOption::NotSupported) => {
            (EncryptionOption::Required, NegotiatedEncryption::Nothing)
        }
    };
    Ok((write(said), agreed))
}

/// What the client requests; one that says nothing wants only the login encrypted.
fn requested(request: &[u8]) -> Result<EncryptionOption, Malformed> {
    let mut at = 0;
    loop {
        match request.get(at) {
            Some(&END) => return Ok(EncryptionOption::Off),
            Some(&ENCRYPTION) => break,
            Some(_) => at += 5,
            None => return Err(Malformed("the options before the login have no end")),
        }
    }
    let offset = request.get(at + 1..at + 3).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    let value = offset.and_then(|offset| request.get(offset)).ok_or(Malformed("an option outside of the message"))?;
    // The high bit only says that the client has a certificate.
    Ok(match value & 0x7f {
        0 => EncryptionOption::Off,
        1 => EncryptionOption::On,
        2 => EncryptionOption::NotSupported,
        3 => EncryptionOption::Required,
        _ => return Err(Malformed("no known option of encryption")),
    })
}

fn write(encryption: EncryptionOption) -> Vec<u8> {
    let [major, minor, high, low] = SERVER_VERSION;
    let options: [(u8, &[u8]); 5] = [
        (VERSION, &[major, minor, high, low, 0, 0]),
        (ENCRYPTION, &[encryption as u8]),
        (INSTANCE, &[0]),
        (THREAD, &[]),
        (MARS, &[0]),
    ];
    let mut out = Vec::new();
    let mut offset = (options.len() * 5 + 1) as u16;
    for (token, value) in options {
        out.push(token);
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        offset += value.len() as u16;
    }
    out.push(END);
    for (_, value) in options {
        out.extend_from_slice(value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(encryption: u8) -> Vec<u8> {
        vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, encryption]
    }

    fn agreed(client: u8, server: Encryption) -> NegotiatedEncryption {
        answer(&request(client), server, false).unwrap().1
    }

    #[test]
    fn the_two_sides_agree_as_the_table_of_the_protocol_says() {
        assert_eq!(agreed(0, Encryption::Optional), NegotiatedEncryption::LoginOnly);
        assert_eq!(agreed(1, Encryption::Optional), NegotiatedEncryption::All);
        assert_eq!(agreed(0x83, Encryption::Optional), NegotiatedEncryption::All);
        assert_eq!(agreed(2, Encryption::Optional), NegotiatedEncryption::Plain);
        assert_eq!(agreed(0, Encryption::Required), NegotiatedEncryption::All);
        assert_eq!(agreed(2, Encryption::Required), NegotiatedEncryption::Nothing);
        assert_eq!(agreed(0, Encryption::NotSupported), NegotiatedEncryption::Plain);
        assert_eq!(agreed(1, Encryption::NotSupported), NegotiatedEncryption::Nothing);
    }

    #[test]
    fn an_answer_is_itself_a_list_of_options() {
        let (out, _) = answer(&request(1), Encryption::Optional, false).unwrap();
        assert_eq!(requested(&out).unwrap(), EncryptionOption::On);
        assert_eq!(out[26..30], SERVER_VERSION);
    }

    #[test]
    fn options_that_point_outside_are_malformed() {
        assert!(requested(&[1, 0, 99, 0, 1, 0xff]).is_err());
        assert!(requested(&[0, 0, 11]).is_err());
        assert!(requested(&[1]).is_err());
    }
}
