//! A bot that says what it hears; see `--help`.
//!
//! ```sh
//! cargo run -p mtproto-test --bin mtproto-testdc -- --listen 127.0.0.1:4430 --key-out key.pem \
//!     --bot 7:secret,name=Echo &
//! BOT_TOKEN=7:secret cargo run -p mtproto-tokio --example echo_bot -- \
//!     --server 127.0.0.1:4430 --key key.pem
//! ```

#[path = "../../mtproto-driver/examples/shared/echo_bot.rs"]
mod echo_bot;
#[path = "../../mtproto-driver/examples/shared/server.rs"]
mod server;

use clap::Parser;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = echo_bot::Args::parse();
    let token = echo_bot::token()?;
    echo_bot::run(mtproto_tokio::Tokio, args, &token).await
}
