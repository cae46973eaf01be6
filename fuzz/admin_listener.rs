//! The part of the admin listener that judges requests.

#[path = "../src/admin/listener/access.rs"]
mod access;
#[path = "../src/admin/listener/tests/checks.rs"]
pub mod checks;
#[path = "../src/admin/listener/resource.rs"]
mod resource;
#[path = "../src/admin/listener/response.rs"]
mod response;
