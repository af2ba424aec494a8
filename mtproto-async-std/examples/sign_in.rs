//! Signs a person in, step by step; see `--help`.
//!
//! ```sh
//! cargo run -p mtproto-test --bin mtproto-testdc -- --listen 127.0.0.1:4430 --key-out key.pem \
//!     --account +9996620001,name=Ann &
//! cargo run -p mtproto-async-std --example sign_in -- --server 127.0.0.1:4430 --key key.pem
//! ```

#[path = "../../mtproto-driver/examples/shared/server.rs"]
mod server;
#[path = "../../mtproto-driver/examples/shared/sign_in.rs"]
mod sign_in;

use clap::Parser;

fn main() -> std::process::ExitCode {
    let args = sign_in::Args::parse();
    let (input, output) = (std::io::stdin().lock(), std::io::stdout());
    let run = sign_in::run(mtproto_async_std::AsyncStd, args, input, output);
    match async_std::task::block_on(run) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sign_in: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
