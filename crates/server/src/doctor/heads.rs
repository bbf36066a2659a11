//! Finds the heads of audit logs that the service did not write, and logs with entries that no head counted.

use store::StoreError;
use store::audit::heads::{self, Found};

use super::Line;
use crate::app::App;
use crate::flows::Error;

/// How many heads are read at once.
const PAGE_ROWS: i64 = 500;

const FOREIGN: &str = "find out who writes to the database past the service; put the head back as it is in a copy of \
                       before, with the entries up to it; where it is right as it is (an upgrade), holdfast migrate \
                       --seal-rows";

const BEYOND: &str = "find out who writes to the database past the service; take these entries away, or put the head back \
                      as it is in a copy of before";

const WITHHELD: &str = "find out who writes to the database past the service; then set its column refused to false, and the log goes on";

/// Every head that the service did not write as it stands there, every other that was marked, and every log that has more
/// than its head says.
pub(super) async fn check(app: &App) -> Result<Vec<Line>, Error> {
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let (key, from) = (app.keys.row_key().clone(), after);
        let page = app.db.read("list_heads", move |rx| heads::list(rx, &key, &from, PAGE_ROWS)).await;
        let mut page: Vec<Found> = page.map_err(|error: StoreError| Error::from(error))?;
        lines.extend(page.iter().flat_map(told));
        let Some(last) = page.pop() else { return Ok(lines) };
        after = last.owner;
    }
}

fn told(found: &Found) -> Vec<Line> {
    let Found { owner, is_refused, is_ours, has_more } = found;
    let mut lines = Vec::new();
    if !is_ours {
        let text = format!("the log of {owner}: its head was not written by the service as it is");
        lines.push(Line::failure("audit", text, FOREIGN));
    } else if *is_refused {
        let text =
            format!("the log of {owner} is kept from growing, though the service wrote its head as it is");
        lines.push(Line::failure("audit", text, WITHHELD));
    }
    if *has_more {
        let text = format!("the log of {owner}: there are numbered entries that its head does not count");
        lines.push(Line::failure("audit", text, BEYOND));
    }
    lines
}
