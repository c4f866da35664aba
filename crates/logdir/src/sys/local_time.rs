//! Local time from the C library: only it knows every form of TZ that 0.76 understands.

use crate::time::Civil;

/// Local time as from `localtime(3)`; month and day count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Year; 1 is the first year AD.
    pub year: i64,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to 31.
    pub day: u8,
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
    /// From 0 to 60.
    pub second: u8,
    /// Seconds ahead of UTC.
    pub east_secs: i64,
}

impl LocalTime {
    /// Date and time of day, without offset.
    pub fn civil(&self) -> Civil {
        let &LocalTime { year, month, day, hour, minute, second, east_secs: _ } = self;
        Civil { year, month, day, hour, minute, second }
    }
}

unsafe extern "C" {
    /// tzset(3), missing from the libc crate on Unix. Takes no arguments, returns nothing and locks
    /// the data it changes, like localtime_r.
    safe fn tzset();
}

/// Re-reads TZ and its zone file, or `/etc/localtime`, after possible changes.
///
/// localtime(3), used by 0.76, does so on every call, but [`local`] only on its first.
pub fn refresh() {
    tzset();
}

/// Local time from seconds since 1970; `None` if the year overflows.
pub fn local(unix_secs: i64) -> Option<LocalTime> {
    convert(unix_secs, libc::localtime_r)
}

/// UTC date from seconds since 1970; `None` if the year overflows.
pub fn universal(unix_secs: i64) -> Option<LocalTime> {
    convert(unix_secs, libc::gmtime_r)
}

type Conversion =
    unsafe extern "C" fn(time: *const libc::time_t, into: *mut libc::tm) -> *mut libc::tm;

fn convert(unix_secs: i64, conversion: Conversion) -> Option<LocalTime> {
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers refer to live values of the right type; no other code in this process
    // writes the environment, which localtime_r reads. The result is read only after success.
    let parts = unsafe {
        if conversion(&raw const unix_secs, parts.as_mut_ptr()).is_null() {
            return None;
        }
        parts.assume_init()
    };
    Some(LocalTime {
        year: i64::from(parts.tm_year) + 1900,
        month: u8::try_from(parts.tm_mon + 1).ok()?,
        day: u8::try_from(parts.tm_mday).ok()?,
        hour: u8::try_from(parts.tm_hour).ok()?,
        minute: u8::try_from(parts.tm_min).ok()?,
        second: u8::try_from(parts.tm_sec).ok()?,
        east_secs: parts.tm_gmtoff,
    })
}
