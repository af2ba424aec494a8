//! The judge judged.
