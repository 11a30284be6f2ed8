//! Deals the bytes of elements into planes and back: byte `i` of every element into plane `i`.
//! "Block codecs" in `docs/format.md`.

/// Deals `raw` out into `width` planes, plane `p` holding the bytes at `i` with `i % width == p`, one
/// after the other in `planes`. Deals by two, once per doubling of the width: that is the shape
/// that compilers vectorise.
pub(super) fn split(width: usize, raw: &[u8], planes: &mut Vec<u8>, scratch: &mut Vec<u8>) {
    planes.resize(raw.len(), 0);
    scratch.resize(raw.len(), 0);
    match width {
        2 => deal(1, raw, planes),
        4 => {
            deal(1, raw, scratch);
            deal(2, scratch, planes);
        }
        _ => {
            deal(1, raw, planes);
            deal(2, planes, scratch);
            deal(4, scratch, planes);
        }
    }
}

/// Undoes [`split`]; `planes` is used up.
pub(super) fn merge(width: usize, planes: &mut [u8], scratch: &mut Vec<u8>, raw: &mut [u8]) {
    scratch.resize(raw.len(), 0);
    match width {
        2 => undeal(1, planes, raw),
        4 => {
            undeal(2, planes, scratch);
            undeal(1, scratch, raw);
        }
        _ => {
            undeal(4, planes, scratch);
            undeal(2, scratch, planes);
            undeal(1, planes, raw);
        }
    }
}

/// Turns `width` planes into twice as many, in the order of the places their bytes came from.
pub(super) fn deal(width: usize, from: &[u8], to: &mut [u8]) {
    let plane_len = from.len() / width;
    if plane_len == 0 {
        return;
    }
    let (low, high) = to.split_at_mut(from.len() / 2);
    let halves = low.chunks_exact_mut(plane_len / 2).zip(high.chunks_exact_mut(plane_len / 2));
    for (plane, (even, odd)) in from.chunks_exact(plane_len).zip(halves) {
        let (batches, pairs) = plane.as_chunks::<32>();
        let (even_batches, even) = even.as_chunks_mut::<16>();
        let (odd_batches, odd) = odd.as_chunks_mut::<16>();
        // Words halved by a shift become vector code on every target; bytes picked by index do not.
        for ((batch, e), o) in batches.iter().zip(even_batches).zip(odd_batches) {
            let mut words = [0; 16];
            for (word, pair) in words.iter_mut().zip(batch.as_chunks::<2>().0) {
                *word = u16::from_le_bytes(*pair);
            }
            *e = words.map(|word| word as u8);
            *o = words.map(|word| (word >> 8) as u8);
        }
        for ((pair, e), o) in pairs.as_chunks::<2>().0.iter().zip(even).zip(odd) {
            [*e, *o] = *pair;
        }
    }
}

/// Undoes [`deal`].
pub(super) fn undeal(width: usize, from: &[u8], to: &mut [u8]) {
    let plane_len = from.len() / width;
    if plane_len == 0 {
        return;
    }
    let (low, high) = from.split_at(from.len() / 2);
    let halves = low.chunks_exact(plane_len / 2).zip(high.chunks_exact(plane_len / 2));
    for (plane, (even, odd)) in to.chunks_exact_mut(plane_len).zip(halves) {
        for ((pair, e), o) in plane.as_chunks_mut::<2>().0.iter_mut().zip(even).zip(odd) {
            *pair = [*e, *o];
        }
    }
}
