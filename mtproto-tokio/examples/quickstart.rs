//! Two people talk over a data centre on loopback, the program ends, and starts again.
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
