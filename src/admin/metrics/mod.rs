//! `GET /metrics`: the counts, and the state of the moment, as Prometheus reads them.
//!
//! Nothing here is on the request path.

mod families;
#[cfg(test)]
mod listing;
mod rows;
mod scrape;
mod table;
mod text;

pub(super) use scrape::Scrape;
#[cfg(test)]
pub(super) use {listing::listing, table::TABLE};

/// The content type of the text.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
