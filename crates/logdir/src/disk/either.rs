//! Unit tests: a common interface to kernel files and the model disk.

#![allow(missing_docs, reason = "seen by tests only")]

use super::model::{ModelDir, ModelFile};
use super::{For, Stat, again, kernel};
use crate::sys::spawn::Running;
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitStatus;
use std::time::SystemTime;

#[derive(Debug)]
pub enum Dir {
    Kernel(kernel::Dir),
    Model(ModelDir),
}

#[derive(Debug)]
pub enum File {
    Kernel(kernel::File),
    Model(ModelFile),
}

#[derive(Debug)]
pub enum Processor {
    Kernel(Running),
    Model(ExitStatus),
}

impl Dir {
    pub fn start() -> Result<Dir, Errno> {
        kernel::Dir::start().map(Dir::Kernel)
    }

    pub fn is_model(&self) -> bool {
        matches!(self, Dir::Model(_))
    }

    /// Tests advance a directory's thread on the model by hand; starting it may fail.
    pub fn start_thread(&self) -> Result<(), Errno> {
        match self {
            Dir::Kernel(_) => Ok(()),
            Dir::Model(dir) => again(|| dir.start_thread()),
        }
    }

    pub fn open_dir(&self, path: &OsStr) -> Result<Dir, Errno> {
        match self {
            Dir::Kernel(dir) => dir.open_dir(path).map(Dir::Kernel),
            Dir::Model(dir) => again(|| dir.open_dir(path.as_bytes())).map(Dir::Model),
        }
    }

    pub fn make_dir(&self, path: &OsStr, mode: u32) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.make_dir(path, mode),
            Dir::Model(dir) => again(|| dir.make_dir(path.as_bytes(), mode)),
        }
    }

    pub fn open(&self, name: &[u8], purpose: For) -> Result<File, Errno> {
        match self {
            Dir::Kernel(dir) => dir.open(name, purpose).map(File::Kernel),
            Dir::Model(dir) => again(|| dir.open(name, purpose)).map(File::Model),
        }
    }

    pub fn open_named(&self, path: &OsStr, purpose: For) -> Result<File, Errno> {
        match self {
            Dir::Kernel(dir) => dir.open_named(path, purpose).map(File::Kernel),
            Dir::Model(dir) => again(|| dir.open(path.as_bytes(), purpose)).map(File::Model),
        }
    }

    pub fn stat(&self, name: &[u8]) -> Result<Option<Stat>, Errno> {
        match self {
            Dir::Kernel(dir) => dir.stat(name),
            Dir::Model(dir) => again(|| dir.stat(name)),
        }
    }

    pub fn set_mode(&self, name: &[u8], mode: u32) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.set_mode(name, mode),
            Dir::Model(_) => self.open(name, For::Overwriting)?.set_mode(mode),
        }
    }

    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.rename(from, to),
            Dir::Model(dir) => again(|| dir.rename(from, to)),
        }
    }

    pub fn link(&self, from: &[u8], to: &[u8]) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.link(from, to),
            Dir::Model(dir) => again(|| dir.link(from, to)),
        }
    }

    pub fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.remove(name),
            Dir::Model(dir) => again(|| dir.remove(name)),
        }
    }

    pub fn each_name(&self, visit: impl FnMut(&[u8])) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.each_name(visit),
            Dir::Model(dir) => {
                again(|| dir.names())?.iter().map(Vec::as_slice).for_each(visit);
                Ok(())
            }
        }
    }

    pub fn sync(&self) -> Result<(), Errno> {
        match self {
            Dir::Kernel(dir) => dir.sync(),
            Dir::Model(dir) => again(|| dir.sync()),
        }
    }

    /// On the model a processor opens its files by name.
    pub fn start_processor(&self, command: &OsStr, input: &[u8]) -> io::Result<Processor> {
        match self {
            Dir::Kernel(dir) => dir.start_processor(command, input).map(Processor::Kernel),
            Dir::Model(dir) => Ok(Processor::Model(again(|| dir.run_processor())?)),
        }
    }
}

impl File {
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            File::Kernel(file) => file.write(bytes),
            File::Model(file) => again(|| file.write(bytes)),
        }
    }

    pub fn read_at(&self, bytes: &mut [u8], pos: u64) -> Result<usize, Errno> {
        match self {
            File::Kernel(file) => file.read_at(bytes, pos),
            File::Model(file) => again(|| file.read_at(bytes, pos)),
        }
    }

    pub fn sync(&self) -> Result<(), Errno> {
        match self {
            File::Kernel(file) => file.sync(),
            File::Model(file) => again(|| file.sync()),
        }
    }

    pub fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        match self {
            File::Kernel(file) => file.set_mode(mode),
            File::Model(file) => again(|| file.set_mode(mode)),
        }
    }

    pub fn born(&self) -> Option<SystemTime> {
        match self {
            File::Kernel(file) => file.born(),
            File::Model(file) => again(|| file.born()).ok(),
        }
    }

    pub fn stat(&self) -> Result<Stat, Errno> {
        match self {
            File::Kernel(file) => file.stat(),
            File::Model(file) => again(|| file.stat()),
        }
    }
}

impl From<File> for OwnedFd {
    /// A model file becomes a real unnamed file: locks need a descriptor, and always succeed on it.
    fn from(file: File) -> OwnedFd {
        match file {
            File::Kernel(file) => file.into(),
            File::Model(_) => memfd_create("model", MFdFlags::MFD_CLOEXEC).unwrap(),
        }
    }
}

impl Processor {
    pub fn group(&self) -> Option<Pid> {
        match self {
            Processor::Kernel(running) => running.group(),
            Processor::Model(_) => None,
        }
    }

    pub fn wait(&self) -> io::Result<()> {
        match self {
            Processor::Kernel(running) => running.wait(),
            Processor::Model(_) => Ok(()),
        }
    }

    pub fn has_ended(&self) -> io::Result<bool> {
        match self {
            Processor::Kernel(running) => running.has_ended(),
            Processor::Model(_) => Ok(true),
        }
    }

    pub fn reap(&mut self) -> io::Result<ExitStatus> {
        match self {
            Processor::Kernel(running) => running.reap(),
            Processor::Model(status) => Ok(*status),
        }
    }
}
