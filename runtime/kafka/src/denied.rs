use tributary_api::Error;

/// Whether a broker denies the client access or an operation: an administrator must act, and a retry does not help.
pub fn is_denied(error: &Error) -> bool {
    const DENIED: [&str; 3] = ["AuthorizationException", "AuthenticationException", "UnsupportedVersionException"];
    DENIED.iter().any(|class| error.class().ends_with(class))
}
