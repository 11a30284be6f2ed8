//! Reads tar: v7, ustar, pax and GNU headers. What a header may announce of other headers is bounded.

use std::io::{self, Read};
use std::sync::Arc;

use ::tar::{EntryType, Header, PaxExtensions};

use super::rules::Rules;
use crate::error::Result;
use crate::ops::put::feed::{Fed, Feed, TakeFed};

const BLOCK_LEN: usize = 512;
/// Longest extended header or long name: more than any path here, and than what tools put there.
const EXTENDED_LEN_MAX: u64 = 1 << 20;
/// Bytes that are read after the end, so that a compressed stream checks itself; tape blocks are no longer.
const AFTER_END_MAX: u64 = 16 << 20;

/// A tar that is read.
pub(super) struct Tar<R> {
    source: R,
    rules: Arc<Rules>,
}

/// What stands before a header and goes over it.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size_bytes: Option<u64>,
}

/// Whether bytes begin with a tar header, or with the end of an empty tar.
pub(super) fn is_header(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<BLOCK_LEN>() else { return false };
    *block == [0; BLOCK_LEN] || checksum_is_right(Header::from_byte_slice(block))
}

fn checksum_is_right(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let field = 148..156;
    let sum: u32 = bytes.iter().enumerate().map(|(at, &byte)| u32::from(if field.contains(&at) { b' ' } else { byte })).sum();
    header.cksum().is_ok_and(|stated| stated == sum)
}

impl<R: Read> Tar<R> {
    pub(super) fn new(source: R, rules: Arc<Rules>) -> Tar<R> {
        Tar { source, rules }
    }

    /// Reads the next header; none at the end.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut block = [0; BLOCK_LEN];
        self.source.read_exact(&mut block).map_err(|e| self.rules.failed(e))?;
        if block == [0; BLOCK_LEN] {
            // A bomb may go on for ever.
            io::copy(&mut (&mut self.source).take(AFTER_END_MAX), &mut io::sink()).map_err(|e| self.rules.failed(e))?;
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        if checksum_is_right(&header) { Ok(Some(header)) } else { Err(self.rules.broken("a header in it is damaged")) }
    }

    /// Reads what a header announces into memory.
    fn short(&mut self, len: u64) -> Result<Vec<u8>> {
        if len > EXTENDED_LEN_MAX {
            return Err(self.rules.broken("a header in it is longer than any should be"));
        }
        let mut bytes = vec![0; len as usize];
        self.source.read_exact(&mut bytes).map_err(|e| self.rules.failed(e))?;
        self.skip(padding(len))?;
        Ok(bytes)
    }

    fn skip(&mut self, len: u64) -> Result<()> {
        let skipped = io::copy(&mut (&mut self.source).take(len), &mut io::sink()).map_err(|e| self.rules.failed(e))?;
        if skipped == len { Ok(()) } else { Err(self.rules.broken("it is cut off")) }
    }

    fn extend(&self, extended: &mut Extended, bytes: &[u8]) -> Result<()> {
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(|_| self.rules.broken("an extended header in it is damaged"))?;
            let value = record.value_bytes().to_vec();
            match record.key_bytes() {
                b"path" => extended.path = Some(value),
                b"linkpath" => extended.target = Some(value),
                b"size" => {
                    let size = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
                    extended.size_bytes = Some(size.ok_or_else(|| self.rules.broken("an extended header in it is damaged"))?);
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(self.sparse()),
                _ => {}
            }
        }
        Ok(())
    }

    fn sparse(&self) -> crate::error::Error {
        self.rules
            .broken("it has a file with holes, in GNU's own format")
            .hint("make it without `--sparse`, or take it apart with GNU tar and put the directory")
    }

    /// Gives one entry to `take`, which has then been read past.
    fn entry(&mut self, header: &Header, extended: Extended, take: &mut TakeFed<'_>) -> Result<bool> {
        let broken = |_| self.rules.broken("a header in it is damaged");
        let name = extended.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let len = match extended.size_bytes {
            Some(len) => len,
            None => header.entry_size().map_err(broken)?,
        };
        let mode = header.mode().map_err(broken)?;
        let target = extended.target.or_else(|| header.link_name_bytes().map(|target| target.into_owned())).unwrap_or_default();
        let path = self.rules.path(&name)?;
        let kind = match header.entry_type() {
            // As it was before there was a type for directories.
            EntryType::Regular if name.ends_with(b"/") => EntryType::Directory,
            kind => kind,
        };
        let go_on = match (path, kind) {
            (_, EntryType::GNUSparse) => return Err(self.sparse()),
            (_, EntryType::Char | EntryType::Block | EntryType::Fifo) => {
                self.rules.leave_out_special();
                true
            }
            (None, _) => true,
            (Some(path), EntryType::Regular | EntryType::Continuous) => {
                let mut source = Exactly { source: &mut self.source, left: len };
                let executable = mode & 0o111 != 0;
                let go_on = take(path, Fed::File { executable, size_bytes: len, source: &mut source })?;
                return if go_on { self.skip(padding(len)).map(|()| true) } else { Ok(false) };
            }
            (Some(path), EntryType::Directory) => take(path, Fed::Dir)?,
            (Some(path), EntryType::Symlink) => {
                self.rules.check_link(&path, &target)?;
                take(path, Fed::Symlink(target))?
            }
            (Some(path), EntryType::Link) => match self.rules.path(&target)? {
                Some(to) => take(path, Fed::Link(to))?,
                None => return Err(self.rules.refused(&name, "it is a hard link to something that is not taken")),
            },
            (Some(_), other) => {
                let why = format!("it is of a type that is not known here ('{}')", char::from(other.as_byte()).escape_default());
                return Err(self.rules.refused(&name, &why));
            }
        };
        self.skip(len)?;
        self.skip(padding(len))?;
        Ok(go_on)
    }
}

impl<R: Read + Send> Feed for Tar<R> {
    fn each(&mut self, take: &mut TakeFed<'_>) -> Result<()> {
        let mut extended = Extended::default();
        while let Some(header) = self.header()? {
            let len = header.entry_size().map_err(|_| self.rules.broken("a header in it is damaged"))?;
            match header.entry_type() {
                EntryType::XHeader => {
                    let bytes = self.short(len)?;
                    self.extend(&mut extended, &bytes)?;
                }
                EntryType::GNULongName => extended.path = Some(until_nul(self.short(len)?)),
                EntryType::GNULongLink => extended.target = Some(until_nul(self.short(len)?)),
                // What holds for all: `git archive` names its commit there.
                EntryType::XGlobalHeader => drop(self.short(len)?),
                // The label of a volume.
                other if other.as_byte() == b'V' => drop(self.short(len)?),
                _ => {
                    if !self.entry(&header, std::mem::take(&mut extended), take)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    bytes
}

fn padding(len: u64) -> u64 {
    (BLOCK_LEN as u64 - len % BLOCK_LEN as u64) % BLOCK_LEN as u64
}

/// So many bytes of a source; that it ends before them is an error.
struct Exactly<'s, R> {
    source: &'s mut R,
    left: u64,
}

impl<R: Read> Read for Exactly<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.source.read(&mut into[..wanted])?;
        self.left -= count as u64;
        if count == 0 && wanted > 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
    }
}
