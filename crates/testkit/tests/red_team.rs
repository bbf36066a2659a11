//! The red team against today's programs: in short all scripts, with a sample of them without the checks that stop
//! them; with `HOLDFAST_CAMPAIGN` each of them so.

use std::process::Command;

use serde_json::Value;

#[test]
fn no_script_gets_anything_and_each_would_without_its_check() {
    let all = std::env::var_os("HOLDFAST_CAMPAIGN").is_some();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-red-team"));
    let output = command.args(["--json", "--controls", if all { "all" } else { "some" }]).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|_| unreachable!("{said}{errors}"));
    let scripts = told["scripts"].as_array().unwrap();
    let named = scripts.iter().filter(|script| script["checks"] != serde_json::json!([])).count();
    for script in scripts {
        assert_eq!(script["held"], true, "{script}");
    }
    let figure = |name: &str| told[name].as_u64().unwrap();
    assert!(scripts.len() >= 40, "{} scripts", scripts.len());
    let named = u64::try_from(named).unwrap();
    let controls = if all { named..=named } else { 8..=named };
    assert!(controls.contains(&figure("controls")), "{} controls", figure("controls"));
    assert_eq!((figure("broken"), figure("deaf")), (0, 0), "{said}");
    assert!(output.status.success() && told["served"] == true, "{errors}");
    println!("figure: red_team_scripts {} scripts", scripts.len());
    println!("figure: red_team_broken {} scripts", figure("broken"));
    println!("figure: red_team_controls {} scripts", figure("controls"));
}

#[test]
fn what_it_is_not_told_it_does_not_do() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-red-team"));
    let output = command.args(["--controls", "few"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("usage: holdfast-red-team"));
}
