//! One parser for each kind of value, and the way back to text.

mod addresses;
mod duration;
mod kind;
mod logs;
mod name;
mod number;
mod page;
mod pair;
mod path;
mod quantity;
mod status;
mod token;
mod words;

pub(super) use addresses::{
    BACKEND_ADDRESS, CERTIFIED_HOST, CHALLENGE, CHECK_HOST, CHECK_PATH, COLLECTOR, DIRECTORY_URL,
    EMAIL, HOST_ADDRESS, HOST_NAME, HOST_PATTERN, LISTEN_ADDRESS, PATH_PREFIX, PEERS, backend_item,
    is_public_name, listener_item, url_of_traces,
};
pub(super) use duration::{
    DELAY, DURATION, DURATION_OR_NONE, HSTS, PAUSE, RESPONSE_TIMEOUT, SLOW_START,
    shown as shown_duration,
};
pub(super) use kind::{Form, Kind, Shape, choice_of};
pub(super) use logs::{ERROR_LOG, FIELD, FIELD_ITEM, TARGET};
pub(super) use name::{APP_NAME, GROUP, POOL_NAME, POOL_PATTERN, USER};
pub(super) use number::{
    ATTEMPTS, ATTEMPTS_MAX, BUDGET_MIN, CHECKS, FAILURES, KEEP, MAX_CONNECTIONS, PORT, QUEUE_SIZE,
    REDIRECT_TO_HTTPS, THREADS, WEIGHT,
};
pub(super) use page::PAGE;
pub(super) use pair::{ATTRIBUTE, HEADER_TEXT, TEXT, attribute_name, header_name, pairs};
pub(super) use path::{FILE, FOLDER, MODE, OWNER, PATTERN, SOCKET};
pub(super) use quantity::{BUDGET, BUFFER, LOG_SIZE, PANIC_THRESHOLD, RATE, SAMPLE, SHARE};
pub(super) use status::{FAILURE, Failure, STATUSES};
pub(super) use token::{HMAC_KEY, KEY_ID, TOKEN, token};
pub(super) use words::{
    ALGORITHM, CHECK_TYPE, CLIENT_AUTH_MODE, CLIENT_CERT_STYLE, CheckType, ERROR_LOG_FORMAT,
    METHODS, ON_IS_DEFAULT, OTLP_PROTOCOL, PROTOCOL, SAMPLED_PARENT, TLS_VERSION, TRACEPARENT,
    TRUTH, UNKNOWN_SNI, is_off, is_on, other_algorithm,
};
