//! MTProto on tokio.
