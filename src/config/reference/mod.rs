//! Documents that are generated from the table of keys: the reference file, its page in the
//! documents, and a JSON Schema that editors complete from.

mod page;
mod schema;
mod yaml;

pub use page::page;
pub use schema::schema;
pub use yaml::yaml;
