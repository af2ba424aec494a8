//! Test kit for MTProto: faulty wire, virtual clock, local test DC.
