//! `holdfast help`: every command, and what no command's own help says; and the reference that is made of it.

use std::process::ExitCode;

use crate::connection::usage;
use crate::exit::CODES;
use crate::page::{Page, wrap};

/// The one topic that is no command.
const EXIT_CODES: &str = "exit-codes";
/// Where the text beside a number ends.
const WIDTH: usize = 80;

/// Explains a command, or the exit codes: holdfast help exit-codes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A command's words, or `exit-codes`; everything when left out.
    pub topic: Vec<String>,
}

/// Runs it.
pub fn run(args: &Args, mut command: clap::Command) -> ExitCode {
    let page = Page::new(false);
    if args.topic == [EXIT_CODES] {
        for line in exit_codes() {
            page.line(&line);
        }
        return ExitCode::SUCCESS;
    }
    command.build();
    let mut found = &mut command;
    for word in &args.topic {
        let Some(below) = found.find_subcommand_mut(word) else {
            let failure = usage(format!("there is no command {word:?}"));
            return failure.next("holdfast help names all; or holdfast help exit-codes").tell(page);
        };
        found = below;
    }
    page.line(&found.render_long_help().to_string());
    ExitCode::SUCCESS
}

fn exit_codes() -> Vec<String> {
    let lines = CODES.iter().flat_map(|(number, meaning)| {
        let wrapped = wrap(meaning, WIDTH).into_iter().enumerate();
        wrapped
            .map(move |(at, line)| if at == 0 { format!("{number}  {line}") } else { format!("   {line}") })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::CommandFactory as _;

    use super::*;

    /// Every command with its help, one after the other. What a variable holds here is not part of it.
    fn reference() -> String {
        let mut text = String::from(
            "# The command\n\nMade from the command's own definitions, which a test compares with this file; \
             `HOLDFAST_WRITE_REFERENCE=1` before that test writes it anew.\n\n## Exit codes\n\n| Code | Meaning |\n\
             | --- | --- |\n",
        );
        for (number, meaning) in CODES {
            let _ = writeln!(text, "| {number} | {meaning} |");
        }
        let mut command = crate::Cli::command();
        command.build();
        describe(&mut text, &mut command, &[]);
        text
    }

    fn describe(text: &mut String, command: &mut clap::Command, above: &[&str]) {
        let name = command.get_name().to_owned();
        let words = [above, &[name.as_str()]].concat();
        *command = command.clone().mut_args(|arg| arg.hide_env_values(true));
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = write!(text, "\n## {}\n\n```text\n{}\n```\n", words.join(" "), help.join("\n").trim_end());
        for below in command.get_subcommands_mut() {
            describe(text, below, &words);
        }
    }

    #[test]
    fn the_reference_is_the_commands_own() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        let made = reference();
        if std::env::var_os("HOLDFAST_WRITE_REFERENCE").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(kept, made, "write docs/reference/cli.md anew: HOLDFAST_WRITE_REFERENCE=1");
    }

    /// Others on the machine can read a command line: what is secret comes in a file, through a pipe, or is typed.
    #[test]
    fn no_secret_is_an_argument() {
        let secrets =
            ["secret", "passphrase", "password", "credential", "api_key", "private", "share", "token"];
        let (mut commands, mut files) = (vec![crate::Cli::command()], 0);
        while let Some(command) = commands.pop() {
            for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
                let id = arg.get_id().as_str();
                if secrets.iter().any(|secret| id.contains(secret)) {
                    assert_eq!(arg.get_value_names().unwrap_or_default(), ["FILE"], "{command}: {id}");
                    files += 1;
                }
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(files > 10, "{files}");
    }

    #[test]
    fn every_code_has_a_meaning_of_its_own() {
        let numbers: std::collections::BTreeSet<u8> = CODES.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers.len(), CODES.len());
        assert!(exit_codes().iter().any(|line| line.starts_with("5  Something did not prove")));
    }
}
