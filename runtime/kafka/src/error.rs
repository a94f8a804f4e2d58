use tributary_api::Error;

/// Whether a broker does not let the client in, or not do what it asks: an administrator must act, and no repetition
/// helps before.
pub fn is_denied(error: &Error) -> bool {
    const DENIED: [&str; 3] = ["AuthorizationException", "AuthenticationException", "UnsupportedVersionException"];
    DENIED.iter().any(|class| error.class().ends_with(class))
}
