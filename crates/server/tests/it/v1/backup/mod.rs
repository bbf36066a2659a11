//! `/v1/backup`.

mod certificates;
mod checks;
mod deliveries;
mod recover;
mod repeats;
mod store;
