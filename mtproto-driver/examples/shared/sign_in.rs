//! Signs a person in, step by step; each adapter's `sign_in` example runs it.

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::Parser;
use mtproto_driver::client::{SignIn, SignInError};
use mtproto_driver::{Client, Runtime, SessionFile};

use super::server::Server;

/// Asks for what is needed to sign in, keeps the session, and shows the chats.
#[derive(Debug, Parser)]
#[command(
    name = "sign_in",
    after_help = "The environment's API_ID and API_HASH name the application; my.telegram.org/apps \
                  gives you them."
)]
pub struct Args {
    #[command(flatten)]
    pub server: Server,
    /// Where the session is kept
    #[arg(long, value_name = "FILE", default_value = "account.session")]
    pub session: PathBuf,
}

/// Chats that are shown.
const SHOWN: i32 = 10;

pub async fn run<R: Runtime>(
    runtime: R,
    args: Args,
    input: impl BufRead,
    output: impl Write,
) -> Result<(), Box<dyn Error>> {
    let mut person = Person { input, output };
    let file = SessionFile::open(&args.session)?;
    let client = Client::open(&runtime, args.server.config()?, file).await?;
    // The next start finds the session, and asks nothing.
    if !client.is_authorized().await? {
        sign_in(&client, &mut person).await?;
    }
    let me = client.get_me().await?;
    let name = me.first_name.unwrap_or_default();
    writeln!(person.output, "Signed in as {name}.")?;
    for dialog in client.dialogs(SHOWN).await? {
        writeln!(
            person.output,
            "- {}, {} unread",
            dialog.title(),
            dialog.unread_count()
        )?;
    }
    client.close().await?;
    Ok(())
}

async fn sign_in(
    client: &Client,
    person: &mut Person<impl BufRead, impl Write>,
) -> Result<(), Box<dyn Error>> {
    let phone = person.answer("Phone number, international")?;
    let mut state = client.request_code(&phone).await?;
    loop {
        let next = match state {
            SignIn::NeedsCode(code) => code.submit(&person.answer("Code")?).await,
            SignIn::NeedsPassword(password) => {
                let hint = password.hint().unwrap_or("none").to_owned();
                let typed = person.answer(&format!("Password (hint: {hint})"))?;
                password.check(&typed).await
            }
            SignIn::NeedsSignUp(new) => {
                let first = person.answer("There is no such account. First name")?;
                let last = person.answer("Last name")?;
                new.sign_up(&first, &last).await
            }
            SignIn::Done(_) => return Ok(()),
            other @ (SignIn::NeedsRecoveryCode(_) | _) => {
                return Err(format!("what to do about {other:?}?").into());
            }
        };
        state = match next {
            Err(SignInError::TryAgain { why, again }) => {
                writeln!(person.output, "{why}")?;
                *again
            }
            other => other?,
        };
    }
}

/// Who sits in front of the terminal.
struct Person<I, O> {
    input: I,
    output: O,
}

impl<I: BufRead, O: Write> Person<I, O> {
    fn answer(&mut self, question: &str) -> Result<String, Box<dyn Error>> {
        write!(self.output, "{question}: ")?;
        self.output.flush()?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            return Err("the input has ended".into());
        }
        Ok(line.trim().to_owned())
    }
}
