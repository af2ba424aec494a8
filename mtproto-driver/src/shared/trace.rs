//! `tracing`, or nothing.
//!
//! Does: one macro that becomes a `tracing::trace!` with the feature `tracing` and no code
//! without it.
//! In: ids, lengths, codes. Out: nothing that the program depends on.
//! Must not know: bodies, keys.
//! Spec: none.

/// Like `tracing::trace!`; the arguments are type-checked either way, evaluated only with the
/// feature.
macro_rules! trace {
    ($($name:ident = $value:expr,)* $message:literal) => {{
        #[cfg(feature = "tracing")]
        ::tracing::trace!(target: "mtproto", $($name = $value,)* $message);
        #[cfg(not(feature = "tracing"))]
        if false {
            $(let _ = &$value;)*
        }
    }};
}
pub(crate) use trace;
