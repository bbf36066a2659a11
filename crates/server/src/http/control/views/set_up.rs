//! Setting up a factor: at an invitation, and in one's account.

use std::fmt::Write as _;

use maud::{Markup, html};
use qrcode::{Color, QrCode};

use super::super::look::parts::{self, Field, Passkey};
use super::fault_of;
use crate::flows::people::Setup;
use domain::refusal::Refusal;

/// The form that makes a passkey.
pub fn passkey(csrf: &str, action: &str, setup: &Setup) -> Markup {
    let content = html! {
        (parts::field(&Field::text("label", "What to call it").optional()
            .hinting("So that you know it again, such as \"laptop\" or \"blue security key\".")))
        (parts::main_button("Make a passkey"))
    };
    parts::passkey(csrf, action, Passkey::Create, &setup.passkey, &content)
}

/// The secret for an app, as a square to scan and in letters, and the form for its first code.
pub fn totp(csrf: &str, action: &str, setup: &Setup, refused: Option<&Refusal>) -> Markup {
    let groups: Vec<_> = setup.secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    let content = html! {
        (parts::field(&Field::text("code", "Code that the app shows").completing("one-time-code")
            .faulting(fault_of(refused, "code"))))
        (parts::button("Use this app"))
    };
    html! {
        p { "Scan this with an app that makes codes, or type the letters below it into the app." }
        @if let Some(square) = square(&setup.address) { (square) }
        p { code { (groups.join(" ")) } }
        (parts::form(csrf, action, &content))
    }
}

/// A QR code, black on white whatever the page's colours are: cameras want it so.
fn square(text: &str) -> Option<Markup> {
    const EDGE: usize = 4;
    let code = QrCode::new(text.as_bytes()).ok()?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let mut path = String::new();
    for (at, _) in dark {
        let (x, y) = (at % width + EDGE, at / width + EDGE);
        // Writing to a text does not fail.
        let _ = write!(path, "M{x} {y}h1v1h-1z");
    }
    let side = width + 2 * EDGE;
    Some(html! {
        svg viewBox=(format!("0 0 {side} {side}")) width="220" height="220" role="img" aria-label="QR code for an app that makes codes" {
            rect width="100%" height="100%" fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    })
}
