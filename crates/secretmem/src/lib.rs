//! Memory of `memfd_secret(2)`: the kernel maps it for this process alone and takes it out of its own map, so that neither
//! a core dump, nor a debugger, nor `/proc/PID/mem`, nor a read through the kernel has it. Here is all the `unsafe` that
//! the project writes.

use std::fs::File;
use std::io;
use std::os::fd::FromRawFd;
use std::ptr::{NonNull, null_mut};

use rustix::fs::ftruncate;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use zeroize::{Zeroize, Zeroizing};

/// 32 bytes, such as a key: in secret memory where the kernel grants it, and else in the process's own. They stay where
/// they are when the value moves, and are wiped when it is dropped.
pub struct Secret(Place);

enum Place {
    /// In a mapping of its own, which nothing else refers to.
    Hidden(NonNull<[u8; 32]>),
    Own(Box<Zeroizing<[u8; 32]>>),
}

#[expect(unsafe_code, reason = "a pointer says nothing of who may hold it")]
// SAFETY: the mapping is this value's alone and goes with it; it may be dropped by any thread.
unsafe impl Send for Secret {}
#[expect(unsafe_code, reason = "a pointer says nothing of who may look at it")]
// SAFETY: through a shared reference the bytes can only be read.
unsafe impl Sync for Secret {}

impl Secret {
    /// A copy of these bytes.
    pub fn copied(bytes: &[u8; 32]) -> Self {
        match map() {
            Ok(mut place) => {
                #[expect(unsafe_code, reason = "the mapping is reached by its address")]
                // SAFETY: 32 bytes of a fresh mapping, which is aligned to its page, readable, writable, and zero.
                let hidden = unsafe { place.as_mut() };
                hidden.copy_from_slice(bytes);
                Self(Place::Hidden(place))
            }
            Err(_) => Self(Place::Own(Box::new(Zeroizing::new(*bytes)))),
        }
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8; 32] {
        match &self.0 {
            #[expect(unsafe_code, reason = "the mapping is reached by its address")]
            // SAFETY: mapped as long as `self` lives, and written to only before anybody had a reference.
            Place::Hidden(place) => unsafe { place.as_ref() },
            Place::Own(bytes) => bytes,
        }
    }

    /// Whether the kernel granted secret memory.
    pub fn is_hidden(&self) -> bool {
        matches!(self.0, Place::Hidden(_))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if let Place::Hidden(mut place) = self.0 {
            #[expect(unsafe_code, reason = "the mapping is reached by its address")]
            // SAFETY: still mapped, and nobody has a reference any more.
            unsafe { place.as_mut() }.zeroize();
            #[expect(unsafe_code, reason = "the mapping ends here")]
            // SAFETY: the whole of what `map` made; nothing refers to it after this.
            let ended = unsafe { munmap(place.as_ptr().cast(), size_of::<[u8; 32]>()) };
            debug_assert!(ended.is_ok(), "what was mapped can be unmapped");
        }
    }
}

/// A page of secret memory, of which the first 32 bytes are used. Linux has it since 5.14, and some configurations of
/// it do not.
fn map() -> io::Result<NonNull<[u8; 32]>> {
    #[expect(unsafe_code, reason = "no library has this call")]
    // SAFETY: it takes flags, touches no memory and makes a file descriptor.
    let made = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let made = i32::try_from(made).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    #[expect(unsafe_code, reason = "a number becomes a descriptor")]
    // SAFETY: just made, open, and known to nobody else.
    let file = unsafe { File::from_raw_fd(made) };
    let bytes = size_of::<[u8; 32]>();
    ftruncate(&file, bytes as u64)?;
    let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::POPULATE);
    #[expect(unsafe_code, reason = "a mapping is made by no safe function")]
    // SAFETY: at an address of the kernel's choice, over nothing; nobody else has the file, so nobody cuts it short.
    let at = unsafe { mmap(null_mut(), bytes, access, flags, &file, 0) }?;
    NonNull::new(at.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_memory_of_the_process_it_is_as_good_and_says_so() {
        let secret = Secret(Place::Own(Box::new(Zeroizing::new([7; 32]))));
        assert_eq!((secret.expose(), secret.is_hidden()), (&[7; 32], false));
    }
}
