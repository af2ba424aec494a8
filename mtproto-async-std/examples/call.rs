//! Calls any method on any server; see `--help`.
//!
//! ```sh
//! cargo run -p mtproto-async-std --example call -- \
//!     --server 127.0.0.1:4430 --dc 2 --key key.pem help.getConfig '{}'
//! ```

#[path = "../../mtproto-driver/examples/shared/call.rs"]
mod call;

fn main() -> std::process::ExitCode {
    async_std::task::block_on(call::run(mtproto_async_std::AsyncStd))
}
