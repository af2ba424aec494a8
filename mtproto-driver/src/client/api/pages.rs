//! Lists that the server gives in pages, as streams.
//!
//! Does: [`Pages`]: hands out one item after the other and turns the page when there is none left.
//! In: how to turn a page. Out: items.
//! Must not know: what is listed.
//! Spec: "Pagination in the API".

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::client::{Client, Error};

/// Items of one page: the most that Telegram gives.
pub(super) const PAGE: i32 = 100;

/// Where in a list one is: fetches the page that begins there.
pub(super) trait Turn: Clone + Send + Sized + 'static {
    type Item: Send + 'static;

    fn turn(self, client: Client) -> impl Future<Output = Result<Page<Self>, Error>> + Send;
}

/// A page, and where the next one begins; `None`: this was the last one.
pub(super) struct Page<T: Turn> {
    pub(super) items: Vec<T::Item>,
    pub(super) next: Option<T>,
}

pub(super) struct Pages<T: Turn> {
    client: Client,
    items: VecDeque<T::Item>,
    next: Option<T>,
    turning: Option<Turning<T>>,
}

type Turning<T> = Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>>;

impl<T: Turn> Pages<T> {
    pub(super) fn new(client: &Client, first: T) -> Self {
        Pages {
            client: client.clone(),
            items: VecDeque::new(),
            next: Some(first),
            turning: None,
        }
    }

    pub(super) async fn next(&mut self) -> Option<Result<T::Item, Error>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T::Item, Error>>> {
        loop {
            if let Some(item) = self.items.pop_front() {
                return Poll::Ready(Some(Ok(item)));
            }
            if self.turning.is_none() {
                let Some(next) = &self.next else {
                    return Poll::Ready(None);
                };
                self.turning = Some(Box::pin(next.clone().turn(self.client.clone())));
            }
            let Some(turning) = &mut self.turning else {
                continue;
            };
            let page = ready!(turning.as_mut().poll(cx));
            self.turning = None;
            match page {
                Ok(page) => {
                    self.items = page.items.into();
                    self.next = page.next;
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
