//! MTProto on async-std.
