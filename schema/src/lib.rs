//! Telegram's TL schemas.
#![no_std]
extern crate alloc;
