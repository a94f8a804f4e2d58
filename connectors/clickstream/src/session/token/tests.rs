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
    Session { id: "s-1".into(), customer: Some("c-1".into()), device: None, expires_at }
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
        signer.issue(&Session { id: id.to_owned().into(), customer, device: None, expires_at: 2000 })
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

const AUTUMN: (&str, &str) = ("2026-autumn", "the key of autumn, which is long enough");
const WINTER: (&str, &str) = ("2026:winter", "the key of winter, which is long too");

/// What each worker and web server has in turn when a key is changed: no step refuses a token of the step before or after.
#[test]
fn a_key_is_changed_without_refusing_a_token() {
    let base = || Signer::new(SECRET).unwrap();
    let add = |signer: Signer, (id, secret): (&str, &str)| signer.with_key(id, secret).unwrap();
    let steps = [
        base(),
        add(base(), AUTUMN),
        add(base(), AUTUMN).sign_with(AUTUMN.0).unwrap(),
        add(add(base(), AUTUMN), WINTER).sign_with(AUTUMN.0).unwrap(),
        add(add(base(), AUTUMN), WINTER).sign_with(WINTER.0).unwrap(),
        add(base(), WINTER).sign_with(WINTER.0).unwrap(),
    ];
    // Tokens of a key have ended before the last step, which takes it away.
    for pair in steps[..5].windows(2) {
        for (issuer, reader) in [(0, 1), (1, 0), (1, 1)] {
            let token = pair[issuer].issue(&session(2000));
            assert_eq!(pair[reader].verify(&token, 1), Ok(session(2000)), "{token}");
        }
    }
    assert_eq!(steps[5].verify(&steps[4].issue(&session(2000)), 1), Ok(session(2000)));
    let retired = steps[2].issue(&session(2000));
    assert_eq!(steps[5].verify(&retired, 1), Err(TokenError::Forged), "the key of autumn is gone");
}

#[test]
fn a_token_that_names_a_key_is_signed_with_it_and_with_no_other() {
    let signer = Signer::new(SECRET).unwrap().with_key(AUTUMN.0, AUTUMN.1).unwrap();
    let claims = r#"{"sid":"s-1","sub":"c-1","exp":2}"#;
    let of_key = |id: &str| format!(r#"{{"kid":"{id}","alg":"HS256"}}"#);
    // `signed` uses SECRET, the key without an id.
    assert_eq!(signer.verify(&signed(&of_key(AUTUMN.0), claims), 1), Err(TokenError::Forged));
    assert_eq!(signer.verify(&signed(&of_key("unknown"), claims), 1), Ok(session(2000)));
    let unnamed = Signer::new(AUTUMN.1).unwrap().issue(&session(2000));
    assert_eq!(signer.verify(&unnamed, 1), Err(TokenError::Forged));
    let named = Signer::new(SECRET).unwrap().with_key(AUTUMN.0, AUTUMN.1).unwrap().sign_with(AUTUMN.0).unwrap();
    assert_eq!(signer.verify(&named.issue(&session(2000)), 1), Ok(session(2000)));
}

/// The token was made by the Python of the README.
#[test]
fn a_token_of_another_language_names_its_key() {
    let signer = Signer::new(SECRET).unwrap().with_key(AUTUMN.0, AUTUMN.1).unwrap();
    let token = "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCIsICJraWQiOiAiMjAyNi1hdXR1bW4ifQ.\
                 eyJzaWQiOiAicy0xIiwgInN1YiI6ICJjLTEiLCAiZXhwIjogMn0.\
                 ri9WdnMjRMci2bXtmZpwE_V8HXX6Kp7K9SeoQ2jeWhc";
    assert_eq!(signer.verify(token, 1), Ok(session(2000)));
}

#[test]
fn keys_have_ids_and_secrets_of_their_own() {
    let signer = || Signer::new(SECRET).unwrap();
    for id in ["", "a b", "a,b", &"x".repeat(65)] {
        assert!(signer().with_key(id, OLD).is_err(), "{id}");
    }
    assert!(signer().with_key("a", OLD).unwrap().with_key("a", SECRET).unwrap_err().to_string().contains("two keys"));
    assert!(signer().with_key("a", &OLD[..31]).unwrap_err().to_string().contains("32 bytes"));
    assert!(signer().sign_with("a").unwrap_err().to_string().contains("session.keys"));
}

#[test]
fn secrets_are_long_enough_and_hidden() {
    assert!(Signer::new(&SECRET[1..]).unwrap_err().to_string().contains("32 bytes"));
    assert!(!format!("{:?}", Signer::new(SECRET).unwrap()).contains(SECRET));
}
