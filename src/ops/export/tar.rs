//! Writes tar: ustar headers, and a pax header before each that cannot say what it should.

use std::io::{self, Write};

use ::tar::{EntryType, Header};

use super::Archive;
use crate::format::manifest::{Entry, EntryKind};

/// Bytes of a header, and what contents are padded to.
const BLOCK_LEN: usize = 512;
/// Longest name and target in a header.
const NAME_LEN: usize = 100;
/// Longest file whose length a header can tell in octal digits.
const OCTAL_MAX: u64 = (1 << 33) - 1;

/// What a tar is written to, and how that ends.
pub(super) trait End: Write {
    fn end(self) -> io::Result<()>;
}

impl<W: Write + ?Sized> End for &mut W {
    fn end(self) -> io::Result<()> {
        Ok(())
    }
}

/// One zstd frame.
pub(super) struct Zst<W: Write>(pub(super) zstd::Encoder<'static, W>);

impl<W: Write> Write for Zst<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> End for Zst<W> {
    fn end(self) -> io::Result<()> {
        self.0.finish().map(drop)
    }
}

/// A tar that is being written.
pub(super) struct Tar<W> {
    out: W,
    mtime: u64,
    /// Bytes of the open file so far.
    len: u64,
}

impl<W: End> Tar<W> {
    pub(super) fn new(out: W, mtime: u64) -> Tar<W> {
        Tar { out, mtime, len: 0 }
    }

    /// Writes the headers of an entry. `name` of a directory ends in `/`.
    fn header(&mut self, kind: EntryType, mode: u32, name: &[u8], target: &[u8], len: u64) -> io::Result<()> {
        let mut extended = Vec::new();
        let mut add = |key: &str, value: &[u8]| extended.extend(pax_record(key, value));
        let long = [("path", name), ("linkpath", target)].into_iter().filter(|(_, text)| text.len() > NAME_LEN);
        // Readers take the values for UTF-8 unless told.
        if long.clone().any(|(_, text)| std::str::from_utf8(text).is_err()) {
            add("hdrcharset", b"BINARY");
        }
        long.for_each(|(key, text)| add(key, text));
        if len > OCTAL_MAX {
            add("size", len.to_string().as_bytes());
        }
        if !extended.is_empty() {
            let header = self.block(EntryType::XHeader, 0o644, b"pax_header", b"", extended.len() as u64)?;
            self.out.write_all(header.as_bytes())?;
            self.out.write_all(&extended)?;
            self.pad(extended.len() as u64)?;
        }
        let header = self.block(kind, mode, name, target, len)?;
        self.out.write_all(header.as_bytes())
    }

    fn block(&self, kind: EntryType, mode: u32, name: &[u8], target: &[u8], len: u64) -> io::Result<Header> {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.mtime);
        header.set_size(len);
        let fields = header.as_ustar_mut().ok_or(io::ErrorKind::InvalidData)?;
        for (field, text) in [(&mut fields.name, name), (&mut fields.linkname, target)] {
            let text = &text[..text.len().min(NAME_LEN)];
            field[..text.len()].copy_from_slice(text);
        }
        header.set_cksum();
        Ok(header)
    }

    fn pad(&mut self, len: u64) -> io::Result<()> {
        let over = (len % BLOCK_LEN as u64) as usize;
        if over > 0 { self.out.write_all(&[0; BLOCK_LEN][over..]) } else { Ok(()) }
    }
}

/// Lays out a record of a pax header, which begins with its own length.
fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
}

impl<W: End> Archive for Tar<W> {
    fn begin(&mut self, entry: &Entry) -> io::Result<()> {
        self.len = 0;
        let path = entry.path.as_bytes();
        match &entry.kind {
            EntryKind::File(body) => {
                let mode = if body.executable { 0o755 } else { 0o644 };
                self.header(EntryType::Regular, mode, path, b"", body.size_bytes)
            }
            EntryKind::EmptyDir => self.header(EntryType::Directory, 0o755, &[path, b"/"].concat(), b"", 0),
            EntryKind::Symlink(target) => self.header(EntryType::Symlink, 0o777, path, &target.0, 0),
            EntryKind::Reference(_) => Ok(()),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn end(&mut self) -> io::Result<()> {
        self.pad(self.len)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK_LEN])?;
        self.out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_record_counts_its_own_length() {
        assert_eq!(pax_record("path", b"ab"), b"11 path=ab\n");
        for len in [1, 80, 88, 89, 90, 91, 980, 988, 989, 990, 4096] {
            let record = pax_record("path", &vec![b'x'; len]);
            let stated: usize = String::from_utf8(record.clone()).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(stated, record.len());
        }
    }

    #[test]
    fn a_file_of_more_than_8_gib_has_its_length_in_both_headers() {
        let mut out = Vec::new();
        let len = (1u64 << 33) + 5;
        Tar::new(&mut out, 7).header(EntryType::Regular, 0o644, b"big", b"", len).unwrap();
        assert_eq!(out.len(), 3 * BLOCK_LEN);
        assert!(out[BLOCK_LEN..].starts_with(b"19 size=8589934597\n"));
        assert_eq!(Header::from_byte_slice(&out[2 * BLOCK_LEN..]).entry_size().unwrap(), len);
    }
}
