//! The whole system in one process, for tests.
