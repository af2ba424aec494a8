//! Randomness from the operating system, once per connection.
//!
//! Does: seeds the machines' `Rng`.
//! In: nothing. Out: a generator.
//! Must not know: what it is used for.
//! Spec: "Security Guidelines".

use std::io;

use mtproto_proto::Rng;
use zeroize::Zeroizing;

/// A generator whose seed comes from the operating system.
///
/// # Errors
/// When the system has no entropy to give, as in a broken sandbox.
pub fn rng() -> io::Result<Rng> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(io::Error::from)?;
    Ok(Rng::from_seed(*seed))
}
