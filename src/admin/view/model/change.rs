//! A change that is asked for, and the answer to a request that is refused.

use serde::{Deserialize, Serialize};

/// The body of a change: of `PUT …/weight` and of `POST …/eject`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeBody {
    /// The new weight; `null` restores the weight of the configuration.
    #[serde(default)]
    pub weight: Option<u32>,
    /// The length of the ejection, such as `30s`.
    #[serde(default, rename = "for")]
    pub duration: Option<String>,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, and what to do about it.
    pub error: String,
}
