//! A bot that says what it hears; each adapter's `echo_bot` example runs it.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use mtproto_driver::client::{Incoming, OutgoingMessage};
use mtproto_driver::{Client, Runtime, SessionFile};

use super::server::Server;

/// Answers every message with its own text.
#[derive(Debug, Parser)]
#[command(
    name = "echo_bot",
    after_help = "The environment's BOT_TOKEN is what @BotFather gave you; API_ID and API_HASH name \
                  the application, my.telegram.org/apps gives you them."
)]
pub struct Args {
    #[command(flatten)]
    pub server: Server,
    /// Where the session is kept
    #[arg(long, value_name = "FILE", default_value = "echo_bot.session")]
    pub session: PathBuf,
    /// Ends after so many messages; never unless given
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// The token from the environment.
pub fn token() -> Result<String, Box<dyn Error>> {
    Ok(env::var("BOT_TOKEN").map_err(|_| "set BOT_TOKEN; @BotFather gives you one")?)
}

pub async fn run<R: Runtime>(runtime: R, args: Args, token: &str) -> Result<(), Box<dyn Error>> {
    let file = SessionFile::open(&args.session)?;
    let bot = Client::open(&runtime, args.server.config()?, file).await?;
    if !bot.is_authorized().await? {
        bot.bot_sign_in(token).await?;
    }
    let me = bot.get_me().await?;
    println!("@{} listens", me.username.unwrap_or_default());
    let mut heard = 0;
    let mut updates = bot.updates();
    // What came while the bot was off comes now.
    while let Some(incoming) = updates.next().await {
        let Incoming::Update(update) = &incoming else {
            continue;
        };
        let Some(message) = update.as_new_message().filter(|m| !m.is_outgoing()) else {
            continue;
        };
        let echo = OutgoingMessage::new(message.text()).reply_to(message.id());
        // One chat that the bot may not write to is no reason to end.
        if let Err(error) = bot.send_message(message.chat(), echo).await {
            eprintln!("no echo: {error}");
        }
        heard += 1;
        if args.count == Some(heard) {
            break;
        }
    }
    updates.handled();
    bot.close().await?;
    Ok(())
}
