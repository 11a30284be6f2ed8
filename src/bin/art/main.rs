//! The `art` command.
fn main() {}
