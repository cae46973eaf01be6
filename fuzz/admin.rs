//! The part of `admin` that reads requests.

#![expect(dead_code, reason = "what answers requests is not called")]

#[path = "../src/admin/change.rs"]
pub mod change;
#[path = "admin_listener.rs"]
pub mod listener;
#[path = "../src/admin/page/mod.rs"]
pub mod page;

/// The shapes of `admin::view` that are read, or made of what was read.
pub mod view {
    use serde::{Deserialize, Serialize};

    use crate::backend::{Address, BackendNames};

    #[derive(Debug)]
    pub struct Backend {
        pub name: String,
        pub address: Address,
    }

    impl Backend {
        pub fn label(&self) -> String {
            BackendNames::new(self.name.as_str().into(), &self.address).to_string()
        }
    }

    #[derive(Debug, Serialize)]
    pub struct Refusal {
        pub error: String,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ChangeBody {
        #[serde(default)]
        pub weight: Option<u32>,
        #[serde(default, rename = "for")]
        pub duration: Option<String>,
    }
}
