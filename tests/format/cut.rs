//! "Cutting": the page's rule, followed place by place, and its vectors.

use artstore::chunk::cut::chunks;

const TIE: [u64; 4] = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f5, 0x06c4_5d18_8009_454f, 0xf88b_b8a8_724c_81ed];

fn rank(rest: &[u8], len: usize) -> u32 {
    u32::from_le_bytes(rest[len - 4..len].try_into().unwrap()).wrapping_mul(0x915f_77f5).wrapping_add(0x3463_6463)
}

fn tie(rest: &[u8], len: usize) -> u64 {
    let word = |i: usize| u64::from_le_bytes(rest[len - 32 + 8 * i..][..8].try_into().unwrap());
    (0..4).fold(0, |sum: u64, i| sum.wrapping_add(word(i).wrapping_mul(TIE[i])))
}

fn cut(rest: &[u8]) -> usize {
    if rest.len() <= 98_304 {
        return rest.len();
    }
    let counts = |&len: &usize| len == 32_768 || rest[len - 4..len] != rest[len - 5..len - 1];
    (32_768..=98_304).filter(counts).min_by_key(|&len| (rank(rest, len), tie(rest, len), len)).unwrap()
}

/// The file of the page's vectors.
fn vector(alphabet: &[u8]) -> Vec<u8> {
    let mut state = 0u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as usize
    };
    (0..1 << 20).map(|_| alphabet[next() % alphabet.len()]).collect()
}

fn lens(file: &[u8]) -> Vec<usize> {
    let lens: Vec<usize> = chunks(file).map(<[u8]>::len).collect();
    let mut rest = file;
    for &len in &lens {
        assert_eq!(len, cut(rest));
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    lens
}

#[test]
fn files_are_cut_as_the_page_says() {
    let page = include_str!("../../docs/format.md");
    let in_page = |lens: &[usize]| page.contains(&lens.iter().map(usize::to_string).collect::<Vec<_>>().join(", "));
    let all: Vec<u8> = (0..=255).collect();
    assert!(in_page(&lens(&vector(&all))));
    assert!(in_page(&lens(&vector(b"ACGT"))));
    assert_eq!(lens(&[0; 327_680]), [32_768, 32_768, 32_768, 32_768, 32_768, 32_768, 32_768, 98_304]);
    assert_eq!(lens(&[]), [0; 0]);
    assert_eq!(lens(&[7; 98_304]), [98_304]);
    assert_eq!(lens(&[7; 98_305]), [32_768, 65_537]);
}
