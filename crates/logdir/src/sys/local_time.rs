//! Local time by the C library, which alone knows every form of TZ that 0.76 understands.

use crate::time::Civil;

/// A moment in local time, as `localtime(3)` gives it; month and day count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The year, 1 being the first of our era.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// How far it is ahead of UTC, in seconds.
    pub east_secs: i64,
}

impl LocalTime {
    /// The date and the time of day without the offset.
    pub fn civil(&self) -> Civil {
        let &LocalTime { year, month, day, hour, minute, second, east_secs: _ } = self;
        Civil { year, month, day, hour, minute, second }
    }
}

unsafe extern "C" {
    /// tzset(3), which the libc crate does not declare for Unix. It takes nothing, gives nothing and
    /// locks what it changes, as localtime_r does.
    safe fn tzset();
}

/// Looks again at TZ and the file it names, or at `/etc/localtime`, where they may have changed.
///
/// localtime(3), which 0.76 calls, does so each time, and [`local`] only the first time.
pub fn refresh() {
    tzset();
}

/// The local time of a moment in seconds since 1970, or none where the year does not fit.
pub fn local(unix_secs: i64) -> Option<LocalTime> {
    convert(unix_secs, libc::localtime_r)
}

/// The UTC date of a moment in seconds since 1970, or none where the year does not fit.
pub fn universal(unix_secs: i64) -> Option<LocalTime> {
    convert(unix_secs, libc::gmtime_r)
}

type Conversion =
    unsafe extern "C" fn(time: *const libc::time_t, into: *mut libc::tm) -> *mut libc::tm;

fn convert(unix_secs: i64, conversion: Conversion) -> Option<LocalTime> {
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live values of the right type; nothing else in the process writes
    // the environment, which localtime_r reads. The result is read only if the call succeeded.
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
