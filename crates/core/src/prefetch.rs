//! Prefetching: data that will be needed soon is loaded into the cache while other work is done. A
//! million clients do not fit into the cache, and each beats at its own time.

/// How many items ahead to prefetch: about as many loads as memory serves at once.
pub const PREFETCH: usize = 16;

/// Prefetches an item of an array. It does nothing if there is no such item, or if the processor
/// has no instruction for it.
#[inline(always)]
pub fn prefetch<T>(items: &[T], index: u32) {
    if let Some(item) = items.get(index as usize) {
        #[cfg(target_arch = "x86_64")]
        safe_arch::prefetch_t0(item);
        #[cfg(not(target_arch = "x86_64"))]
        let _ = item;
    }
}
