//! Accounts of the test DC: signing in in every way, several DCs, errors on demand, the state file.

mod by_hand;
#[allow(dead_code, reason = "other suites use the rest")]
mod program;
mod testdc_accounts {
    mod codes;
    mod dcs;
    mod faults;
    mod passwords;
    mod program;
    mod qr;
    mod restarts;
    mod sessions;
    mod state;
    pub mod support;
    mod talk;
}
