use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OLD: &str = "an older secret of ours, which is long enough";

#[test]
fn a_token_is_verified_into_its_session() {
    let signer = Signer::new(SECRET).unwrap();
    for session in [Session::anonymous(2000), Session::of_customer("c-1", 2000).unwrap()] {
        assert_eq!(signer.verify(&signer.issue(&session), 1999), Ok(session));
    }
}

fn session(expires_at: i64) -> Session {
    Session { id: "s-1".into(), customer: Some("c-1".into()), expires_at }
}

/// A token that is signed with the secret, whatever it holds.
fn signed(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
    let signature = keyed(SECRET).unwrap().chain_update(&signed).finalize().into_bytes();
    format!("{signed}.{}", BASE64URL.encode(signature))
}

/// The tokens were made with Python's `hmac`.
#[test]
fn tokens_are_those_of_other_jwt_libraries() {
    let signer = Signer::new(SECRET).unwrap();
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaWQiOiJzLTEiLCJzdWIiOiJjLTEiLCJleHAiOjJ9.\
                 LeCtKQSQAAUW2yriBJjav5RB7qSzXFILdvloUNjRrks";
    assert_eq!(signer.issue(&session(2999)), token);
    assert_eq!(signer.verify(token, 1), Ok(session(2000)));
    let other = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6IjIwMjYifQ.\
                 eyJleHAiOjIuNSwiaWF0IjoxLCJzaWQiOiJzLTEiLCJzdWIiOiJjLTEiLCJpc3MiOiJzaG9wIn0.\
                 7Ox71KjHSdc1byK05c87SdDuzOca18cc_1ClI1Dj5yc";
    assert_eq!(signer.verify(other, 1), Ok(session(2500)));
}

#[test]
fn a_token_of_the_format_before_jwt_is_accepted_until_it_expires() {
    let signer = Signer::new(SECRET).unwrap();
    let token = "v1.eyJzIjoicy0xIiwiYyI6ImMtMSIsImUiOjIwMDB9.EnMU3FQdr-O5xiNGH2OGKn36WfBLKTHZ-y-nrI6UIkA";
    assert_eq!(signer.verify(token, 1999), Ok(session(2000)));
    assert_eq!(signer.verify(token, 2000), Err(TokenError::Expired));
    assert_eq!(signer.verify(&token.replace("v1.", "v2."), 1), Err(TokenError::Forged));
}

#[test]
fn headers_and_claims_that_forbid_a_token_are_obeyed() {
    let signer = Signer::new(SECRET).unwrap();
    let (header, claims) = (r#"{"alg":"HS256"}"#, r#"{"sid":"s-1","sub":"c-1","exp":2}"#);
    assert_eq!(signer.verify(&signed(header, claims), 1), Ok(session(2000)));
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","crit":["b64"]}"#,
        r#"{"alg":"HS256","crit":null}"#,
        r#"{"alg":"HS256","typ":"at+jwt"}"#,
    ] {
        assert_eq!(signer.verify(&signed(header, claims), 1), Err(TokenError::Forged), "{header}");
    }
    for claims in [
        r#"{"sid":"s-1","sub":"c-1"}"#,
        r#"{"sub":"c-1","exp":2}"#,
        r#"{"sid":"s-1","exp":"2"}"#,
        r#"{"sid":"s-1","exp":1e300}"#,
        r#"{"sid":"s-1","exp":9223372036854775807}"#,
        r#"{"sid":"s-1","exp":2,"aud":"billing"}"#,
        r#"{"sid":"s-1","exp":2,"aud":null}"#,
    ] {
        assert_eq!(signer.verify(&signed(header, claims), 1), Err(TokenError::Forged), "{claims}");
    }
    let begins = signed(header, r#"{"sid":"s-1","exp":300,"nbf":62}"#);
    assert_eq!(signer.verify(&begins, 1_999), Err(TokenError::NotYet));
    assert!(signer.verify(&begins, 2_000).is_ok(), "the issuer's clock may be a minute ahead");
    let in_ms = signed(header, r#"{"sid":"s-1","exp":1800000000000}"#);
    assert_eq!(signer.verify(&in_ms, 1_790_000_000_000), Err(TokenError::TooLong));
}

#[test]
fn a_person_is_the_customer_or_the_session() {
    assert_eq!(Session::of_customer("c-1", 1).unwrap().person(), "c-1");
    let anonymous = Session::anonymous(1);
    assert_eq!(&*anonymous.person(), format!("anon:{}", anonymous.id()));
    assert!(Session::of_customer("anon:x", 1).is_err());
}

#[test]
fn time_ends_a_token() {
    let signer = Signer::new(SECRET).unwrap();
    let token = signer.issue(&Session::anonymous(2000));
    assert_eq!(signer.verify(&token, 2000), Err(TokenError::Expired));
}

#[test]
fn every_changed_byte_makes_a_forgery() {
    let signer = Signer::new(SECRET).unwrap();
    let token = signer.issue(&Session::of_customer("c-1", 2000).unwrap());
    // The last character of the signature has unused bits; the decoder refuses a token in which they are set.
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(signer.verify(&changed, 1), Err(TokenError::Forged), "byte {at}");
    }
    for garbage in ["", "v1.", "v1..", "v1.e30.", "a.b.c", "e30.e30.e30", &"v1.".repeat(1000)] {
        assert_eq!(signer.verify(garbage, 1), Err(TokenError::Forged));
    }
}

#[test]
fn a_signed_token_holds_only_valid_session_ids() {
    let signer = Signer::new(SECRET).unwrap();
    let sign = |id: &str, customer: Option<&str>| {
        let customer = customer.map(|customer| customer.to_owned().into());
        signer.issue(&Session { id: id.to_owned().into(), customer, expires_at: 2000 })
    };
    assert!(signer.verify(&sign("s", Some("c-1")), 1).is_ok());
    let long = "x".repeat(MAX_ID_BYTES + 1);
    for customer in ["", "anon:x", "a\nb", "a\u{1b}[31m", &long] {
        assert_eq!(signer.verify(&sign("s", Some(customer)), 1), Err(TokenError::Forged), "{customer:?}");
        assert!(Session::of_customer(customer.to_owned(), 1).is_err(), "{customer:?}");
    }
    for id in ["", "a\nb", &long] {
        assert_eq!(signer.verify(&sign(id, None), 1), Err(TokenError::Forged), "{id:?}");
    }
}

#[test]
fn an_earlier_secret_is_accepted_while_it_is_named() {
    let old = Signer::new(OLD).unwrap();
    let token = old.issue(&Session::anonymous(2000));
    let new = Signer::new(SECRET).unwrap();
    assert_eq!(new.verify(&token, 1), Err(TokenError::Forged));
    assert!(new.also_accept(OLD).unwrap().verify(&token, 1).is_ok());
}

#[test]
fn secrets_are_long_enough_and_hidden() {
    assert!(Signer::new(&SECRET[1..]).unwrap_err().to_string().contains("32 bytes"));
    assert!(!format!("{:?}", Signer::new(SECRET).unwrap()).contains(SECRET));
}
