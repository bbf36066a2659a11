//! The cookie that holds a session's token.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;

use crate::control::Control;

/// The token that a call shows; none where it shows none. Where a browser sends two, neither counts: somebody else's
/// page may have set one.
pub fn token<'h>(headers: &'h HeaderMap, control: &Control) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == control.cookie_name()).map(|(_, value)| value);
    let token = ours.next();
    if ours.next().is_some() { None } else { token }
}

/// The answer with this token in the cookie, until the browser is closed; empty: with the cookie taken back.
pub fn with_token(mut response: Response, token: &str, control: &Control) -> Response {
    let secure = if control.is_secure { "; Secure" } else { "" };
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    let line = format!("{}={token}; Path=/{secure}; HttpOnly; SameSite=Lax{age}", control.cookie_name());
    // A name of ours and base64url.
    if let Ok(value) = HeaderValue::from_str(&line) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    response
}
