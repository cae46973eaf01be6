//! `GET /metrics`: the counts, and the state of the moment, as Prometheus reads them.
//!
//! The format is its text format 0.0.4, made by its library. Nothing here is on the request path.

#[cfg(test)]
mod listing;
mod scrape;
mod table;

pub(super) use scrape::scrape;
#[cfg(test)]
pub(super) use {listing::listing, table::TABLE};

/// What the text is served as.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
