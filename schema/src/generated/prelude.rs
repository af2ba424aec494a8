//! What generated code uses.
#![allow(unused_imports, reason = "which of these a layer needs is the schema's affair")]

pub(super) use alloc::boxed::Box;
pub(super) use alloc::vec::Vec;
pub(super) use core::fmt;

pub(super) use bytes::Bytes;

pub(super) use crate::raw::Raw;
pub(super) use crate::reader::Reader;
pub(super) use crate::string::Str;
pub(super) use crate::tl;
pub(super) use crate::traits::{Constructor, Decode, Encode, Function};
