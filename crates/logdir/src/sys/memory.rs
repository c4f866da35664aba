//! Memory that a process may take.

use std::io;
use std::ptr;

/// The C libraries number limits with types of their own.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// Soft limit of a resource; `None` without one.
pub fn soft_limit(resource: Resource) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the call writes the structure, which lives until it returns.
    let answer = unsafe { libc::getrlimit(resource, &raw mut limit) };
    (answer == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// Whether a limit of memory is set for the process.
pub fn is_limited() -> bool {
    [libc::RLIMIT_AS, libc::RLIMIT_DATA].into_iter().any(|limit| soft_limit(limit).is_some())
}

/// Checks that the process can map this much more memory, without using it.
///
/// # Errors
/// It cannot: ENOMEM.
pub fn find_memory(len: usize) -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses the place of the new mapping, which nothing else knows before it is
    // unmapped again.
    unsafe {
        let block = libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0);
        if block == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::munmap(block, len);
    }
    Ok(())
}

/// Memory for a rotation, in bytes: for many files, or, under a limit of memory, as much as a listing
/// of the usual number needs. Below the size that the allocator returns to the kernel.
const ROTATION_RESERVES: [usize; 2] = [96 * 1024, 48 * 1024];

/// Under a limit of memory (`softlimit`), allocates and frees the memory that a rotation needs for listings and
/// names: the allocator keeps this small block for its next caller. Otherwise a thread's stack, or a buffer, could
/// take the last of it. Without a limit this would only touch pages for nothing.
///
/// # Errors
/// There is no such memory: ENOMEM.
pub fn reserve_for_rotation() -> io::Result<()> {
    if !is_limited() {
        return Ok(());
    }
    let has_reserve = |len: usize| {
        let mut reserve = Vec::<u8>::new();
        let is_found = reserve.try_reserve_exact(len).is_ok();
        // Keeps the compiler from removing the allocation.
        drop(std::hint::black_box(reserve));
        is_found
    };
    match ROTATION_RESERVES.into_iter().any(has_reserve) {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
    }
}

#[cfg(test)]
mod tests {
    use super::find_memory;

    #[test]
    fn memory_beyond_all_bounds_is_not_found() {
        assert!(find_memory(4096).is_ok());
        let refused = find_memory(usize::MAX / 2).expect_err("no machine has it");
        assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
    }
}
