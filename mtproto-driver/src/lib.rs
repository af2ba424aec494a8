//! The async loop around mtproto-proto, written once for every runtime.
