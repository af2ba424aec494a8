//! Two people talk over a data centre on loopback, the program ends, and starts again.
//!
//! ```sh
//! cargo run -p mtproto-async-std --example quickstart
//! ```

#[path = "../../mtproto-driver/examples/shared/quickstart.rs"]
mod quickstart;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(quickstart::run(mtproto_async_std::AsyncStd))
}
