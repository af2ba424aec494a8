//! Pieces of fixed-size byte strings.
//!
//! Does: takes a piece at an offset, joins pieces, compares secrets.
//! In and out: arrays. Must not know: what the bytes mean.
//! Spec: the formulas of the other files here are written in these terms.

use subtle::ConstantTimeEq;

/// The `N` bytes of `bytes` that begin at `at`.
///
/// For the constant offsets of the specification's formulas only: `at + N` never exceeds `M`.
#[inline]
#[expect(
    clippy::expect_used,
    reason = "offsets are the specification's constants, never a peer's; the vectors run each"
)]
pub(crate) fn part<const N: usize, const M: usize>(bytes: &[u8; M], at: usize) -> &[u8; N] {
    bytes
        .get(at..)
        .and_then(|tail| tail.first_chunk())
        .expect("a constant offset inside the array")
}

/// `a + b + c + d`, where the lengths add up to `N`; the compiler checks that they do.
#[inline]
pub(crate) fn join<
    const A: usize,
    const B: usize,
    const C: usize,
    const D: usize,
    const N: usize,
>(
    a: &[u8; A],
    b: &[u8; B],
    c: &[u8; C],
    d: &[u8; D],
) -> [u8; N] {
    const { assert!(A + B + C + D == N) };
    let mut out = [0; N];
    let (to_a, rest) = out.split_at_mut(A);
    let (to_b, rest) = rest.split_at_mut(B);
    let (to_c, to_d) = rest.split_at_mut(C);
    to_a.copy_from_slice(a);
    to_b.copy_from_slice(b);
    to_c.copy_from_slice(c);
    to_d.copy_from_slice(d);
    out
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
#[inline]
pub(crate) fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
