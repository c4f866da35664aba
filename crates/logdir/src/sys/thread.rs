//! Threads that never abort the process. Each thread of the standard library allocates a signal stack after
//! its start, and the process aborts if the kernel refuses that memory. The C library reports every failure
//! before the thread exists.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

/// A thread's whole work.
type Work = Box<dyn FnOnce() + Send>;

/// A started thread. Dropping it leaves the thread running.
#[derive(Debug)]
pub struct Thread(Option<libc::pthread_t>);

/// Starts a thread with `stack_len` bytes of stack.
///
/// # Errors
/// The system has no memory or no process left; then `work` never runs.
pub fn spawn(stack_len: usize, work: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    let work: Work = Box::new(work);
    let argument = Box::into_raw(Box::new(work));
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut id = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are initialised before use and destroyed afterwards. `run` takes over the
    // argument if, and only if, the thread was created.
    let answer = unsafe {
        let mut answer = libc::pthread_attr_init(attributes.as_mut_ptr());
        if answer == 0 {
            answer = libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack_len);
            if answer == 0 {
                let attributes = attributes.as_ptr();
                answer = libc::pthread_create(id.as_mut_ptr(), attributes, run, argument.cast());
            }
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        answer
    };
    if answer == 0 {
        // SAFETY: pthread_create succeeded, so it wrote the id.
        return Ok(Thread(Some(unsafe { id.assume_init() })));
    }
    // SAFETY: no thread was created, so the argument is still ours.
    drop(unsafe { Box::from_raw(argument) });
    Err(io::Error::from_raw_os_error(answer))
}

extern "C" fn run(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` made this pointer of a box and gave it away.
    let work = unsafe { Box::from_raw(argument.cast::<Work>()) };
    work();
    ptr::null_mut()
}

impl Thread {
    /// Waits for the thread's end.
    pub fn join(mut self) {
        if let Some(id) = self.0.take() {
            // SAFETY: the thread was neither joined nor detached before.
            unsafe { libc::pthread_join(id, ptr::null_mut()) };
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(id) = self.0.take() {
            // SAFETY: the thread was neither joined nor detached before.
            unsafe { libc::pthread_detach(id) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::spawn;
    use std::sync::mpsc::channel;

    #[test]
    fn work_runs_before_a_join_ends() {
        let (sender, receiver) = channel();
        let thread = spawn(64 * 1024, move || sender.send(7).expect("a receiver")).expect("memory");
        thread.join();
        assert_eq!(receiver.try_recv(), Ok(7));
    }

    #[test]
    fn a_refused_thread_drops_its_work() {
        let (sender, receiver) = channel::<u8>();
        let refused = spawn(usize::MAX / 2, move || drop(sender));
        assert!(refused.is_err());
        assert!(receiver.recv().is_err(), "the sender is gone");
    }
}
