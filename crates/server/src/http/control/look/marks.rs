//! Small pictures, drawn in the text's colour: shapes of states, the bell.

use maud::{Markup, html};

/// How a state is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As wished.
    Good,
    /// Under way; nobody need do anything.
    Open,
    /// Somebody must do something, or a time must pass.
    Waiting,
    /// It failed, or was refused.
    Bad,
    /// It is over, neither well nor badly.
    Over,
}

impl Tone {
    /// The class of the style.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
            Self::Over => "over",
        }
    }
}

/// The shape of a state. Each differs from the others in outline, without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Done, right, passed.
    Tick,
    /// Refused, failed.
    Cross,
    /// Ended, expired, switched off.
    Bar,
    /// Partly there.
    Half,
    /// All there, not decided.
    Dot,
    /// Somebody must look at it.
    Diamond,
    /// A time must pass.
    Hourglass,
    /// Held closed.
    Lock,
}

/// The shape alone; what it means is said in words beside it.
pub(super) fn draw(mark: Mark) -> Markup {
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            @match mark {
                Mark::Tick => path.line d="m4 12.5 5.5 5.5L20 6.5" {},
                Mark::Cross => path.line d="m5 5 14 14M19 5 5 19" {},
                Mark::Bar => path.line d="M4 12h16" {},
                Mark::Half => {
                    circle.line cx="12" cy="12" r="8.5" {}
                    path.fill d="M12 6a6 6 0 0 1 0 12z" {}
                },
                Mark::Dot => {
                    circle.line cx="12" cy="12" r="8.5" {}
                    circle.fill cx="12" cy="12" r="5" {}
                },
                Mark::Diamond => path.line d="M12 2.5 21.5 12 12 21.5 2.5 12z" {},
                Mark::Hourglass => path.line d="M6 3h12M6 21h12M7.5 3c0 5 4.5 6 4.5 9s-4.5 4-4.5 9M16.5 3c0 5-4.5 6-4.5 9s4.5 4 4.5 9" {},
                Mark::Lock => path.line d="M5 11h14v9.5H5zM8 11V7.5a4 4 0 0 1 8 0V11" {},
            }
        }
    }
}

pub(super) fn bell() -> Markup {
    html! {
        svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
            path.line d="M5 17.5c1.5-1.5 1.75-3.5 1.75-7a5.25 5.25 0 0 1 10.5 0c0 3.5.25 5.5 1.75 7zM10 20.5h4" {}
        }
    }
}
