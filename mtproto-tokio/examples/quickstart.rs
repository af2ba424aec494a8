//! Starts a data centre on loopback, makes a key, calls, gets an update, comes back.
//!
//! ```sh
//! cargo run -p mtproto-tokio --example quickstart
//! ```

#[path = "../../mtproto-driver/examples/shared/quickstart.rs"]
mod quickstart;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    quickstart::run(mtproto_tokio::Tokio).await
}
