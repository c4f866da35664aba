//! Memory and stack of a starting logger.
//!
//! The standard library aborts a program whose allocation fails. Before the first read a logger
//! refuses to start instead, as with every other failure; its running part has what it needs by
//! then.

use ::logdir::sys::memory::{find_memory, is_limited, soft_limit};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator, for `#[global_allocator]`.
#[derive(Debug)]
pub struct Memory {
    has_started: AtomicBool,
}

/// Bytes of stack that a program needs; beyond its limit it dies without a message. Measured: 16 KiB.
const STACK_MIN: usize = if cfg!(debug_assertions) { 64 * 1024 } else { 24 * 1024 };
/// Bytes of stack for regular expressions with as many groups in groups as they may have. Measured: 72 KiB.
const EXPRESSION_STACK_MIN: usize = 4 * STACK_MIN;
/// Bytes that the standard library maps before `main`; it aborts without them.
const BEFORE_MAIN: usize = 32 * 1024;

/// Bytes by which the heap grows under a limit of memory.
#[cfg(target_env = "gnu")]
const HEAP_STEP: libc::c_int = 4 * 1024;

const NO_STACK: &[u8] = b"the limit of the stack is too low\n";
const NO_MEMORY: &[u8] = b"out of memory\n";

/// Ends a program that its limits let not even begin. Called before `main`.
pub fn check_before_main() {
    if !has_stack(STACK_MIN) {
        refuse(NO_STACK);
    }
    if find_memory(BEFORE_MAIN).is_err() {
        refuse(NO_MEMORY);
    }
    if is_limited() {
        take_little_memory();
    }
}

/// Lets the allocator take memory from the kernel in small pieces: under a limit, a large piece could fail
/// when a small allocation would fit. Threads share this heap: the C library wants 64 MiB of address space
/// for a heap of their own, and without it maps a page for each of their allocations.
fn take_little_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the calls take numbers, and no other thread exists.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, HEAP_STEP);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Ends a program whose stack is too small for regular expressions.
pub fn check_for_expressions() {
    if !has_stack(EXPRESSION_STACK_MIN) {
        refuse(NO_STACK);
    }
}

/// Whether the stack may grow by `len` bytes. Arguments and environment count too: the name of the program
/// is the last of their bytes.
fn has_stack(len: usize) -> bool {
    let here = &raw const len as usize;
    // SAFETY: the call takes a number and returns one.
    let top = unsafe { libc::getauxval(libc::AT_EXECFN) } as usize;
    let used = top.saturating_sub(here);
    soft_limit(libc::RLIMIT_STACK).is_none_or(|limit| limit >= (used + len) as u64)
}

impl Memory {
    /// Memory of a program that has not started.
    #[allow(clippy::new_without_default, reason = "a constant is needed")]
    pub const fn new() -> Memory {
        Memory { has_started: AtomicBool::new(false) }
    }

    /// From now on a failed allocation is left to its caller.
    pub fn start(&self) {
        self.has_started.store(true, Ordering::Relaxed);
    }

    /// Passes a block on. Ends a starting program if there is none.
    fn found(&self, block: *mut u8) -> *mut u8 {
        if block.is_null() && !self.has_started.load(Ordering::Relaxed) {
            refuse(NO_MEMORY);
        }
        block
    }
}

/// Prints the reason without an allocation, and exits.
#[cold]
fn refuse(reason: &[u8]) -> ! {
    unsafe extern "C" {
        static program_invocation_short_name: *const libc::c_char;
    }
    // SAFETY: the C library sets the name before any code of a program runs; it ends with NUL.
    let name = unsafe { CStr::from_ptr(program_invocation_short_name) }.to_bytes();
    for part in [name, b": fatal: unable to start: ", reason] {
        // SAFETY: write(2) reads bytes that live until it returns.
        unsafe { libc::write(libc::STDERR_FILENO, part.as_ptr().cast(), part.len()) };
    }
    // SAFETY: _exit(2) takes a number and never returns.
    unsafe { libc::_exit(i32::from(crate::exit_code::EXIT_FATAL)) }
}

// SAFETY: every call goes to the system's allocator unchanged, and its answer is returned unchanged.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of this same method.
        self.found(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of this same method.
        self.found(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the rules of this same method.
        self.found(unsafe { System.realloc(block, layout, size) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the rules of this same method.
        unsafe { System.dealloc(block, layout) }
    }
}
