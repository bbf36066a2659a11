//! Who counts as one person: every pair of `testdata/identity.tsv`, the second checked after the first was approved as
//! the same user. Whoever is not the same is in review, and releases nothing.

mod rig;

use std::collections::BTreeSet;

use rig::*;

const PAIRS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/identity.tsv");

#[test]
fn each_pair_of_the_table_is_one_person_or_two() {
    let folder = Folder::new();
    let enclave = Enclave::start(&folder, &Settings::default());
    let mut client = enclave.connect();
    let mut provider = Provider::start();
    let table = std::fs::read_to_string(PAIRS).expect("the table");
    let rows: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    let mut wrong = Vec::new();
    let mut verdicts = BTreeSet::new();
    for (at, row) in rows.iter().enumerate() {
        let [verdict @ ("same" | "other"), one, other, why] = row[..] else { panic!("{row:?}") };
        verdicts.insert(verdict);
        // In both orders: who was there first makes no difference.
        for (turn, pair) in [[one, other], [other, one]].into_iter().enumerate() {
            let user = format!("user-{at}-{turn}");
            let [first, second] = pair.map(|person| {
                let session = open(&mut client, TENANT, &user, None);
                let event = provider.sign(&session.id, &format!("\"person\":{person}"));
                expect!(client.call(&admit_request(&session, &event)), Admitted)
            });
            assert!(first.admission.is_some() && !first.identity_differs, "{row:?}");
            if second.identity_differs != (verdict == "other") {
                wrong.push(format!("{why}: {one} {other}, said to be {verdict}"));
            }
        }
    }
    println!("figure: identity-pairs {} pairs", rows.len());
    println!("figure: identity-pairs-judged-wrong {} pairs", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() >= 100 && verdicts.len() == 2);
}
