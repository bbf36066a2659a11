//! What both sides of the enclave socket must agree on to the byte.
