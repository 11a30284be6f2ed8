//! How the tensors of a safetensors file differ from those of another.
//!
//! A file is 8 bytes that tell the length of a header, the header in JSON, and the bytes of the
//! tensors (<https://huggingface.co/docs/safetensors>). Only headers are read, and of tensors of
//! one name, type and shape what lies in different chunks, up to the first difference.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::content::{Content, same_bytes};
use crate::error::Result;

/// The longest header that is read, in bytes. The format allows 100,000,000; a tensor needs some 100.
pub const HEADER_LEN_MAX: u64 = 32 << 20;

/// How many extents a tensor may have; libraries know some 8, or 64.
const EXTENTS_MAX: usize = 64;

/// How much of a name stands in a refusal.
const NAME_SHOWN_MAX: usize = 100;

/// Bytes that tell the length of the header.
const PREFIX_LEN: u64 = 8;

/// How the tensors of a file differ from those of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TensorsChange {
    /// The old file, if there is one.
    pub old: Option<TensorsShape>,
    /// The new file, if there is one.
    pub new: Option<TensorsShape>,
    /// Tensors that only the new file has.
    pub added: Vec<TensorInfo>,
    /// Tensors that only the old file has.
    pub removed: Vec<TensorInfo>,
    /// Tensors of which the type, the shape or the bytes differ.
    pub changed: Vec<TensorEdit>,
    /// Whether what the header says beside the tensors, `__metadata__`, differs.
    pub metadata_changed: bool,
}

/// How large a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TensorsShape {
    /// Its tensors.
    pub tensors: u64,
    /// The numbers in them.
    pub parameters: u64,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Its type and shape.
    #[serde(flatten)]
    pub layout: Layout,
}

/// A tensor that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorEdit {
    /// Its name.
    pub name: String,
    /// Its type and shape in the old file.
    pub old: Layout,
    /// The same in the new file; equal if only the bytes differ.
    pub new: Layout,
}

/// The type and the shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The type of its numbers, such as `F32`.
    pub dtype: String,
    /// Its extents.
    pub shape: Vec<u64>,
}

/// Why a file is not one of safetensors, in words.
type Refusal = String;

/// Compares two files, or tells of the one that there is.
pub(super) fn compare(sides: &mut [Option<Content<'_>>; 2]) -> Result<Result<TensorsChange, Refusal>> {
    let mut headers = Vec::new();
    let is_alone = sides.iter().any(Option::is_none);
    for (content, which) in sides.iter_mut().zip(["old", "new"]) {
        headers.push(match content.as_mut().map(|content| Header::read(content)).transpose()? {
            Some(Ok(header)) => Some(header),
            Some(Err(why)) if is_alone => return Ok(Err(why)),
            Some(Err(why)) => return Ok(Err(format!("{why} (the {which} one)"))),
            None => None,
        });
    }
    let (right, left) = (headers.pop().flatten(), headers.pop().flatten());
    let mut change = TensorsChange { old: left.as_ref().map(Header::shape), new: right.as_ref().map(Header::shape), ..Default::default() };
    if let (Some(left), Some(right)) = (&left, &right) {
        change.metadata_changed = left.metadata != right.metadata;
    }
    let ([old, new], left, mut right) = (sides, left.unwrap_or_default(), right.unwrap_or_default());
    for (name, before) in left.tensors {
        let Some(after) = right.tensors.remove(&name) else {
            change.removed.push(TensorInfo { name, layout: before.layout });
            continue;
        };
        let mut is_same = before.layout == after.layout;
        if let (true, Some(old), Some(new)) = (is_same, &mut *old, &mut *new) {
            is_same = same_bytes((old, before.bytes.start), (new, after.bytes.start), before.bytes.end - before.bytes.start)?;
        }
        if !is_same {
            change.changed.push(TensorEdit { name, old: before.layout, new: after.layout });
        }
    }
    change.added = right.tensors.into_iter().map(|(name, tensor)| TensorInfo { name, layout: tensor.layout }).collect();
    Ok(Ok(change))
}

/// A header that was checked: no tensor lies outside the file, or in the bytes of another.
#[derive(Debug, Default)]
struct Header {
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Tensor {
    layout: Layout,
    /// Where it lies in the file.
    bytes: Range<u64>,
}

impl Header {
    fn read(content: &mut Content<'_>) -> Result<Result<Header, Refusal>> {
        let prefix = content.range(0..PREFIX_LEN)?;
        let Some(len) = prefix.first_chunk().map(|len| u64::from_le_bytes(*len)) else { return Ok(Err("it is too short".to_owned())) };
        if len > content.len - PREFIX_LEN {
            return Ok(Err(format!("its header of {len} bytes would be longer than the file")));
        }
        if len > HEADER_LEN_MAX {
            return Ok(Err(format!("its header of {len} bytes is too long to be read")));
        }
        let start = PREFIX_LEN + len;
        let raw: Result<RawHeader, _> = serde_json::from_slice(&content.range(PREFIX_LEN..start)?);
        Ok(match raw {
            Ok(raw) => Header::check(raw, start, content.len),
            // What the error says may be as long as the header.
            Err(error) if error.is_data() => {
                Err(format!("its header does not list tensors, at line {} column {}", error.line(), error.column()))
            }
            Err(error) => Err(format!("its header is no JSON, at line {} column {}", error.line(), error.column())),
        })
    }

    fn check(raw: RawHeader, start: u64, len: u64) -> Result<Header, Refusal> {
        let mut tensors = BTreeMap::new();
        for (name, RawTensor { dtype, shape, data_offsets: [begin, end] }) in raw.tensors {
            let shown = || crate::quote::quote(&name.as_bytes()[..name.len().min(NAME_SHOWN_MAX)]);
            let numbers = shape.iter().try_fold(1u64, |all, extent| all.checked_mul(*extent));
            let bytes = begin.checked_add(start).zip(end.checked_add(start)).filter(|(begin, end)| begin <= end && *end <= len);
            if shape.len() > EXTENTS_MAX {
                return Err(format!("its tensor {} has more than {EXTENTS_MAX} extents", shown()));
            }
            let (Some(numbers), Some((from, to))) = (numbers, bytes) else {
                return Err(format!("its tensor {} does not lie within the file", shown()));
            };
            if let Some(bits) = bits_of(&dtype)
                && u128::from(numbers) * u128::from(bits) != u128::from(end - begin) * 8
            {
                return Err(format!("its tensor {} is not as long as its shape and type say", shown()));
            }
            let tensor = Tensor { layout: Layout { dtype, shape }, bytes: from..to };
            if let Entry::Vacant(place) = tensors.entry(name) {
                place.insert(tensor);
            } else {
                return Err("two of its tensors have one name".to_owned());
            }
        }
        let mut ranges: Vec<&Range<u64>> = tensors.values().map(|tensor| &tensor.bytes).filter(|range| !range.is_empty()).collect();
        ranges.sort_by_key(|range| range.start);
        if ranges.windows(2).any(|pair| pair[0].end > pair[1].start) {
            return Err("its tensors overlap".to_owned());
        }
        Ok(Header { tensors, metadata: raw.metadata })
    }

    fn shape(&self) -> TensorsShape {
        let numbers = |tensor: &Tensor| tensor.layout.shape.iter().fold(1u64, |all, extent| all.saturating_mul(*extent));
        let parameters = self.tensors.values().fold(0u64, |all, tensor| all.saturating_add(numbers(tensor)));
        TensorsShape { tensors: self.tensors.len() as u64, parameters }
    }
}

/// The bits of a number of a type; none if the type is not known here.
fn bits_of(dtype: &str) -> Option<u32> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// A header as it is written.
#[derive(Default)]
struct RawHeader {
    tensors: Vec<(String, RawTensor)>,
    metadata: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawHeader, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut header = RawHeader::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        header.metadata = map.next_value()?;
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(HeaderVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Content<'static> {
        Content::of_bytes([&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat())
    }

    fn tensor(name: &str, dtype: &str, shape: &str, offsets: &str) -> String {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}"#)
    }

    #[test]
    fn tensors_are_compared_by_name_type_shape_and_bytes() {
        let [a, b, c] = [tensor("a", "F32", "[1]", "[0,4]"), tensor("b", "U8", "[2,2]", "[4,8]"), tensor("c", "BF16", "[2]", "[8,12]")];
        let header = format!("{{{a},{b},{c}}}");
        let old = || file(&header, b"aaaabbbbcccc");
        // The others lie elsewhere, behind a longer header.
        let [a, b, d] = [tensor("a", "F32", "[1]", "[4,8]"), tensor("b", "U8", "[4]", "[0,4]"), tensor("d", "XYZ", "[]", "[8,8]")];
        let [c] = [tensor("c", "BF16", "[2]", "[8,12]")];
        let new = file(&format!(r#"{{"__metadata__":{{"format":"pt"}},{a},{b},{c},{d}}}"#), b"bbbbaaaacccd");
        let change = compare(&mut [Some(old()), Some(new)]).unwrap().unwrap();
        let layout = |dtype: &str, shape: &[u64]| Layout { dtype: dtype.to_owned(), shape: shape.to_vec() };
        assert_eq!(
            change,
            TensorsChange {
                old: Some(TensorsShape { tensors: 3, parameters: 7 }),
                new: Some(TensorsShape { tensors: 4, parameters: 8 }),
                added: vec![TensorInfo { name: "d".into(), layout: layout("XYZ", &[]) }],
                removed: vec![],
                changed: vec![
                    TensorEdit { name: "b".into(), old: layout("U8", &[2, 2]), new: layout("U8", &[4]) },
                    TensorEdit { name: "c".into(), old: layout("BF16", &[2]), new: layout("BF16", &[2]) },
                ],
                metadata_changed: true,
            }
        );
        let gone = compare(&mut [Some(old()), None]).unwrap().unwrap();
        assert_eq!((gone.removed.len(), gone.new), (3, None));
    }

    #[test]
    fn a_header_that_lies_is_refused() {
        let refused = |content: Content<'_>| compare(&mut [None, Some(content)]).unwrap().unwrap_err();
        assert_eq!(refused(Content::of_bytes(b"short".to_vec())), "it is too short");
        let huge = |len: u64| Content::of_bytes([&len.to_le_bytes()[..], b"{}"].concat());
        assert_eq!(refused(huge(3)), "its header of 3 bytes would be longer than the file");
        assert!(refused(huge(u64::MAX)).contains("would be longer than the file"));
        let mut long = file("", &vec![b' '; HEADER_LEN_MAX as usize + 1]);
        long = Content::of_bytes([&(HEADER_LEN_MAX + 1).to_le_bytes()[..], &long.range(8..u64::MAX).unwrap()].concat());
        assert_eq!(refused(long), "its header of 33554433 bytes is too long to be read");
        let one = |dtype: &str, shape: &str, offsets: &str| refused(file(&format!("{{{}}}", tensor("a", dtype, shape, offsets)), b"1234"));
        assert_eq!(one("U8", "[5]", "[0,5]"), "its tensor 'a' does not lie within the file");
        assert_eq!(one("U8", "[4]", "[4,0]"), "its tensor 'a' does not lie within the file");
        assert_eq!(one("U8", "[4]", "[18446744073709551615,18446744073709551615]"), "its tensor 'a' does not lie within the file");
        assert_eq!(one("?", "[4294967296,4294967296]", "[0,4]"), "its tensor 'a' does not lie within the file");
        assert_eq!(one("F32", "[4]", "[0,4]"), "its tensor 'a' is not as long as its shape and type say");
        assert_eq!(one("U8", &format!("[{}1]", "1,".repeat(EXTENTS_MAX)), "[0,1]"), "its tensor 'a' has more than 64 extents");
        let both = format!("{{{},{}}}", tensor("a", "U8", "[3]", "[0,3]"), tensor("b", "U8", "[2]", "[2,4]"));
        assert_eq!(refused(file(&both, b"1234")), "its tensors overlap");
        let twice = format!("{{{0},{0}}}", tensor("a", "U8", "[4]", "[0,4]"));
        assert_eq!(refused(file(&twice, b"1234")), "two of its tensors have one name");
        for bad in ["", "{", "{]"] {
            assert!(refused(file(bad, b"")).starts_with("its header is no JSON"), "{bad}");
        }
        for bad in ["[]", "null", r#"{"a":1}"#, r#"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}"#] {
            assert!(refused(file(bad, b"")).starts_with("its header does not list tensors, at line 1 column"), "{bad}");
        }
        let deep = format!(r#"{{"a":{{"x":{}"#, "[".repeat(1 << 20));
        assert!(refused(file(&deep, b"")).starts_with("its header is no JSON"));
        let deep = format!(r#"{{"a":{}"#, "[".repeat(1 << 20));
        assert!(refused(file(&deep, b"")).starts_with("its header does not list tensors"));
    }
}
