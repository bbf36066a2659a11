//! What ends is not mapped any more. Alone in its program: another thread may be given a page at the same address.

use secretmem::Secret;

#[test]
fn it_stays_where_it_is_and_ends_with_its_owner() {
    let secret = Secret::copied(&[1; 32]);
    let at = secret.expose().as_ptr();
    let moved = Box::new(secret);
    assert_eq!(moved.expose().as_ptr(), at);
    let is_mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        maps.contains(&format!("{:x}-", at.addr()))
    };
    assert_eq!(is_mapped(), moved.is_hidden());
    drop(moved);
    assert!(!is_mapped());
}
