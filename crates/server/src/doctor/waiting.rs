//! Finds the entries of audit logs that wait for their places and get none, or should get none.

use store::StoreError;
use store::audit::waiting::{self, Waiting};

use super::Line;
use crate::app::App;
use crate::flows::Error;

/// How many entries are read at once.
const PAGE_ROWS: i64 = 500;

const FOREIGN: &str = "find out who writes to the database past the service; put the entry back as it is in a copy of \
                       before, or take it away where none has it";

const WITHHELD: &str = "find out who writes to the database past the service; then set its column refused to false, and \
                        it gets its place";

/// Every entry that the service did not write as it stands there, and every other that was kept out of its log.
pub(super) async fn check(app: &App) -> Result<Vec<Line>, Error> {
    let (mut lines, mut after) = (Vec::new(), None::<Waiting>);
    loop {
        let (key, from) = (app.keys.row_key().clone(), after.take());
        let page =
            app.db.read("list_waiting", move |rx| waiting::list(rx, &key, from.as_ref(), PAGE_ROWS)).await;
        let mut page: Vec<Waiting> = page.map_err(|error: StoreError| Error::from(error))?;
        lines.extend(page.iter().filter_map(told));
        let Some(last) = page.pop() else { return Ok(lines) };
        after = Some(last);
    }
}

fn told(waiting: &Waiting) -> Option<Line> {
    let Waiting { owner, id, is_refused, entry } = waiting;
    let whose = format!("audit_entries {id} in the log of {owner}");
    match (entry, is_refused) {
        (None, _) => {
            let text = format!("{whose} waits for its place, and was not written by the service as it is");
            Some(Line::failure("audit", text, FOREIGN))
        }
        (Some(_), true) => {
            let text = format!("{whose} is kept from its place, though the service wrote it as it is");
            Some(Line::failure("audit", text, WITHHELD))
        }
        (Some(_), false) => None,
    }
}
