//! Asking memory early: what will be needed soon is on its way to the cache while other work is done.
//! A million clients do not fit into the cache, and each beats at its own time.

/// How many items ahead of the one that is dealt with to ask for: as many as memory answers at once.
pub const PREFETCH: usize = 16;

/// Asks for the item of an array; nothing where there is none, and on machines that can't.
#[inline(always)]
pub fn prefetch<T>(items: &[T], index: u32) {
    if let Some(item) = items.get(index as usize) {
        #[cfg(target_arch = "x86_64")]
        safe_arch::prefetch_t0(item);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = item;
    }
}
