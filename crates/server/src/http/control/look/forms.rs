//! Parts of forms. Every input has a label; a hint and a fault are tied to it, so that a screen reader says them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::marks::{Mark, draw};

/// One input.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its name, and its id.
    pub name: &'a str,
    /// What it asks for.
    pub label: &'a str,
    /// The type of the input.
    pub kind: &'a str,
    /// What stands in it.
    pub value: &'a str,
    /// What helps to fill it in; may be empty.
    pub hint: &'a str,
    /// What is wrong with what was sent.
    pub fault: Option<&'a str>,
    /// Whether it may not be left empty.
    pub required: bool,
    /// What a browser may fill in: a word of the standard; empty: nothing.
    pub autocomplete: &'a str,
}

impl<'a> Field<'a> {
    /// A text that must be filled in.
    pub const fn text(name: &'a str, label: &'a str) -> Self {
        Self {
            name,
            label,
            kind: "text",
            value: "",
            hint: "",
            fault: None,
            required: true,
            autocomplete: "off",
        }
    }

    /// A password, or another text that is not shown. `autocomplete` says which.
    pub const fn secret(name: &'a str, label: &'a str, autocomplete: &'a str) -> Self {
        Self { kind: "password", autocomplete, ..Self::text(name, label) }
    }

    /// The same, of another type.
    pub const fn of_kind(self, kind: &'a str) -> Self {
        Self { kind, ..self }
    }

    /// The same, with this in it.
    pub const fn holding(self, value: &'a str) -> Self {
        Self { value, ..self }
    }

    /// The same, with this hint.
    pub const fn hinting(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// The same, which a browser may fill in: a word of the standard.
    pub const fn completing(self, autocomplete: &'a str) -> Self {
        Self { autocomplete, ..self }
    }

    /// The same, which may be left empty.
    pub const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// The same, with what is wrong with it, if something is.
    pub const fn faulting(self, fault: Option<&'a str>) -> Self {
        Self { fault, ..self }
    }

    /// The ids of what describes it.
    fn described_by(&self) -> Option<String> {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let fault = self.fault.map(|_| format!("{}-fault", self.name));
        let ids: Vec<_> = hint.into_iter().chain(fault).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    fn around(&self, is_wide: bool, input: &Markup) -> Markup {
        html! {
            div.field.wide[is_wide] {
                label for=(self.name) {
                    (self.label)
                    @if !self.required && self.kind != "search" { span.soft { " (may be left empty)" } }
                }
                @if !self.hint.is_empty() { p.hint id=(format!("{}-hint", self.name)) { (self.hint) } }
                (input)
                @if let Some(fault) = self.fault {
                    p.fault id=(format!("{}-fault", self.name)) { (draw(Mark::Cross)) span { (fault) } }
                }
            }
        }
    }
}

/// An input with its label, hint and fault.
pub fn field(field: &Field<'_>) -> Markup {
    let is_code = field.autocomplete == "one-time-code";
    let input = html! {
        input id=(field.name) name=(field.name) type=(field.kind) value=(field.value) required[field.required]
            autocomplete=(field.autocomplete) class=[is_code.then_some("one-time-code")]
            inputmode=[is_code.then_some("numeric")] aria-describedby=[field.described_by()]
            aria-invalid=[field.fault.map(|_| "true")];
    };
    field.around(false, &input)
}

/// A text of several lines.
pub fn text_area(field: &Field<'_>) -> Markup {
    let input = html! {
        textarea id=(field.name) name=(field.name) required[field.required] spellcheck="false" autocomplete="off"
            aria-describedby=[field.described_by()] aria-invalid=[field.fault.map(|_| "true")] { (field.value) }
    };
    field.around(true, &input)
}

/// An OpenPGP certificate: pasted, or picked as a file where scripts run.
pub fn certificate(field: &Field<'_>) -> Markup {
    let picker = format!("{}-file", field.name);
    html! {
        (text_area(field))
        div.field data-picker hidden {
            label for=(picker) { "Or pick the file" }
            input id=(picker) type="file" accept=".asc,.gpg,.pgp,.key,application/pgp-keys" data-into=(field.name)
                aria-describedby=(format!("{picker}-said"));
            p.hint id=(format!("{picker}-said")) role="status" {}
        }
    }
}

/// One of a few.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// What it leads to; may be empty.
    pub hint: String,
}

impl Choice {
    /// One without a hint.
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), hint: String::new() }
    }

    /// The same, with this hint.
    pub fn hinting(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }
}

/// One of a few, as a list that opens. `field.value` is the chosen one.
pub fn select(field: &Field<'_>, choices: &[Choice]) -> Markup {
    let input = html! {
        select id=(field.name) name=(field.name) required[field.required] aria-describedby=[field.described_by()]
            aria-invalid=[field.fault.map(|_| "true")] {
            @for choice in choices {
                option value=(choice.value) selected[choice.value == field.value] { (choice.label) }
            }
        }
    };
    Field { required: true, ..*field }.around(false, &input)
}

/// One of a few, all in sight. `field.value` is the chosen one.
pub fn radio(field: &Field<'_>, choices: &[Choice]) -> Markup {
    html! {
        // By its name the list of errors leads to it.
        fieldset id=(field.name) aria-describedby=[field.described_by()] {
            legend { (field.label) }
            @if !field.hint.is_empty() { p.hint id=(format!("{}-hint", field.name)) { (field.hint) } }
            @for (at, choice) in choices.iter().enumerate() {
                (choice_line("radio", &format!("{}-{at}", field.name), field.name, choice, choice.value == field.value))
            }
            @if let Some(fault) = field.fault {
                p.fault id=(format!("{}-fault", field.name)) { (draw(Mark::Cross)) span { (fault) } }
            }
        }
    }
}

/// Yes or no. Several of one name need ids of their own: the id is made of the name and the value.
pub fn check(name: &str, choice: &Choice, is_checked: bool) -> Markup {
    choice_line("checkbox", &format!("{name}-{}", choice.value), name, choice, is_checked)
}

fn choice_line(kind: &str, id: &str, name: &str, choice: &Choice, is_checked: bool) -> Markup {
    let hint = (!choice.hint.is_empty()).then(|| format!("{id}-hint"));
    html! {
        div.choice {
            input id=(id) type=(kind) name=(name) value=(choice.value) checked[is_checked] aria-describedby=[hint.as_ref()];
            label for=(id) { (choice.label) }
            @if let Some(hint) = &hint { p.hint id=(hint) { (choice.hint) } }
        }
    }
}

/// A form that posts, with the token that says it is ours.
pub fn form(csrf: &str, action: &str, content: &Markup) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="csrf" value=(csrf);
            (content)
        }
    }
}

/// A form whose query narrows the list below it.
pub fn search(action: &str, content: &Markup) -> Markup {
    html! {
        form.filter method="get" action=(action) role="search" {
            (content)
            div.deeds {
                button type="submit" { "Show" }
                a href=(action) { "Show all" }
            }
        }
    }
}

/// A button among others.
pub fn button(label: &str) -> Markup {
    html! { button type="submit" { (label) } }
}

/// The button that the page is there for.
pub fn main_button(label: &str) -> Markup {
    html! { button.main type="submit" { (label) } }
}

/// A button whose deed is not easily undone.
pub fn grave(label: &str) -> Markup {
    html! { button.grave type="submit" { (label) } }
}

/// What is wrong with a form, above it, each with the way to its field. `fields` are those of a refusal.
pub fn errors(fields: &BTreeMap<String, Vec<String>>) -> Markup {
    let content = html! {
        p { "This was not done yet:" }
        ul {
            @for (name, faults) in fields {
                @for fault in faults { li { a href=(format!("#{name}")) { (name.replace('_', " ")) } " " (fault) } }
            }
        }
    };
    super::parts::told(super::marks::Tone::Bad, &content)
}

/// What a passkey is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passkey {
    /// To sign.
    Get,
    /// To come into being.
    Create,
}

/// A form that the browser's passkey goes with: `options` is JSON for the browser, the answer comes back as JSON in
/// the field `credential`.
pub fn passkey(csrf: &str, action: &str, kind: Passkey, options: &str, content: &Markup) -> Markup {
    let word = match kind {
        Passkey::Get => "get",
        Passkey::Create => "create",
    };
    html! {
        form method="post" action=(action) data-passkey=(word) data-options=(options) {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="credential" value="";
            (content)
            p.hint data-said role="status" {}
            noscript { p.hint { "A passkey needs scripts. Allow this site's two small ones, then load the page anew." } }
        }
    }
}
