//! Bodies of the public API, its errors and its events.
