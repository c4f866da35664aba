//! The time of day. Everything that needs it for a label asks here.

use crate::label::Label;
use std::time::SystemTime;

/// The system's time as a label.
pub fn now() -> Label {
    let (unix_secs, nanos) = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos()),
        // A clock before 1970 is counted in whole seconds.
        Err(before) => (-i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX) - 1, 0),
    };
    Label::from_unix(unix_secs, nanos)
}
