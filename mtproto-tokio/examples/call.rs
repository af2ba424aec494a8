//! Calls any method on any server; see `--help`.
//!
//! ```sh
//! cargo run -p mtproto-tokio --example call -- \
//!     --server 127.0.0.1:4430 --dc 2 --key key.pem help.getConfig '{}'
//! ```

#[path = "../../mtproto-driver/examples/shared/call.rs"]
mod call;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    call::run(mtproto_tokio::Tokio).await
}
